"""Reading objects and the quarantine."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from app.database import tables as t
from app.database.secrets import SecretBox
from app.errors import NotFoundError
from app.registers import list_store, object_store
from app.registers.model import About
from app.registers.query import Condition, ObjectQuery, Order
from app.sources import store
from app.sources.model import SourceDraft
from app.sync import quarantine


@pytest.fixture
def connection(any_connection: sa.Connection) -> sa.Connection:
    return any_connection


@pytest.fixture
def source_id(connection) -> int:
    box = SecretBox("A" * 43 + "=")
    return store.add(connection, SourceDraft("countries", "rest", {}, targets=[]), box).id


def _names(found) -> list[str]:
    return [one.data["name"] for one in found]


def test_an_object_names_what_it_belongs_to(connection, place, source_id):
    data = {"name": "Nederland", "area": Decimal("12345678901234567890.5")}
    placed = place(connection, data, source_id=source_id, key="NL")
    found = object_store.get(connection, placed.uuid)
    assert (found.register, found.schema, found.source, found.key) == (
        "geo",
        "country",
        "countries",
        "NL",
    )
    assert found.data == data
    with pytest.raises(NotFoundError, match="object:list"):
        object_store.get(connection, uuid.uuid4())


def test_pages_follow_one_another_without_gap_or_overlap(connection, place):
    for number in range(7):
        place(connection, {"name": str(number)})
    seen, after = [], None
    while page := list_store.read(connection, ObjectQuery(), after=after, limit=3):
        seen += _names(page)
        after = page[-1].uuid
    assert seen == [str(number) for number in range(7)]
    assert _names(list_store.stream(connection, ObjectQuery(), chunk=2)) == seen


def test_a_stream_leaves_no_options_on_its_connection(connection, place):
    for number in range(5):
        place(connection, {"name": str(number)})
    before = dict(connection.get_execution_options())
    assert len(list(list_store.stream(connection, ObjectQuery(), chunk=2))) == 5
    assert dict(connection.get_execution_options()) == before
    # a whole answer is at hand at once again: a server-side cursor could not tell its length
    assert connection.execute(sa.text("SELECT generate_series(1, 7)")).rowcount == 7


def test_a_query_narrows_by_where_objects_belong(connection, place, source_id):
    here = place(connection, {"name": "here"}, source_id=source_id, key="1")
    place(connection, {"name": "gone"}, source_id=source_id, key="2", deleted=True)
    other = place(connection, {"name": "other"}, register="law", schema="act")

    def found(**only) -> list[str]:
        query = ObjectQuery(**only)
        names = _names(list_store.read(connection, query))
        assert list_store.count(connection, query) == len(names)
        assert list_store.about(connection, query) == About(len(names), True)
        return names

    assert found() == ["here", "other"]
    assert found(deleted=True) == ["here", "gone", "other"]
    assert found(register_id=here.register_id) == ["here"]
    assert found(schema_id=other.schema_id) == ["other"]
    assert found(source_id=source_id) == ["here"]
    key = Condition(("key",), "eq", ("2",), meta=True)
    assert found(source_id=source_id, conditions=(key,), deleted=True) == ["gone"]
    assert found(ignored=(("nowhere", "1"),)) == []


@pytest.mark.parametrize(
    ("path", "operator", "value", "names"),
    [
        (("n",), "eq", 10, ["a"]),
        (("n",), "eq", Decimal("10.0"), ["a"]),
        (("n",), "gt", 9, ["a"]),
        (("n",), "lte", 9, ["b"]),
        (("n",), "gt", "9", []),
        (("n",), "lt", "9", ["c"]),
        (("n",), "ne", 10, ["b", "c", "d"]),
        (("n",), "eq", None, ["d"]),
        (("in", "city"), "eq", "Delft", ["b"]),
        (("tags", "1"), "eq", "y", ["c"]),
        (("tags",), "eq", "y", ["c"]),
        (("tags",), "ne", "y", ["a", "b", "d"]),
        (("tags",), "eq", ["x", "y"], ["c"]),
        (("flag",), "eq", True, ["a"]),
        (("missing",), "eq", None, []),
    ],
)
def test_properties_are_compared_within_their_json_type(
    connection, place, path, operator, value, names
):
    place(connection, {"name": "a", "n": 10, "flag": True})
    place(connection, {"name": "b", "n": 9, "in": {"city": "Delft"}})
    place(connection, {"name": "c", "n": "10", "tags": ["x", "y"]})
    place(connection, {"name": "d", "n": None})
    query = ObjectQuery(conditions=(Condition(path, operator, (value,)),))
    assert _names(list_store.read(connection, query)) == names


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("path", [("n",), ("in", "city")])
def test_a_sorted_list_goes_on_behind_and_before_every_object(connection, place, path, descending):
    for text in ('{"n": 2}', '{"n": null}', "{}", '{"n": "2"}', '{"n": 2}', '{"n": 1}', "{}"):
        city = {"in": {"city": "Delft"}} if "2" in text else {}
        place(connection, {**json.loads(text), **city})
    query = ObjectQuery(order=(Order(path, descending),))
    whole = list_store.read(connection, query)
    assert len(whole) == 7
    for number, one in enumerate(whole):
        behind = list_store.read(connection, query, after=one.uuid)
        before = list_store.read(connection, query, before=one.uuid, back=True)
        assert behind == whole[number + 1 :]
        assert before == whole[:number][::-1]


def test_large_figures_are_estimated(connection, place):
    for number in range(20):
        place(connection, {"name": str(number)})
    found = list_store.about(connection, ObjectQuery(), exact_below=5)
    assert (found.number >= 5, found.exact) == (True, False)


# -- quarantine ------------------------------------------------------------------------------


@pytest.fixture
def rejected(connection, source_id) -> list[int]:
    rows = [
        ("validate", [("age", "is no integer"), ("name", "is missing")], 1),
        ("validate", [("age", "is no integer")], 1),
        ("key", [("", "no key")], 2),
    ]
    return [
        connection.scalar(
            sa.insert(t.quarantine)
            .values(
                source_id=source_id,
                identity=str(number),
                run_id=run_id,
                position=f"row {number}",
                source_key=str(number) if stage != "key" else None,
                stage=stage,
                errors=[{"path": path, "message": message, "value": 1} for path, message in errors],
                raw={"n": number},
            )
            .returning(t.quarantine.c.id)
        )
        for number, (stage, errors, run_id) in enumerate(rows)
    ]


def test_rejected_rows_are_read_with_their_faults(connection, source_id, rejected):
    first, *_ = quarantine.list_rows(connection, source_id)
    assert (first.id, first.position, first.key, first.raw) == (rejected[0], "row 0", "0", {"n": 0})
    assert [(fault.path, fault.message) for fault in first.errors] == [
        ("age", "is no integer"),
        ("name", "is missing"),
    ]


def test_rejected_rows_are_narrowed_and_paged(connection, source_id, rejected):
    def ids(**only) -> list[int]:
        return [row.id for row in quarantine.list_rows(connection, source_id, **only)]

    assert ids() == rejected
    assert ids(run_id=2) == ids(stage="key") == rejected[2:]
    assert ids(after=rejected[0], limit=1) == [rejected[1]]
    assert quarantine.list_rows(connection, source_id + 1) == []


def test_reasons_are_counted_the_most_frequent_first(connection, source_id, rejected):
    groups = quarantine.groups(connection, source_id)
    assert [(group.stage, group.path, group.rows) for group in groups] == [
        ("validate", "age", 2),
        ("key", "", 1),
        ("validate", "name", 1),
    ]
    assert groups[0].positions == ("row 0", "row 1")
    assert quarantine.count(connection, source_id) == 3
    assert quarantine.count(connection, source_id, run_id=1) == 2


def test_rows_leave_when_repaired_and_lose_their_content_in_time(connection, source_id, rejected):
    assert quarantine.remove(connection, rejected[:1]) == 1
    assert quarantine.remove(connection, []) == 0
    connection.execute(
        sa.update(t.quarantine)
        .where(t.quarantine.c.id == rejected[1])
        .values(last_seen=sa.func.now() - timedelta(days=100))
    )
    assert quarantine.purge(connection, older_than=timedelta(days=90)) == 1
    assert quarantine.purge(connection, older_than=timedelta(days=90)) == 0
    rows = quarantine.list_rows(connection, source_id)
    assert [row.id for row in rows] == rejected[1:]
    assert (rows[0].raw, rows[1].raw is None) == (None, False)
    assert (rows[0].errors[0].message, rows[0].errors[0].value) == ("is no integer", None)
