"""A process of the old version writes nothing into a database that was upgraded under it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.database import migrate, revision
from app.errors import NewerDatabaseError
from app.sync import run as running
from app.sync import runs as run_history
from app.sync.model import Start
from app.sync.postgres.lane import Lane
from app.sync.report import RunState
from app.sync.run import Request
from app.sync.run_store import RunStore
from jobs.errors import OutdatedError
from tests.acceptance.command_line import CommandLine
from tests.integration.bench import Bench
from tests.places import ROOT

UPGRADES = (
    "import sys; from app.database import engine, migrate; "
    "migrate.upgrade(engine.create(sys.argv[1]))"
)
ROWS = [{"code": f"{i:04}", "name": "x", "size": i} for i in range(4000)]


@pytest.fixture
def cli(database_url: str, tmp_path: Path) -> CommandLine:
    """The command line on the database of the test."""
    return CommandLine(
        tmp_path,
        {
            "OPENREGISTER_DATABASE_URL": database_url,
            "OPENREGISTER_DATA_DIR": str(tmp_path / "data"),
        },
    )


def scalar(engine: sa.Engine, query: str) -> Any:
    """One value."""
    with engine.connect() as connection:
        return connection.exec_driver_sql(query).scalar()


def become_newer(engine: sa.Engine) -> None:
    """What an upgrade by the next version leaves behind, as far as this one can tell."""
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({revision.LOCK})")
        connection.exec_driver_sql("UPDATE openregister.alembic_version SET version_num = '9999'")


@pytest.mark.promise("a worker of the old version writes into new tables")
@pytest.mark.promise("a process of an old version cannot write into an upgraded database")
def test_a_run_writes_no_batch_after_an_upgrade_and_leaves_its_end_to_the_new_version(
    bench: Bench,
) -> None:
    bench.define(batch_size=500)
    bench.write(ROWS)
    seen: list[int] = []

    def upgrade_once(counters: Any, _total: int | None) -> None:
        if not seen:
            become_newer(bench.app.engine)
            seen.append(bench.scalar("SELECT count(*) FROM openregister.objects"))

    with pytest.raises(NewerDatabaseError, match="upgraded to version 9999"):
        running.run(bench.app, "places", Request(), observe=upgrade_once)
    # batches that were under way when the upgrade came are whole; none began after it
    assert bench.scalar("SELECT count(*) FROM openregister.objects") < len(ROWS)
    assert bench.scalar("SELECT state FROM openregister.runs") == RunState.RUNNING
    assert bench.scalar("SELECT sum(created) FROM openregister.runs") == bench.scalar(
        "SELECT count(*) FROM openregister.objects"
    )


@pytest.mark.promise("a process of an old version cannot write into an upgraded database")
def test_an_upgrade_and_a_batch_never_overlap(engine: sa.Engine) -> None:
    lane = Lane(engine)
    statement = sa.text("SELECT pg_try_advisory_xact_lock(:lock)")
    with engine.connect() as upgrade:
        with lane.transaction():
            assert upgrade.scalar(statement, {"lock": revision.LOCK}) is False
            upgrade.rollback()
        assert upgrade.scalar(statement, {"lock": revision.LOCK}) is True
    lane.close()


@pytest.mark.promise("a worker of the old version writes into new tables")
def test_a_worker_that_is_too_old_stops_and_says_so(cli: CommandLine, engine: sa.Engine) -> None:
    worker = cli.start("background-job:worker")
    listens = "SELECT count(*) FROM pg_stat_activity WHERE starts_with(query, 'LISTEN')"
    while not scalar(engine, listens + " AND datname = current_database()"):
        assert worker.poll() is None
        time.sleep(0.05)
    become_newer(engine)
    with engine.begin() as connection:  # something to claim, so that it looks at once
        connection.exec_driver_sql("SELECT pg_notify('openregister_jobs', '')")
    _, said = worker.communicate(timeout=40)
    assert worker.returncode == 1
    assert "upgraded to version 9999" in said
    assert "Restart it with the new version" in said
    passed = cli("background:cron")
    assert passed.exit_code == 1
    assert "newer" in passed.stderr or "9999" in passed.stderr


@pytest.mark.promise("a process of an old version cannot write into an upgraded database")
def test_a_job_is_not_claimed_in_an_upgraded_database(bench: Bench) -> None:
    from app.operations import handlers

    policy = handlers.policy(bench.app)
    become_newer(bench.app.engine)
    with bench.app.engine.begin() as connection, pytest.raises(OutdatedError, match="9999"):
        policy.admit(connection)


def test_the_new_version_takes_over_what_an_old_worker_left(bench: Bench) -> None:
    """Rolling: upgraded while a sync runs, then the new version repairs and carries on."""
    bench.define(batch_size=500)
    bench.write(ROWS)
    head = revision.known()[-1]
    with pytest.raises(NewerDatabaseError):
        running.run(
            bench.app, "places", Request(), observe=lambda *_: become_newer(bench.app.engine)
        )
    with bench.app.engine.begin() as connection:  # this process plays the new version now
        connection.exec_driver_sql(
            "UPDATE openregister.alembic_version SET version_num = %s", (head,)
        )
        connection.exec_driver_sql(
            "UPDATE openregister.runs SET lease_until = now() - interval '1s'"
        )
    assert [run.state for run in RunStore(bench.app.engine).repair()] == [RunState.CRASHED]
    run = bench.sync()
    assert run.state is RunState.DONE
    assert len(bench.objects()) == len(ROWS)


@pytest.mark.promise("a worker of the old version writes into new tables")
def test_an_upgrade_waits_for_the_batch_that_is_being_written(empty_database_url: str) -> None:
    from app.database import engine as engines

    engine = engines.create(empty_database_url)
    migrate.upgrade(engine)
    with engine.begin() as connection:
        revision.fence(connection)
        upgrade = subprocess.Popen(
            [
                *(sys.executable, "-c", UPGRADES, empty_database_url),
            ],
            cwd=ROOT,
        )
        time.sleep(2.5)
        assert upgrade.poll() is None
    assert upgrade.wait(30) == 0
    engine.dispose()


# Processes that ended and were not waited for


STARTS_A_RUN = (
    "import sys, os\nfrom app.database import engine; from app.sync import run_store as runs\n"
    "store = runs.RunStore(engine.create(sys.argv[1]))\n"
    "print(store.start(runs.Start(int(sys.argv[2]), 'cron', 'cron', full=True)), flush=True)\n"
    "os.kill(os.getpid(), 9)"
)


@pytest.mark.promise("a dead process keeps a source locked")
@pytest.mark.promise("a dead process on the same host is noticed before its lease expires")
def test_a_zombie_holds_no_source(bench: Bench, database_url: str) -> None:
    bench.define()
    source = str(bench.scalar("SELECT id FROM openregister.sources"))
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_A_RUN, database_url, source],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        run_id = int(process.stdout.readline())
        stat = Path(f"/proc/{process.pid}/stat")
        while ") Z " not in stat.read_text():  # nobody waits for it: it stays as a zombie
            time.sleep(0.01)
        again = RunStore(bench.app.engine).start(Start(int(source), "cron", "cron", full=True))
        assert again > run_id
    assert bench.app.read(run_history.get, run_id).state is RunState.CRASHED


IN_A_CONTAINER = """
import subprocess, sys, time
from app.database import engine; from app.sync import run_store as runs
url, source, script = sys.argv[1:]
# as in a container without init: the child of a child that is gone comes to process 1, which is
# this one and waits for nobody
shell = subprocess.run(
    ["sh", "-c", '"$0" -c "$1" "$2" "$3" & wait', sys.executable, script, url, source],
    capture_output=True, text=True)
