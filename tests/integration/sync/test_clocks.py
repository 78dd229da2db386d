"""Syncs on hosts whose clocks are hours off: what is recorded is the database's time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from app.sync import runs as run_history
from app.sync.model import Finish, Start
from app.sync.report import RunState
from app.sync.run_store import RunStore
from tests.integration.bench import Bench
from tests.places import PROGRAM, ROOT
from tests.servers.clocks import MovedClock

HOURS = timedelta(hours=3)
ROWS = [{"code": f"{n:04}", "name": f"Place {n}"} for n in range(200)]
RECORDED = """
    SELECT started FROM openregister.runs UNION ALL SELECT finished FROM openregister.runs
    UNION ALL SELECT started FROM openregister.cron_ticks
    UNION ALL SELECT finished FROM openregister.cron_ticks
    UNION ALL SELECT started FROM openregister.job_runs
    UNION ALL SELECT finished FROM openregister.job_runs
    UNION ALL SELECT last_sync FROM openregister.sources
    UNION ALL SELECT last_full FROM openregister.sources
    UNION ALL SELECT created FROM openregister.objects
    UNION ALL SELECT updated FROM openregister.objects
    UNION ALL SELECT created FROM openregister.audit_trails
"""


@pytest.fixture(params=[HOURS, -HOURS], ids=["ahead", "behind"])
def clock(request: pytest.FixtureRequest, tmp_path: Path) -> MovedClock:
    folder = tmp_path / "clock"
    folder.mkdir()
    return MovedClock(folder, request.param)


@pytest.fixture
def command(bench: Bench, database_url: str, clock: MovedClock) -> Any:
    """Runs a command on the host with the wrong clock; its document."""

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), *arguments, "--output", "json"],
            env={
                **os.environ,
                **clock.environment,
                "OPENREGISTER_DATABASE_URL": database_url,
                "OPENREGISTER_DATA_DIR": str(bench.app.settings.data_dir),
            },
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    return run


def database_time(bench: Bench) -> datetime:
    moment: datetime = bench.scalar("SELECT clock_timestamp()")
    return moment


def execute(bench: Bench, statement: str) -> None:
    with bench.app.engine.begin() as connection:
        connection.execute(sa.text(statement))


def recorded(bench: Bench) -> list[datetime | None]:
    with bench.app.engine.connect() as connection:
        return [moment for (moment,) in connection.execute(sa.text(RECORDED))]


@pytest.mark.kill
def test_cron_on_a_host_with_a_wrong_clock_records_the_time_of_the_database(
    bench: Bench, command: Any
) -> None:
    bench.define(schedule="daily", fresh_within="1 hour", full_every="1 hour")
    bench.write(ROWS)
    execute(bench, "UPDATE openregister.jobs SET next_run = now()")
    began = database_time(bench)
    document = command("background:cron")
    ended = database_time(bench)
    assert (document["ran"], document["failed"]) == (1, 0)
    assert len(bench.objects()) == len(ROWS)
    moments = recorded(bench)
    assert len(moments) > len(ROWS)
    assert all(began <= moment <= ended for moment in moments if moment is not None)
    ahead = bench.scalar("SELECT next_run FROM openregister.jobs WHERE key LIKE 'source:%'") - ended
    assert timedelta() < ahead <= timedelta(days=1)
    # nothing is due, nothing stale and nothing out of date, whoever asks
    assert command("background:cron")["ran"] == 0
    status = command("status")
    assert status["cron"]["stale"] is False
    assert not [text for text in status["warnings"] if "out of date" in text or "cron" in text]
    (line,) = command("source:list")
    assert line["fresh"] is True


@pytest.mark.kill
def test_the_periodic_full_pass_comes_by_the_clock_of_the_database(
    bench: Bench, command: Any
) -> None:
    bench.define(full_every="1 hour")
    bench.write(ROWS)
    bench.sync()
    assert bench.scalar("SELECT cursor IS NOT NULL FROM openregister.sources")
    command("source:run", "places")
    fulls = 'SELECT array_agg("full" ORDER BY id) FROM openregister.runs'
    assert bench.scalar(fulls) == [True, False]
    execute(bench, "UPDATE openregister.sources SET last_full = now() - interval '61 minutes'")
    command("source:run", "places")
    assert bench.scalar(fulls) == [True, False, True]


@contextmanager
def proc_of_a_moved_clock(folder: Path, by: timedelta) -> Iterator[None]:
    """/proc as it is after the machine's clock was set: the boot is told by the new clock."""
    folder.mkdir()
    for entry in Path("/proc").iterdir():
        (folder / entry.name).symlink_to(entry)
    (folder / "stat").unlink()
    (folder / "stat").write_text(
        "".join(
            f"btime {int(line.split()[1]) + int(by.total_seconds())}\n"
            if line.startswith("btime")
            else line
            for line in Path("/proc/stat").read_text().splitlines(keepends=True)
        )
    )
    before = psutil.PROCFS_PATH
    psutil.PROCFS_PATH = str(folder)
    try:
        yield
    finally:
        psutil.PROCFS_PATH = before


@pytest.mark.parametrize("by", [HOURS, -HOURS])
def test_a_run_is_not_taken_from_a_process_because_its_machine_was_set_right(
    bench: Bench, database_url: str, tmp_path: Path, by: timedelta
) -> None:
    """The start of a process, told as a time of day, moves with the clock; the process is alive."""
    bench.define()
    starts = (
        "import sys\nfrom app.database import engine; from app.sync import run_store as runs\n"
        "store = runs.RunStore(engine.create(sys.argv[1]))\n"
        "print(store.start(runs.Start(int(sys.argv[2]), 'cron', 'cron', full=True)), flush=True)\n"
        "sys.stdin.read()"
    )
    source = str(bench.scalar("SELECT id FROM openregister.sources"))
    with subprocess.Popen(
        [sys.executable, "-c", starts, database_url, source],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        run_id = int(process.stdout.readline())
        with proc_of_a_moved_clock(tmp_path / "proc", by):
            assert RunStore(bench.app.engine).repair() == []
        assert bench.app.read(run_history.get, run_id).state is RunState.RUNNING
        process.stdin.close()
    assert [run.id for run in RunStore(bench.app.engine).repair()] == [run_id]


def test_a_process_that_got_the_pid_of_another_holds_no_run(bench: Bench) -> None:
    bench.define()
    source = bench.scalar("SELECT id FROM openregister.sources")
    run_id = RunStore(bench.app.engine).start(Start(source, "cron", "cron", full=True))
    # alive, and began long before
    execute(bench, "UPDATE openregister.runs SET pid = 1")
    assert [run.id for run in RunStore(bench.app.engine).repair()] == [run_id]
    again = RunStore(bench.app.engine).start(Start(source, "cron", "cron", full=True))
    assert RunStore(bench.app.engine).repair() == []
    RunStore(bench.app.engine).finish(again, Finish(RunState.DONE))
