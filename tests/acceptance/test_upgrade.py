"""From the first release to this one: nothing is lost on the way up, nor on the way back down."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from app.database import engine as engines
from app.database import migrate, revision
from tests.acceptance.command_line import CommandLine
from tests.acceptance.test_backup import api, content, fill, goes_on
from tests.servers.http_api import HttpApi

__all__ = ["api"]  # the fixture

FIRST = "0001"
"""The revision of the first release."""

LATER = (
    *("findings", "complete_because", "rejected_before", "process", "process_started"),
    "changed_by",
)
"""Columns that it did not have, or that hold something else since."""


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    made = engines.create(database_url)
    yield made
    made.dispose()


def test_a_register_of_the_first_release_is_upgraded_with_all_it_holds(
    cli: CommandLine,
    database_url: str,
    engine: sa.Engine,
    api: HttpApi,
) -> None:
    fill(cli, api)
    now = content(database_url, LATER)
    migrate.downgrade(engine, FIRST)
    then = content(database_url, LATER)
    assert then["alembic_version"] == ["{'version_num': '0001'}"]
    tables = then.keys() - {"alembic_version"}
    assert {"objects", "audit_trails", "sources", "runs", "jobs"} <= tables
    for table in tables:
        assert then[table] == now[table], f"{table} came down changed"

    for call in (("source:list",), ("source:run", "towns"), ("background:cron",)):
        refused = cli(*call)
        assert refused.exit_code == 1
        assert "is at version 0001, this software needs" in refused.stderr
        assert "openregister upgrade" in refused.stderr
    assert content(database_url, LATER) == then

    applied = cli.json("upgrade")
    assert (applied["before"], applied["applied"]) == (FIRST, list(revision.known()[1:]))
    goes_on(cli, database_url, now, LATER)


def test_a_database_of_a_newer_version_is_left_alone(
    cli: CommandLine, database_url: str, engine: sa.Engine
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE openregister.alembic_version SET version_num = '9999'")
    before = content(database_url)
    for call in ("register:list", "upgrade", "background:cron"):
        refused = cli(call)
        assert refused.exit_code == 1
        assert "The database is at version 9999, this software knows up to" in refused.stderr
        assert "Install that version here too; nothing was changed" in refused.stderr
    assert content(database_url) == before
