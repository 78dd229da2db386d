"""SIGTERM, Ctrl-C and `source:cancel` to a `source:run` of its own: it ends within its batch.

Also while its source hands out a byte at a time, or nothing at all; and the next run carries on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.sources import jobs as scheduling
from app.sources import store as source_store
from app.sync import runs
from app.sync.after import undo as undoing
from app.sync.report import RunState
from jobs import store as jobs
from tests.integration.bench import Bench
from tests.servers import databases
from tests.servers.http_api import Answer, Call, HttpApi, answer, dripping, numbered

pytestmark = pytest.mark.kill

SOON = 9.0
"""Seconds: a look at the request, a batch, and the patience with a reader that does not notice."""

PROGRAM = Path(__file__).parents[3] / "cli.py"
Program = Callable[..., subprocess.Popen[bytes]]

ROWS = [{"code": f"{n:04}", "name": f"Place {n}"} for n in range(200)]

WAYS = [signal.SIGTERM, signal.SIGINT, None]
EXITS = {signal.SIGTERM: 143, signal.SIGINT: 130, None: 1}


@pytest.fixture
def program(bench: Bench, database_url: str) -> Iterator[Program]:
    """Starts a command as its own process."""
    with ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, PROGRAM, *arguments, "--output", "json"],
                env={
                    **os.environ,
                    "OPENREGISTER_DATABASE_URL": database_url,
                    "OPENREGISTER_DATA_DIR": str(bench.app.settings.data_dir),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not reached():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def ask(bench: Bench, process: subprocess.Popen[bytes], way: signal.Signals | None) -> None:
    """Ask the run to stop; it must have ended, and said how, in no time."""
    if way is None:
        source = bench.scalar("SELECT id FROM openregister.sources")
        with bench.app.engine.begin() as connection:
            assert runs.request_cancel(connection, source) is not None
    else:
        process.send_signal(way)
    assert process.wait(SOON) == EXITS[way]
    assert process.stdout is not None
    run = json.loads(process.stdout.read())
    assert (run["state"], run["complete"]) == ("cancelled", False)
    assert run["created"] == len(bench.objects())
    states = "SELECT array_agg(state ORDER BY id) FROM openregister.runs"
    assert bench.scalar(states) == ["cancelled"]


@pytest.mark.promise(
    "a run that is asked to stop ends within its batch, also while its source sends nothing"
)
@pytest.mark.parametrize(
    ("slow", "way"),
    [
        *(("no answer", way) for way in WAYS),
        *(("a byte at a time", way) for way in (signal.SIGTERM, None)),
        ("quick pages", signal.SIGTERM),
    ],
)
def test_a_run_of_an_http_source_ends_within_its_batch(
    bench: Bench, program: Program, slow: str, way: signal.Signals | None
) -> None:
    pages, awake = numbered(ROWS, 10, total=False), False

    def handle(call: Call) -> Answer:
        if awake or call.number("page", 1) <= 3:
            return pages(call)
        if slow == "quick pages":
            time.sleep(0.1)
            return pages(call)
        if slow == "no answer":
            return answer({"items": []}, delay=12)
        return dripping(b" " * 300, 0.1)(call)

    with HttpApi() as api:
        api.on("/places", handle)
        bench.define(
            type="rest",
            connection={"url": f"{api.url}/places", "records": "items", "pagination": "page"},
            batch_size=10,
        )
        process = program("source:run", "places")
        wait_until(lambda: len(bench.objects()) >= 20)
        ask(bench, process, way)
        awake = True
        assert bench.sync().state is RunState.DONE
    assert bench.objects() == {row["code"]: row for row in ROWS}
    assert bench.scalar("SELECT count(*) FROM openregister.audit_trails") == len(ROWS)


@pytest.mark.promise(
    "a run that is asked to stop ends within its batch, also while its source sends nothing"
)
@pytest.mark.parametrize("way", WAYS)
def test_a_run_of_a_database_that_does_not_answer_ends(
    bench: Bench, program: Program, way: signal.Signals | None, empty_database_url: str
) -> None:
    with databases.postgres(empty_database_url) as database:
        slow = "SELECT 'a' AS code, 'b' AS name FROM pg_sleep(12)"
        bench.define(type="database", connection=database.source(query=slow))
        process = program("source:run", "places")
        sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        wait_until(lambda: bool(bench.scalar(sleeping)))
        ask(bench, process, way)


@pytest.mark.promise(
    "a run that is asked to stop ends within its batch, also while its source sends nothing"
)
@pytest.mark.parametrize("way", [signal.SIGTERM, None])
@pytest.mark.parametrize("command", ["background:cron", "background-job:worker"])
def test_a_job_whose_source_does_not_answer_ends_soon(
    bench: Bench, program: Program, command: str, way: signal.Signals | None
) -> None:
    with HttpApi() as api:
        api.on("/places", lambda call: answer({"items": []}, delay=12))
        bench.define(type="rest", connection={"url": f"{api.url}/places", "pagination": "none"})
        with bench.app.engine.begin() as connection:
            source = source_store.get(connection, "places")
            job = scheduling.run_soon(connection, source, actor="test")
        process = program(command)
        wait_until(lambda: bool(api.calls))
        began = time.monotonic()
        if way is None:
            with bench.app.engine.begin() as connection:
                assert jobs.cancel(connection, job)
        else:
            process.send_signal(way)
        wait_until(lambda: bench.scalar("SELECT state FROM openregister.runs") != "running")
        ended = "SELECT state FROM openregister.job_runs"
        wait_until(lambda: bench.scalar(ended) != "running")
        assert time.monotonic() - began < SOON
        assert bench.scalar(ended) == ("cancelled" if way is None else "released")
        if way is None and command == "background-job:worker":  # a pass ends without being asked
            process.terminate()
        assert process.wait(SOON) == 0
    assert bench.scalar("SELECT state FROM openregister.runs") == "cancelled"


@pytest.mark.promise(
    "a run that is asked to stop ends within its batch, also while its source sends nothing"
)
def test_an_undo_that_is_asked_to_stop_can_be_repeated(bench: Bench) -> None:
    bench.define()
    bench.write(ROWS)
    first = bench.sync()
    undone = undoing.undo(bench.app, first.id, actor="test", should_stop=lambda: True)
    assert undone.run is not None
    assert undone.run.state is RunState.CANCELLED
    assert len(bench.objects()) == len(ROWS)
    assert undoing.undo(bench.app, first.id, actor="test").deleted == len(ROWS)


@pytest.mark.promise(
    "a run that is asked to stop ends within its batch, also while its source sends nothing"
)
def test_a_second_signal_ends_a_run_at_once(bench: Bench, program: Program) -> None:
    with HttpApi() as api:
        api.on("/places", lambda call: answer({"items": []}, delay=12))
        bench.define(type="rest", connection={"url": f"{api.url}/places", "pagination": "none"})
        process = program("source:run", "places")
        wait_until(lambda: bool(api.calls))
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON) == 143
    assert process.stdout is not None
    assert json.loads(process.stdout.read())
    assert bench.scalar("SELECT state FROM openregister.runs") == "cancelled"
