"""SIGKILL at exact points of a sync, in a process of its own: nothing is lost, nothing doubled.

A trigger makes the database wait for an advisory lock that the test holds, so that the process
is stopped at one certain statement; then it is killed, and the next run has to make good.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from app.errors import AlreadyRunningError, LostRunError
from app.sync import run as running
from app.sync import runs
from app.sync.report import RunState
from app.sync.run import Request
from app.sync.run_store import RunStore
from tests.integration.bench import Bench, figures
from tests.places import PROGRAM

ROWS = [{"code": f"{n:04}", "name": f"Place {n}"} for n in range(1000)]
LOCK = 4711

GATE = """
CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({lock});
    RETURN NEW;
END $$;
CREATE TRIGGER gate {when} ON openregister.{table} FOR EACH {each} EXECUTE FUNCTION public.gate();
"""

WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database
WHERE locktype = 'advisory' AND NOT granted AND d.datname = current_database()
"""
"""Other tests use the same server."""

POINTS = {
    "run just started": ("AFTER INSERT", "runs", "STATEMENT", ""),
    "objects of the first batch": ("BEFORE INSERT", "objects", "STATEMENT", ""),
    "an object in the fourth batch": ("BEFORE INSERT", "objects", "ROW", "NEW.source_key = '0333'"),
    "audit entries": ("BEFORE INSERT", "audit_trails", "STATEMENT", ""),
    "head of the chain": ("BEFORE UPDATE", "chains", "ROW", "NEW.length > 300"),
    "counters, last before the commit": ("BEFORE UPDATE", "runs", "ROW", "NEW.read = 700"),
    "after the last batch, before the end": ("BEFORE UPDATE", "runs", "ROW", "NEW.state = 'done'"),
}


@pytest.fixture
def child(bench: Bench, database_url: str) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts `source:run places` as its own process."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "OPENREGISTER_DATABASE_URL": database_url,
            "OPENREGISTER_DATA_DIR": str(bench.app.settings.data_dir),
        }
        program = PROGRAM
        process = subprocess.Popen(
            [sys.executable, str(program), "source:run", "places", "--output", "json"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def wait_for_gate(bench: Bench) -> None:
    """Until a backend waits for the advisory lock."""
    deadline = time.monotonic() + 120  # a new process on a busy machine
    while time.monotonic() < deadline:
        if bench.scalar(WAITING):
            return
        time.sleep(0.02)
    pytest.fail("the sync never came to the point")


@pytest.mark.promise("a second attempt creates duplicates")
@pytest.mark.promise("a crash loses progress")
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_sync_loses_and_doubles_nothing(
    bench: Bench, child: Callable[[], subprocess.Popen[bytes]], point: str
) -> None:
    when, table, each, condition = POINTS[point]
    gate = GATE.format(when=when, table=table, each=each, lock=LOCK)
    if condition:
        gate = gate.replace(f"FOR EACH {each} ", f"FOR EACH {each} WHEN ({condition}) ")
    bench.define(batch_size=100)
    bench.write(ROWS)
    with bench.app.engine.connect() as connection:
        connection.execute(sa.text(gate))
        connection.commit()
        connection.execute(sa.text(f"SELECT pg_advisory_lock({LOCK})"))
        process = child()
        wait_for_gate(bench)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        connection.execute(sa.text(f"SELECT pg_advisory_unlock({LOCK})"))
        connection.commit()
    with bench.app.engine.begin() as connection:
        connection.execute(sa.text("DROP FUNCTION public.gate() CASCADE"))
    _wait_until_backends_are_gone(bench)

    before = bench.scalar("SELECT count(*) FROM openregister.objects")
    assert before % 100 == 0  # whole batches only
    entries = bench.scalar("SELECT count(*) FROM openregister.audit_trails")
    assert entries == before

    run = bench.sync()
    if before == len(ROWS):  # everything was committed; the file was seen to its end
        assert run.counters.created == 0
    else:
        assert figures(run, "read", "created") == {"read": 1000, "created": 1000 - before}
    assert run.state is RunState.DONE
    assert bench.objects() == {row["code"]: row for row in ROWS}
    assert bench.scalar("SELECT count(*) FROM openregister.audit_trails") == 1000
    assert bench.scalar("SELECT sum(length) FROM openregister.chains") == 1000
    states = bench.scalar("SELECT array_agg(state ORDER BY id) FROM openregister.runs")
    assert states in (["crashed", "done"], ["done"])


def _wait_until_backends_are_gone(bench: Bench) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        others = bench.scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND application_name = 'openregister'"
        )
        if not others:
            return
        time.sleep(0.05)


@pytest.mark.promise("runs overlap")
def test_a_second_caller_learns_which_run_holds_the_source(
    bench: Bench, child: Callable[[], subprocess.Popen[bytes]]
) -> None:
    bench.define()
    bench.write(ROWS)
    gate = GATE.format(when="BEFORE INSERT", table="objects", each="STATEMENT", lock=LOCK)
    with bench.app.engine.connect() as connection:
        connection.execute(sa.text(gate))
        connection.commit()
        connection.execute(sa.text(f"SELECT pg_advisory_lock({LOCK})"))
        process = child()
        wait_for_gate(bench)
        run_id = bench.scalar("SELECT id FROM openregister.runs WHERE state = 'running'")
        with pytest.raises(AlreadyRunningError, match=f"run {run_id} ") as raised:
            bench.sync()
        assert raised.value.exit_code == 4
        second = child()
        assert second.wait(30) == 4
        connection.execute(sa.text(f"SELECT pg_advisory_unlock({LOCK})"))
        connection.commit()
    assert process.wait(30) == 0
    assert process.stdout is not None
    assert json.load(process.stdout)["created"] == 1000


@pytest.mark.promise("a process that wakes up too late cannot write")
def test_a_run_that_was_taken_away_can_write_nothing_more(
    bench: Bench, child: Callable[[], subprocess.Popen[bytes]]
) -> None:
    """A process stopped past its lease wakes up: its next batch finds that the run is not its."""
    bench.define(batch_size=100, lanes=1)
    bench.write(ROWS)
    taken: list[int] = []

    def take_away(counters: object, total: int | None) -> None:
        if not taken:
            with bench.app.engine.begin() as connection:
                connection.execute(
                    sa.text("UPDATE openregister.runs SET lease_until = now() - interval '1 s'")
                )
            taken.append(len(RunStore(bench.app.engine).repair()))

    with pytest.raises(LostRunError):
        running.run(bench.app, "places", Request(), observe=take_away)
    assert taken == [1]
    assert len(bench.objects()) < 1000
    assert bench.scalar("SELECT state FROM openregister.runs") == "crashed"
    assert bench.sync().state is RunState.DONE
    assert len(bench.objects()) == 1000


def test_a_cancelled_run_keeps_what_it_committed_and_the_next_one_goes_on(bench: Bench) -> None:
    bench.define(batch_size=100)
    bench.write(ROWS)

    def cancel(counters: object, total: int | None) -> None:
        bench.app.write(runs.request_cancel, 1)

    run = running.run(bench.app, "places", Request(), observe=cancel).run
    assert run.state is RunState.CANCELLED
    assert 0 < len(bench.objects()) < 1000
    assert bench.sync().state is RunState.DONE
    assert len(bench.objects()) == 1000
