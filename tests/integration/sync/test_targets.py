"""One source, several schemas; relations between registers; periodic full passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.registers import schemas
from app.sources import manage
from app.sources import store as source_store
from app.sync import run as running
from app.sync.run import Request
from tests.integration.bench import Bench, figures

COUNTRY = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "name": {"type": "string"}},
    "required": ["code"],
}
TOWN = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "country": {"type": "string", "format": "uuid"},
    },
    "required": ["name", "country"],
}
ROWS = [
    {"kind": "country", "id": "NL", "name": "Netherlands"},
    {"kind": "town", "id": "t1", "name": "Delft", "in": "NL"},
    {"kind": "town", "id": "t2", "name": "Gouda", "in": "NL"},
    {"kind": "town", "id": "t3", "name": "Nowhere", "in": "XX"},
]


@pytest.fixture
def two(bench: Bench) -> Bench:
    """A source whose rows are countries and towns."""
    schemas.add(bench.app, "country", COUNTRY, register="geo", actor="test")
    schemas.add(bench.app, "town", TOWN, register="geo", actor="test")
    document: dict[str, Any] = {
        "name": "places",
        "type": "files",
        "connection": {"path": str(bench.path), "format": "ndjson"},
        "targets": [
            {
                "register": "geo",
                "schema": "country",
                "mapping": {
                    "filter": "kind == 'country'",
                    "key": "id",
                    "fields": {"code": "id", "name": "name"},
                },
            },
            {
                "register": "geo",
                "schema": "town",
                "mapping": {
                    "filter": "kind == 'town'",
                    "key": "id",
                    "fields": {
                        "name": "name",
                        "country": {
                            "path": "in",
                            "lookup": {"schema": "country", "by": "code", "take": "uuid"},
                        },
                    },
                },
            },
        ],
    }
    manage.save(bench.app, document, test=False)
    return bench


def test_one_source_feeds_two_schemas_and_relations_come_out_as_uuids(two: Bench) -> None:
    two.write(ROWS[:1])
    two.sync()
    two.write(ROWS)
    run = two.sync()
    # every row is offered to both targets
    assert figures(run) == {"read": 8, "created": 2, "unchanged": 1, "filtered": 4, "errors": 1}
    uuid = two.scalar("SELECT uuid::text FROM openregister.objects WHERE source_key = 'NL'")
    assert two.objects()["t1"] == {"name": "Delft", "country": uuid}
    message = two.scalar("SELECT errors->0->>'message' FROM openregister.quarantine")
    assert "no country has code 'XX'" in message

    two.write([*ROWS, {"kind": "country", "id": "XX", "name": "Xanadu"}])
    two.sync()
    two.write([*ROWS, {"kind": "country", "id": "XX", "name": "Xanadu"}])
    two.sync()
    assert "t3" in two.objects()
    assert two.scalar("SELECT count(*) FROM openregister.quarantine") == 0


def test_a_mapping_that_fits_no_row_is_said_with_the_first_reason(bench: Bench) -> None:
    bench.define({"fields": {"name": "title"}, "passthrough": False})
    bench.write({"code": str(n), "name": "x"} for n in range(20))
    run = bench.sync()
    assert figures(run) == {"read": 20, "errors": 20}
    assert any("0 of 20 rows match the mapping" in warning for warning in run.warnings)


def test_a_full_pass_comes_round_when_it_is_due(bench: Bench) -> None:
    bench.define(full_every="7 days")
    bench.write([{"code": "a", "name": "x"}])
    assert running.prepare(bench.app, "places", Request()).cursor is None
    bench.sync()
    assert running.prepare(bench.app, "places", Request()).cursor is not None
    with bench.app.engine.begin() as connection:
        source = source_store.get(connection, "places")
        assert source.last_full
        assert datetime.now(UTC) - source.last_full < timedelta(minutes=5)
        connection.execute(
            sa.text("UPDATE openregister.sources SET last_full = now() - interval '8 days'")
        )
    assert running.prepare(bench.app, "places", Request()).cursor is None


ROW = st.fixed_dictionaries(
    {},
    optional={
        "code": st.one_of(st.none(), st.sampled_from("abcdefgh"), st.integers(0, 5)),
        "name": st.one_of(st.none(), st.text(max_size=3), st.just("x" * 50), st.integers()),
        "size": st.one_of(
            st.none(), st.integers(), st.floats(allow_nan=False), st.text(max_size=2)
        ),
    },
)


@pytest.mark.promise("rows are dropped silently")
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows=st.lists(ROW, max_size=25))
def test_every_row_is_accounted_for_whatever_the_rows(bench: Bench, rows: list[Any]) -> None:
    bench.define({"filter": "size != 3"}, batch_size=4, on_missing="delete", delete_guard=1)
    rows = [{"code": "first"}, *rows]  # without the key anywhere it would not be the table at all
    bench.write(rows)
    first = bench.sync()  # raises when the counters do not add up
    assert first.counters.read == len(rows)
    bench.write(rows)
    again = bench.sync()
    assert (again.counters.created, again.counters.deleted, again.counters.read) == (
        0,
        0,
        len(rows),
    )
    bench.write(rows)
    assert bench.sync().counters.updated == 0
