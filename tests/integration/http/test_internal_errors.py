"""An error that nobody expected: people learn that it is internal, the log has all of it."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa

import cli as program
from app.operations import handlers, jobs, status
from app.sync import run
from app.sync.run import Request
from app.users.roles import Role
from tests.integration.bench import Bench
from tests.integration.served import served

CANARY = "planted-7261"


def fail(*_: Any, **__: Any) -> NoReturn:
    raise KeyError(CANARY)


def assert_internal(text: str, log: str) -> None:
    """It says nothing but the reference, under which the log has the error."""
    assert "Internal error" in text
    (reference,) = re.findall(r"Look for ([0-9a-f]{8}) in the log", text)
    assert f"Internal error {reference}" in log
    assert "KeyError" in log
    for raw in ("KeyError", CANARY, "Traceback"):
        assert raw not in text


@pytest.mark.promise("an error that reveals internals")
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_a_route_and_a_page(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    accept: str,
) -> None:
    monkeypatch.setattr(status, "sources", fail)
    with served(database_url, tmp_path) as server:
        path = "/api/sources" if "json" in accept else "/sources"
        answer = server.as_(Role.ADMIN).get(path, headers={"Accept": accept})
    assert answer.status_code == 500
    assert answer.headers["Content-Type"].startswith(
        "application/problem+json" if "json" in accept else "text/html"
    )
    assert_internal(answer.text, caplog.text)


@pytest.mark.promise("an error that reveals internals")
@pytest.mark.parametrize("output", ["plain", "json"])
def test_a_command(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output: str,
) -> None:
    monkeypatch.setenv("OPENREGISTER_DATABASE_URL", database_url)
    monkeypatch.setenv("OPENREGISTER_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(status, "sources", fail)
    before = logging.root.handlers[:], logging.root.level
    try:
        assert program.run(["source:list", "--output", output]) == 1
    finally:
        logging.root.handlers[:], logging.root.level = before
    printed = capsys.readouterr()
    log, _, said = printed.err.partition("\nError: ")
    if output == "json":
        error = json.loads(printed.out)["error"]
        assert (error["kind"], error["exit_code"]) == ("InternalError", 1)
        assert_internal(printed.out, printed.err)
    else:
        assert_internal(said, log)


@pytest.mark.promise("an error that reveals internals")
def test_a_run_and_the_job_that_started_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench.define(schedule="daily")
    bench.write([{"code": "ams", "name": "Amsterdam"}])
    monkeypatch.setattr(run._Work, "__call__", fail)
    with pytest.raises(KeyError):
        run.run(bench.app, "places", Request("manual", "test"))
    assert_internal(str(bench.scalar("SELECT message FROM openregister.runs")), caplog.text)
    with bench.app.engine.begin() as connection:
        connection.execute(sa.text("UPDATE openregister.jobs SET next_run = now()"))
    jobs.tick(bench.app, report=lambda outcome: None)
    said = str(bench.scalar("SELECT last_error FROM openregister.jobs WHERE key LIKE 'source:%'"))
    assert "Internal error" in said
    assert "KeyError" not in said
    assert CANARY not in said


def test_a_handler_of_a_job(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    said = handlers.policy(bench.app).describe_error(KeyError(CANARY))
    assert_internal(said, caplog.text)
