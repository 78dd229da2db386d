"""Background jobs from the shell: a scheduled source, what is due, and what became of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.database import engine as engines
from tests.acceptance.command_line import CommandLine
from tests.places import PROGRAM

SCHEMA = '{"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]}'


def add_source(cli: CommandLine, rows: list[str], *, schedule: str = "every 5 minutes") -> Path:
    """A source `cities` of a CSV file; the file."""
    file = cli.directory / "cities.csv"
    file.write_text("\n".join(["code", *rows]) + "\n")
    cli("register:add", "geo").ok()
    cli("schema:add", "city", "--register", "geo", "--file", "-", stdin=SCHEMA).ok()
    cli(
        *("source:add", "cities", "--type", "files", "--register", "geo", "--schema", "city"),
        *("--set", f"path={file}", "--set", "format=csv", "--key", "code", "--map", "code=code"),
        *("--schedule", schedule),
    ).ok()
    return file


def make_due(database_url: str, condition: str = "true") -> None:
    engine = engines.create(database_url)
    with engine.begin() as connection:
        connection.execute(
            sa.text(f"UPDATE openregister.jobs SET next_run = now() WHERE {condition}")  # noqa: S608
        )
    engine.dispose()


def ask(database_url: str, question: str) -> Any:
    engine = engines.create(database_url)
    with engine.connect() as connection:
        answer = connection.execute(sa.text(question)).scalar()
    engine.dispose()
    return answer


def job(cli: CommandLine, name: str) -> dict[str, Any]:
    found = [job for job in cli.json("background-job:list") if job["job"] == name]
    assert len(found) == 1, found
    return dict(found[0])


def wait_for(seen: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, "It did not come to pass"
        time.sleep(0.1)


def start(cli: CommandLine, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *arguments],
        cwd=cli.directory,
        env=cli.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_cron_runs_a_source_that_is_due_and_says_so(cli: CommandLine, database_url: str) -> None:
    add_source(cli, ["ams", "rtm"])
    make_due(database_url)
    said = cli("background:cron").ok().stdout
    assert "cities: done — 2 created, 0 updated, 0 deleted, 0 errors" in said
    assert len(cli.json("object:list", "--register", "geo", "--schema", "city")) == 2
    planned = job(cli, "cities")
    assert (planned["state"], planned["last_state"], planned["failures"]) == ("waiting", "done", 0)
    assert cli.json("status")["cron"]["stale"] is False
    (run,) = cli.json("source:runs", "cities")
    assert run["trigger"] == "cron"


def test_a_second_pass_has_nothing_to_do_and_is_quick(cli: CommandLine, database_url: str) -> None:
    cli("background:cron").ok()
    began = time.monotonic()
    done = cli("background:cron").ok()
    assert time.monotonic() - began < 5
    assert done.stdout == "Nothing is due\n"


def test_a_source_that_fails_fails_the_pass_and_backs_off(
    cli: CommandLine, database_url: str
) -> None:
    file = add_source(cli, ["ams"], schedule="daily")
    file.unlink()
    make_due(database_url, "key LIKE 'source:%'")
    failed = cli("background:cron", "--output", "json")
    assert failed.exit_code == 1
    document = failed.json
    assert (document["ran"], document["failed"]) == (1, 1)
    (outcome,) = document["jobs"]
    assert (outcome["job"], outcome["state"], outcome["failures"]) == ("cities", "failed", 1)
    assert str(file) in outcome["error"]
    assert job(cli, "cities")["next_run"] == outcome["next_run"]


def test_one_job_runs_now_and_exits_by_its_result(cli: CommandLine) -> None:
    file = add_source(cli, ["ams"])
    number = str(job(cli, "cities")["id"])
    assert cli.json("background-job:execute", number)["result"]["created"] == 1
    with file.open("a") as text:
        text.write('"a"b\n')
    partial = cli("background-job:execute", number)
    assert partial.exit_code == 3, partial
    file.unlink()
    assert cli("background-job:execute", number).exit_code == 1
    assert cli("background-job:execute", "4711").exit_code == 2
    states = [run["state"] for run in cli.json("background-job:history", number)]
    assert states == ["failed", "done", "done"]


def test_a_disabled_job_runs_only_by_force(cli: CommandLine) -> None:
    add_source(cli, ["ams"])
    cli("source:disable", "cities").ok()
    number = str(job(cli, "cities")["id"])
    refused = cli("background-job:execute", number)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr


@pytest.mark.promise('"running" for hours after a restart')
def test_a_job_that_was_killed_is_repaired_by_the_next_pass(
    cli: CommandLine, database_url: str
) -> None:
    add_source(cli, [str(number) for number in range(40_000)])
    make_due(database_url, "key LIKE 'source:%'")
    victim = start(cli, "background:cron")
    wait_for(lambda: bool(ask(database_url, "SELECT count(*) FROM openregister.objects")))
    worker = ask(database_url, "SELECT reserved_pid FROM openregister.jobs WHERE reserved_pid > 0")
    os.kill(victim.pid, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    victim.communicate()
    said = cli("background:cron").ok().stdout
    assert "cities: crashed" in said
    assert "cities: done" in said
    states = [run["state"] for run in cli.json("source:runs", "cities")]
    assert states == ["done", "crashed"]
    assert ask(database_url, "SELECT count(*) FROM openregister.objects") == 40_000
    cli("audit:verify").ok()


def test_the_list_shows_who_runs_a_job_and_the_history_what_it_took(
    cli: CommandLine, database_url: str
) -> None:
    add_source(cli, [str(number) for number in range(40_000)])
    make_due(database_url, "key LIKE 'source:%'")
    cron = start(cli, "background:cron")
    wait_for(lambda: bool(ask(database_url, "SELECT count(*) FROM openregister.objects")))
    worker = ask(database_url, "SELECT reserved_pid FROM openregister.jobs WHERE reserved_pid > 0")
    os.kill(worker, signal.SIGSTOP)
    try:
        shown = job(cli, "cities")
    finally:
        os.kill(worker, signal.SIGCONT)
    assert (shown["state"], shown["host"], shown["pid"]) == (
        "running",
        socket.gethostname(),
        worker,
    )
    assert shown["lease_age_s"] >= 0
    cron.communicate(timeout=60)
    done = job(cli, "cities")
    assert (done["state"], done["last_state"], done["host"]) == ("waiting", "done", None)
    assert done["next_run"] > done["last_run"]
    (attempt,) = cli.json("background-job:history", str(done["id"]))
    assert (attempt["state"], attempt["error"]) == ("done", None)
    assert attempt["duration_s"] > 0
    assert attempt["peak_memory"] > 2**20


def test_a_worker_runs_what_is_due_and_leaves_on_request(
    cli: CommandLine, database_url: str
) -> None:
    add_source(cli, ["ams"])
    make_due(database_url, "key LIKE 'source:%'")
    worker = start(cli, "background-job:worker")
    wait_for(lambda: job(cli, "cities")["last_state"] == "done")
    assert cli.json("status")["cron"]["stale"] is False
    worker.terminate()
    stdout, stderr = worker.communicate(timeout=20)
    assert worker.returncode == 0, stderr
    assert "cities: done" in stdout


def test_a_worker_may_run_just_one_job(cli: CommandLine, database_url: str) -> None:
    cli("background:cron").ok()
    make_due(database_url)
    document = json.loads(cli("background-job:worker", "--once", "--output", "json").ok().stdout)
    assert document["ran"] == 1
    assert len(document["jobs"]) == 1


def test_a_job_is_removed_for_good_until_it_is_planned_again(cli: CommandLine) -> None:
    add_source(cli, ["ams"])
    number = str(job(cli, "cities")["id"])
    cli("background-job:delete", number).ok()
    assert cli.json("background-job:list") == []
    assert cli("background-job:delete", number).exit_code == 2


@pytest.mark.slow
def test_jobs_run_in_processes_of_the_embedded_server_too(bare_cli: CommandLine) -> None:
    bare_cli("upgrade", timeout=120).ok()
    add_source(bare_cli, ["ams", "rtm"])
    number = str(job(bare_cli, "cities")["id"])
    assert bare_cli.json("background-job:execute", number)["state"] == "done"
    bare_cli("background:cron").ok()
    bare_cli("db:stop")
