"""Values that JSON cannot carry, from a database: their rows are rejected and listed."""
# ruff: noqa: S608  (statements of made-up tables)

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from app.sources import manage
from app.sync import run as running
from app.sync.report import RunState
from app.sync.run import Request
from tests.acceptance.command_line import CommandLine
from tests.integration.bench import Bench

VALUES = [
    ("numeric", "'Infinity'"),
    ("numeric", "'NaN'"),
    ("float8", "'-Infinity'"),
    ("numeric[]", "'{1,NaN}'"),
    ("date", "'infinity'"),
    ("timestamptz", "'10000-01-01'"),
]


def define(bench: Bench, connection: dict[str, Any]) -> None:
    manage.save(
        bench.app,
        {
            "name": "places",
            "type": "database",
            "connection": connection,
            "target": {"register": "geo", "schema": "place"},
            "mapping": {"key": "code", "passthrough": True},
        },
        test=False,
    )


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_a_value_of_postgres_that_is_not_json_is_listed_like_any_other_error(
    bench: Bench, database_url: str, tmp_path: Path, kind: str, value: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(f"CREATE TABLE odd (code text PRIMARY KEY, name text, x {kind})")
        connection.execute(f"INSERT INTO odd VALUES ('a', 'A', {value}), ('b', 'B', NULL)")
    url = make_url(database_url)
    host = url.query["host"]
    define(
        bench,
        {
            "dialect": "postgresql",
            "host": host,
            "port": int(str(url.query.get("port", 5432))),
            "database": url.database,
            "user": url.username,
            "table": "odd",
        },
    )
    run = running.run(bench.app, "places", Request()).run
    assert (run.state, run.counters.errors, run.counters.created) == (RunState.PARTIAL, 1, 1)
    cli = CommandLine(
        tmp_path,
        {
            "OPENREGISTER_DATABASE_URL": database_url,
            "OPENREGISTER_DATA_DIR": str(tmp_path / "data"),
        },
    )
    listed = cli("source:errors", "places", "--output", "json")
    assert listed.exit_code == 0, listed.stderr
    json.loads(listed.stdout, parse_constant=pytest.fail)
    assert "odd, row 1, code a" in listed.stdout


def test_a_text_of_sqlite_that_is_not_utf8_is_the_problem_of_its_row(
    bench: Bench, tmp_path: Path
) -> None:
    path = tmp_path / "odd.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE odd (code TEXT PRIMARY KEY, name TEXT)")
        connection.execute(
            "INSERT INTO odd VALUES ('a', CAST(x'5A6FEB' AS TEXT)), (CAST(x'FF' AS TEXT), 'x'),"
            " ('b', 'B')"
        )
    connection.close()
    define(bench, {"dialect": "sqlite", "database": str(path), "table": "odd"})
    run = running.run(bench.app, "places", Request()).run
    assert (run.state, run.counters.errors, run.counters.created) == (RunState.PARTIAL, 2, 1)
    assert bench.scalar("SELECT count(*) FROM openregister.quarantine") == 2
    again = running.run(bench.app, "places", Request()).run
    assert (again.counters.unchanged, again.counters.errors) == (1, 2)
