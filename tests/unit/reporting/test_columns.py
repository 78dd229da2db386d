"""Columns and names of the SQL views that schemas make."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reporting import columns as rules
from app.reporting.columns import Kind


def _kinds(**properties: Any) -> dict[str, str]:
    found = rules.columns({"type": "object", "properties": properties})
    return {column.name: str(column.kind) for column in found}


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        ({"type": "string"}, Kind.TEXT),
        ({"type": ["string", "null"]}, Kind.TEXT),
        ({"type": "string", "format": "date"}, Kind.DATE),
        ({"type": ["null", "string"], "format": "date-time"}, Kind.TIME),
        ({"type": "string", "format": "uuid"}, Kind.TEXT),
        ({"type": "integer"}, Kind.BIGINT),
        ({"type": "integer", "maximum": 2**63 - 1, "minimum": -(2**63)}, Kind.BIGINT),
        ({"type": "integer", "maximum": 2**63}, Kind.NUMERIC),
        ({"type": "integer", "exclusiveMinimum": -(10**20)}, Kind.NUMERIC),
        ({"type": "number"}, Kind.NUMERIC),
        ({"type": ["integer", "number"]}, Kind.NUMERIC),
        ({"type": "boolean"}, Kind.BOOLEAN),
        ({"type": "array", "items": {"type": "string"}}, Kind.JSON),
        ({"type": "object"}, Kind.JSON),
        ({"properties": {"a": {"type": "string"}}}, Kind.JSON),
        ({"type": ["string", "integer"]}, Kind.TEXT),
        ({"type": ["string", "array"]}, Kind.JSON),
        ({"enum": ["a", "b", None]}, Kind.TEXT),
        ({"const": True}, Kind.BOOLEAN),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, Kind.BIGINT),
        ({"$ref": "#/$defs/day"}, Kind.DATE),
        ({"$ref": "#"}, Kind.JSON),
        ({"$ref": "#/$defs/circle"}, Kind.JSON),
        ({}, Kind.JSON),
        (True, Kind.JSON),
    ],
)
def test_the_schema_decides_the_type_of_a_column(node: Any, kind: Kind) -> None:
    schema = {
        "type": "object",
        "$defs": {
            "day": {"type": "string", "format": "date"},
            "circle": {"anyOf": [{"$ref": "#/$defs/circle"}]},
        },
        "properties": {"field": node},
    }
    assert [column.kind for column in rules.columns(schema)] == [kind]


def test_properties_of_the_parts_of_a_schema_are_columns_too() -> None:
    schema = {
        "$ref": "#/$defs/named",
        "$defs": {"named": {"properties": {"name": {"type": "string"}}}},
        "properties": {"code": {"type": "integer"}},
        "allOf": [{"properties": {"area": {"type": "number"}, "code": {"minimum": 1}}}],
        "oneOf": [{"properties": {"end": {"type": "string", "format": "date"}}}, {}],
    }
    assert {column.name: str(column.kind) for column in rules.columns(schema)} == {
        "code": "bigint",
        "name": "text",
        "area": "numeric",
        "end": "date",
    }


def test_a_schema_that_refers_to_itself_a_million_million_ways_is_read_at_once() -> None:
    twice: dict[str, Any] = {
        f"n{i}": {"anyOf": [{"$ref": f"#/$defs/n{i + 1}"}, {"$ref": f"#/$defs/n{i + 1}"}]}
        for i in range(40)
    }
    schema = {
        "$defs": {**twice, "n40": {"type": "integer"}},
        "properties": {"deep": {"$ref": "#/$defs/n0"}},
    }
    assert [column.kind for column in rules.columns(schema)] == [Kind.BIGINT]


def test_names_stay_as_they_are_unless_postgresql_would_cut_or_clash() -> None:
    long = ["é" * 40, "é" * 41, "n" * 63, "n" * 64]
    names = rules.column_names(
        ["select", "first name", "Äpfel", "a-b", "A", "a", "", "_key", *long]
    )
    kept = {"select", "first name", "Äpfel", "a-b", "A", "a", "n" * 63}
    assert {name for name in names if names[name] == name} == kept
    assert len(set(names.values())) == len(names)
    assert names["_key"].startswith("_key_")
    assert all(0 < len(name.encode()) <= 63 for name in names.values())


def test_what_no_object_can_have_is_no_column() -> None:
    assert _kinds(**{"a\0b": {}, "\ud800": {}, "real": {"type": "string"}}) == {"real": "text"}


def test_more_properties_than_a_view_can_have_are_left_in_the_data() -> None:
    assert len(_kinds(**{f"p{n}": {} for n in range(2000)})) == rules.MOST_COLUMNS


def test_comments_say_what_the_schema_says() -> None:
    schema = {
        "$defs": {"area": {"description": "In km²"}},
        "properties": {
            "code": {"title": "Code", "description": "Of the\n  statistics office."},
            "area": {"$ref": "#/$defs/area"},
            "plain": {"type": "string"},
            "_uuid": {"title": "Theirs"},
            "broken": {"title": "a\0b\ud800"},
        },
    }
    found = {column.member: column.comment for column in rules.columns(schema)}
    assert found == {
        "code": "Code. Of the statistics office",
        "area": "In km²",
        "plain": "Property 'plain' of the schema",
        "_uuid": "Theirs. Property '_uuid' of the schema",
        "broken": "ab?",
    }


slugs = st.from_regex(r"[ab_][ab_-]{0,40}", fullmatch=True)


@given(st.lists(st.tuples(slugs, slugs), unique=True, max_size=30))
def test_no_two_schemas_share_the_name_of_a_view(pairs: list[tuple[str, str]]) -> None:
    names = [rules.view_name(*pair) for pair in pairs]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 63 for name in names)


@given(st.lists(st.text(), unique=True, max_size=30))
def test_no_two_properties_share_a_column(members: list[str]) -> None:
    names = rules.column_names([member for member in members if "\0" not in member])
    assert len(set(names.values())) == len(names)
    assert not {*names.values()} & {*rules.STANDARD}


def test_the_name_of_a_view_is_that_of_its_register_and_schema() -> None:
    assert rules.view_name("geo", "town") == "geo__town"
    assert rules.view_name("geo-2", "a_b") == "geo-2__a_b"
    assert rules.view_name("a__b", "c") != rules.view_name("a", "b__c")
    assert rules.view_name("a_", "b") != rules.view_name("a", "_b")
