"""Rows taken column by column become the very objects that they become one by one."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.mapping.compile import Mapped, RowPlan, compile_plan
from app.mapping.spec import parse_mapping
from connectors.databases import convert
from connectors.databases.lines import LineColumn, LineFormat
from connectors.sdk import Batch

ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b"})

KINDS: dict[str, tuple[convert.Convert | None, st.SearchStrategy[str]]] = {
    "text": (
        None,
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
        | st.sampled_from(["", " ", "\x1c", 'say "no"', "back\\slash", "a@example.org", "007"]),
    ),
    "int": (convert.integer, st.integers(-(2**63), 2**63).map(str)),
    "numeric": (
        convert.decimal,
        st.decimals(allow_nan=False, allow_infinity=False, places=3).map(lambda n: f"{n:f}")
        | st.sampled_from(["0.00", "-0.00", "100", "1e3", "NaN", "0.000001", "9" * 40]),
    ),
    "float": (convert.double, st.floats().map(repr)),
    "bool": (convert.boolean, st.sampled_from("tf")),
    "date": (convert.date, st.dates().map(str) | st.just("infinity")),
    "timestamp": (convert.timestamp, st.datetimes().map(str)),
    "json": (convert.json, st.sampled_from(['{"b": 1.0, "a": null}', "[1]", '"x\\\\u0000"', "7"])),
    "char": (convert.padded, st.sampled_from(["ab  ", "  ", '"'])),
}
"""How a column of a database is read, and what it may hold."""

SCHEMAS: list[Any] = [
    {},
    True,
    {"type": "string", "title": "Text"},
    {"type": "string", "maxLength": 2},
    *({"type": "string", "format": name} for name in ("date", "date-time", "email", "other")),
    {"type": "integer"},
    {"type": "integer", "minimum": 0},
    {"type": "number"},
    {"type": "boolean"},
    {"type": ["integer", "null"]},
    {"type": ["string", "null"]},
    {"type": ["string", "integer"]},
    {"enum": ["007", 2, None]},
    {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    {"anyOf": [{"type": "string", "format": "date"}, {"minLength": 2}, {"type": "integer"}]},
    {"oneOf": [{"const": 12}, {"type": "string"}]},
    {"$ref": "#/$defs/whole"},
]


@st.composite
def tables(draw: st.DrawFn) -> tuple[Batch, dict[str, Any], dict[str, Any]]:
    """A batch of lines, a mapping and a schema."""
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3))
    names = [f"c{number}" for number in range(len(kinds))]
    columns = [
        LineColumn(name, kind, KINDS[kind][0]) for name, kind in zip(names, kinds, strict=True)
    ]
    cells = [
        st.none() | KINDS[kind][1] if draw(st.booleans()) else KINDS[kind][1] for kind in kinds
    ]
    rows = draw(st.lists(st.tuples(*cells), min_size=1, max_size=4))
    said = st.sampled_from(SCHEMAS[:2]) | st.sampled_from(SCHEMAS)  # half of them take any value
    properties = {name: draw(said) for name in names if draw(st.booleans())}
    schema = {
        "type": "object",
        "properties": properties,
        "$defs": {"whole": {"type": "integer"}},
        "required": draw(st.lists(st.sampled_from(names), unique=True, max_size=1)),
    }
    mapping: dict[str, Any] = {"passthrough": True}
    if draw(st.booleans()):
        fields = {name: draw(st.sampled_from([*names, "none"])) for name in names}
        mapping = {"fields": fields, "constants": {"k": draw(st.sampled_from([1, "a", None]))}}
    return batch(columns, rows), mapping, schema


def batch(columns: Sequence[LineColumn], rows: Sequence[Sequence[str | None]]) -> Batch:
    lines = [
        "\t".join("\\N" if cell is None else cell.translate(ESCAPES) for cell in row).encode()
        for row in rows
    ]
    return LineFormat(columns, "people").batch(lines, 1)


def plan_of(mapping: dict[str, Any], schema: dict[str, Any]) -> RowPlan:
    return compile_plan(parse_mapping(mapping), schema)


def one_by_one(plan: RowPlan, rows: Batch) -> list[bytes]:
    """Raises AssertionError when one is a problem, RowDecodeError when it cannot be read."""
    documents = []
    for row in rows:
        result = plan.process(row)
        assert isinstance(result, Mapped)
        documents.append(result.json)
    return documents


def test_both_ways_give_the_same_objects() -> None:
    taken: list[bool] = []

    @settings(max_examples=400)
    @given(tables())
    def compare(table: tuple[Batch, dict[str, Any], dict[str, Any]]) -> None:
        rows, mapping, schema = table
        plan = plan_of(mapping, schema)
        documents = plan.documents(rows, range(len(rows)))
        if documents is not None:  # otherwise they go one by one
            assert documents == one_by_one(plan, rows)
        taken.append(documents is not None)

    compare()
    assert sum(taken) * 2 >= len(taken), "most draws went row by row and compared nothing"


PEOPLE = [
    LineColumn("id", "bigint", convert.integer),
    LineColumn("name", "text"),
    LineColumn("amount", "numeric", convert.decimal),
    LineColumn("active", "boolean", convert.boolean),
    LineColumn("born", "date", convert.date),
    LineColumn("email", "text"),
]
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "name": {"type": "string", "minLength": 2},
        "amount": {"type": "number"},
        "active": {"type": "boolean"},
        "born": {"type": "string", "format": "date"},
        "email": {"type": "string", "format": "email"},
    },
    "required": ["id"],
}
GOOD = ("7", 'Jan "J"', "1.50", "t", "2024-02-29", "j@example.org")


def documents(*rows: Sequence[str | None]) -> list[bytes] | None:
    plan = plan_of({"passthrough": True}, SCHEMA)
    return plan.documents(batch(PEOPLE, rows), range(len(rows)))


def test_ordinary_rows_are_taken_at_once() -> None:
    full = (
        b'{"active":true,"amount":1.5,"born":"2024-02-29","email":"j@example.org","id":7,'
        b'"name":"Jan \\"J\\""}'
    )
    sparse = b'{"amount":2,"id":8,"name":"Ada"}'
    assert documents(GOOD, ("8", "Ada", "2.00", None, None, None)) == [full, sparse]


def test_a_schema_may_have_a_name() -> None:
    schema = {
        **SCHEMA,
        "$id": "https://example.org/person",
        "$defs": {"whole": {"type": "integer", "maximum": 7}},
        "properties": {"id": {"$ref": "#/$defs/whole"}},
    }
    plan = plan_of({"fields": {"id": "id"}}, schema)
    rows = batch(PEOPLE, [GOOD, ("8", *GOOD[1:])])
    assert plan.documents(rows, [0]) == [b'{"id":7}']
    assert plan.documents(rows, [1]) is None


@pytest.mark.parametrize(
    "bad",
    [
        ("0", *GOOD[1:]),  # below the minimum
        ("7", "J", *GOOD[2:]),  # too short
        (*GOOD[:2], "NaN", *GOOD[3:]),  # no JSON number
        (*GOOD[:4], "infinity", GOOD[5]),  # no date
        (*GOOD[:5], "nobody"),  # no address
        (None, *GOOD[1:]),  # required
        GOOD[:5],  # too few cells
    ],
)
def test_one_bad_row_sends_all_of_them_the_other_way(bad: Sequence[str | None]) -> None:
    assert documents(GOOD, bad, GOOD) is None


def test_blank_text_that_can_be_no_value_is_left_out_in_both_ways() -> None:
    plan = plan_of({"passthrough": True}, SCHEMA)
    rows = batch(PEOPLE, [GOOD, (*GOOD[:5], " ")])
    assert plan.documents(rows, [1]) == one_by_one(plan, rows)[1:]
    assert b"email" not in one_by_one(plan, rows)[1]


@pytest.mark.parametrize(
    "mapping",
    [
        {"fields": {"id": "{{ id }}"}},
        {"fields": {"id": "id"}, "casts": {"id": "integer"}},
        {"fields": {"id": "id"}, "filter": "id > 1"},
        {"passthrough": True, "unset": ["name"]},
    ],
)
def test_mappings_that_do_more_go_row_by_row(mapping: dict[str, Any]) -> None:
    rows = batch(PEOPLE, [GOOD])
    assert plan_of(mapping, SCHEMA).documents(rows, [0]) is None


@pytest.mark.parametrize(
    "more",
    [
        {"minProperties": 2},
        {"patternProperties": {"^x": {"type": "string"}}},
        {"if": {"required": ["id"]}, "then": {"required": ["name"]}},
        {"additionalProperties": False},
        {"properties": {"id": {"$ref": "#/properties/name"}, "name": {"type": "string"}}},
        {"properties": {"id": {"$id": "https://example.org/id", "type": "integer"}}},
    ],
)
def test_schemas_that_say_more_go_row_by_row(more: dict[str, Any]) -> None:
    rows = batch(PEOPLE, [GOOD])
    schema = {**SCHEMA, **more}
    assert plan_of({"fields": {"id": "id"}}, schema).documents(rows, [0]) is None


def test_exact_numbers_stay_exact() -> None:
    columns = [LineColumn("n", "numeric", convert.decimal)]
    text = "12345678901234567890.12345678901234567890"
    rows = batch(columns, [(text,)])
    plan = plan_of({"passthrough": True}, {"properties": {"n": {"type": "number", "minimum": 0}}})
    assert plan.documents(rows, [0]) == [b'{"n":%s}' % text.rstrip("0").encode()]
    assert one_by_one(plan, rows) == plan.documents(rows, [0])
    assert Decimal(text) == Decimal(text.rstrip("0"))
