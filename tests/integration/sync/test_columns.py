"""New rows of a table become objects column by column, and are what they would be one by one."""
# ruff: noqa: S608  (statements of a made-up table)

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from app.application import Application
from app.audit import verify
from app.mapping.plan import RowPlan
from app.registers import registers, schemas
from app.sources import manage
from app.sync import drift, identify
from app.sync import run as running
from app.sync.run import Request
from connectors.sdk.rows import LineBatch, Row
from tests.integration.bench import figures
from tests.servers import databases
from tests.servers.databases import SourceDatabase

ROWS = 4 * identify.AT_ONCE
SAMPLE = range(drift.SAMPLE)
"""Rows that are looked at to see whether the source has other fields now."""

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string", "maxLength": 20},
        "amount": {"type": "number"},
        "born": {"type": "string", "format": "date"},
        "note": {"type": ["string", "null"]},
    },
    "required": ["id", "name"],
}


@pytest.fixture
def postgres(empty_database_url: str) -> Iterator[SourceDatabase]:
    with databases.postgres(empty_database_url) as database:
        yield database


@pytest.fixture(params=["postgresql", "mariadb"])
def people(request: pytest.FixtureRequest, application: Application) -> SourceDatabase:
    """A table of `ROWS` people, every third of whom has a note, and the source that reads it."""
    if request.param == "mariadb":
        database: SourceDatabase = request.getfixturevalue("mariadb")
        numbers, char = f"(SELECT seq AS n FROM seq_1_to_{ROWS}) numbers", "char"
    else:
        database = request.getfixturevalue("postgres")
        numbers, char = f"generate_series(1, {ROWS}) n", "chr"
    database.run(
        "CREATE TABLE people (id integer PRIMARY KEY, name varchar(50), amount numeric(8, 2),"
        " born date, note varchar(50))",
        "INSERT INTO people SELECT n, concat('Ann \"', n, '\"'), n / 4.0, '2024-02-29',"
        f" CASE n % 3 WHEN 0 THEN concat('tab\t', n, {char}(92)) END FROM {numbers}",
    )
    application.write(registers.add, "staff")
    schemas.add(application, "person", SCHEMA, register="staff", actor="test")
    manage.save(
        application,
        {
            "name": "people",
            "type": "database",
            "connection": database.source(table="people"),
            "target": {"register": "staff", "schema": "person"},
            "mapping": {"key": "id", "passthrough": True},
        },
        test=False,
    )
    return database


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows that are made into Python objects, by their number in the batch."""
    indices: list[int] = []
    row = LineBatch.row

    def counted(self: LineBatch, index: int) -> Row:
        indices.append(index)
        return row(self, index)

    monkeypatch.setattr(LineBatch, "row", counted)
    return indices


def stored(app: Application) -> list[tuple[str, str, Any]]:
    """Key, data and hash of every object."""
    with app.engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT source_key, data::text, data_hash FROM openregister.objects")
        )
        return sorted((key, data, bytes(digest)) for key, data, digest in rows)


def test_a_first_load_makes_no_row_into_an_object_of_its_own(
    application: Application, people: SourceDatabase, decoded: list[int]
) -> None:
    run = running.run(application, "people", Request()).run
    assert figures(run) == {"read": ROWS, "created": ROWS}
    assert set(decoded) == set(SAMPLE)
    assert len(decoded) == len(SAMPLE) + 1  # the first one for the names of the fields as well
    by_key = {key: json.loads(data) for key, data, _ in stored(application)}
    assert by_key["6"] == {
        "id": 6, "name": 'Ann "6"', "amount": 1.5, "born": "2024-02-29", "note": "tab\t6\\",
    }  # fmt: skip
    assert by_key["8"] == {
        "id": 8, "name": 'Ann "8"', "amount": 2, "born": "2024-02-29", "note": None,
    }  # fmt: skip
    again = running.run(application, "people", Request(full=True)).run
    assert figures(again) == {"read": ROWS, "unchanged": ROWS}


def test_one_bad_row_costs_its_neighbours_the_quick_way_and_nothing_else(
    application: Application, people: SourceDatabase, decoded: list[int]
) -> None:
    bad = ROWS  # PostgreSQL hands out a changed row last, MariaDB in the order of the key
    people.run(f"UPDATE people SET name = 'much longer than the schema allows' WHERE id = {bad}")
    run = running.run(application, "people", Request()).run
    assert figures(run) == {"read": ROWS, "created": ROWS - 1, "errors": 1}
    assert set(decoded) == {*SAMPLE, *range(ROWS - identify.AT_ONCE, ROWS)}
    with application.engine.connect() as connection:
        keys = connection.scalars(sa.text("SELECT source_key FROM openregister.quarantine"))
        assert list(keys) == [str(bad)]


def test_both_ways_store_the_same_and_the_trail_holds(
    application: Application, people: SourceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.run(application, "people", Request())
    quick = stored(application)
    with application.engine.begin() as connection:
        connection.execute(sa.text("UPDATE openregister.objects SET source_id = NULL"))
    monkeypatch.setattr(RowPlan, "documents", lambda *_: None)
    running.run(application, "people", Request(full=True))
    assert stored(application) == sorted([*quick, *quick])
    found = verify.verify(application)
    assert (found.ok, found.entries) == (True, 2 * ROWS)
