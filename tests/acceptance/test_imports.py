"""A call imports what it needs: most of the time that a small command takes is imports."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import pytest

from tests.acceptance.command_line import CommandLine
from tests.places import PROGRAM

EVERYTHING = {
    "alembic", "argon2", "babel", "charset_normalizer", "croniter", "cryptography", "fastapi",
    "jinja2", "jsonschema_rs", "jwt", "lxml", "openpyxl", "opentelemetry", "paramiko",
    "prometheus_client", "psutil", "psycopg", "pydantic", "pymysql", "python_calamine", "regex",
    "requests", "rich", "sqlalchemy", "starlette", "structlog", "urllib3", "uvicorn", "yaml",
}  # fmt: skip
"""What is heavy among the dependencies."""

DATABASE = {"cryptography", "psutil", "psycopg", "pydantic", "sqlalchemy"}
"""What it takes to open the application on its database."""

SYNC = DATABASE | {"jsonschema_rs"}
"""What it takes to compile a mapping without expressions besides."""

SCRIPT = f"""
import json, runpy, sys
sys.argv[0] = 'openregister'
try:
    runpy.run_path({str(PROGRAM)!r}, run_name='__main__')
except SystemExit as end:
    assert not end.code, end.code
print('\\n' + json.dumps([name for name in sys.modules if '.' not in name]))
"""


def imported(cli: CommandLine, *arguments: str) -> set[str]:
    """The heavy ones among what a call imports."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=cli.directory, env=cli.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return EVERYTHING.intersection(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("completion", "bash")])
def test_what_needs_no_database_imports_nothing(
    bare_cli: CommandLine, arguments: tuple[str, ...]
) -> None:
    assert imported(bare_cli, *arguments) == set()


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (("register:list", "--output", "json"), DATABASE),
        (("source:list", "--output", "json"), DATABASE),
        (("status", "--check", "--output", "json"), DATABASE | {"croniter"}),
        (("background:cron", "--output", "json"), SYNC | {"croniter", "jinja2"}),
    ],
)
def test_a_command_imports_what_its_work_takes(
    cli: CommandLine, arguments: tuple[str, ...], needed: set[str]
) -> None:
    assert imported(cli, *arguments) - needed == set()


@pytest.mark.parametrize(
    "module", ["connectors.databases.postgres.reader", "connectors.databases.mysql.reader"]
)
def test_a_database_that_is_reached_by_network_needs_no_http_client(module: str) -> None:
    script = f"import sys, {module}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert {"requests", "urllib3"}.isdisjoint(done.stdout.split())


def test_an_api_needs_nothing_that_signs_tokens_or_reads_other_formats() -> None:
    script = "import sys, connectors.rest\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    needless = {"jwt", "jinja2", "lxml", "openpyxl", "python_calamine"}
    assert needless.isdisjoint(done.stdout.split())


def test_a_connection_whose_certificate_nobody_asks_for_reads_none() -> None:
    script = "import sys, connectors.databases.postgres.reader\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "cryptography.x509" not in done.stdout.split()


def test_a_sync_of_a_database_imports_no_other_connector(cli: CommandLine) -> None:
    with sqlite3.connect(cli.directory / "towns.sqlite") as connection:
        connection.execute("CREATE TABLE towns (code TEXT PRIMARY KEY)")
        connection.execute("INSERT INTO towns VALUES ('ams')")
    connection.close()
    cli("register:add", "geo").ok()
    schema = '{"type": "object", "properties": {"code": {"type": "string"}}}'
    cli("schema:add", "town", "--register", "geo", "--file", "-", stdin=schema).ok()
    cli(
        *("source:add", "towns", "--type", "database", "--register", "geo", "--schema", "town"),
        *("--set", "dialect=sqlite", "--set", f"database={cli.directory / 'towns.sqlite'}"),
        *("--set", "table=towns", "--key", "code", "--map", "code=code", "--no-test"),
    ).ok()
    assert imported(cli, "source:run", "towns", "--output", "json") - SYNC == set()