store = runs.RunStore(engine.create(url))
began = time.monotonic()
while not store.repair() and time.monotonic() < began + 10:
    time.sleep(0.1)
print(shell.stdout.strip(), store.start(runs.Start(int(source), "cron", "cron", full=True)))
"""


@pytest.mark.promise("a dead process keeps a source locked")
@pytest.mark.promise("a dead process on the same host is noticed before its lease expires")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a pid namespace")
def test_a_source_is_free_again_in_a_container_without_init(
    bench: Bench, database_url: str
) -> None:
    bench.define()
    source = str(bench.scalar("SELECT id FROM openregister.sources"))
    done = subprocess.run(
        [
            *("unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c"),
            *(IN_A_CONTAINER, database_url, source, STARTS_A_RUN),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.split()
    assert int(second) > int(first)
    assert bench.app.read(run_history.get, int(first)).state is RunState.CRASHED


@pytest.mark.promise("a dead process keeps a source locked")
@pytest.mark.promise("a dead process on the same host is noticed before its lease expires")
def test_a_process_of_another_container_is_not_taken_for_gone(bench: Bench) -> None:
    """Same host name, same pid, another pid namespace: only its lease can tell."""
    bench.define()
    source = bench.scalar("SELECT id FROM openregister.sources")
    run_id = RunStore(bench.app.engine).start(Start(source, "cron", "cron", full=True))
    with bench.app.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE openregister.runs SET pid = 999999, process = 'boot/pid:[1]/77'"
        )
    assert RunStore(bench.app.engine).repair() == []
    assert bench.app.read(run_history.get, run_id).state is RunState.RUNNING
