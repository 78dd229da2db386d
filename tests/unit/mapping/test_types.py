"""Coercion: the schema decides the type, nothing is guessed and nothing is lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.mapping.compile import Mapped, compile_plan
from app.mapping.spec import parse_mapping
from app.mapping.types import compile_coercion
from app.mapping.validation import compile_validator
from connectors.sdk import FieldError, Row, canonical

ABSENT = object()


def coerce(schema: Any, value: Any) -> Any:
    """One property through a schema; ABSENT when it was left out, the errors when it failed."""
    errors: list[FieldError] = []
    result = compile_coercion({"type": "object", "properties": {"x": schema}})({"x": value}, errors)
    return errors or result.get("x", ABSENT)


STRING = {"type": "string"}
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
BOOLEAN = {"type": "boolean"}
DATE = {"type": "string", "format": "date"}
MOMENT = {"type": "string", "format": "date-time"}


ARRAY_OF_TEXT = {"type": "array", "items": STRING}
ARRAY_OF_WHOLE = {"type": "array", "items": INTEGER}
KINDS = {
    "oneOf": [
        {"type": "object", "properties": {"kind": {"const": "a"}, "n": INTEGER}},
        {"type": "object", "properties": {"kind": {"const": "b"}, "n": STRING}},
    ]
}


@pytest.mark.promise("leading zeros are lost")
@pytest.mark.parametrize(
    ("schema", "value", "result"),
    [
        (STRING, "02", "02"),
        (STRING, 2, "2"),
        (STRING, 7.0, "7"),
        (STRING, Decimal("1.50"), "1.5"),
        (STRING, True, "true"),
        (STRING, "", ""),
        (STRING, None, ABSENT),
        ({"type": ["string", "null"]}, None, None),
        (INTEGER, "007", 7),
        (INTEGER, " -12 ", -12),
        (INTEGER, "12.0", 12),
        (INTEGER, 12.0, 12),
        (INTEGER, "1e3", 1000),
        (INTEGER, "123456789012345678901234567890", 123456789012345678901234567890),
        (INTEGER, " ", ABSENT),
        ({"type": ["integer", "null"]}, "", None),
        (NUMBER, "12.50", 12.5),
        (NUMBER, "0.1234567890123456789", Decimal("0.1234567890123456789")),
        (NUMBER, 3, 3),
        (BOOLEAN, "TRUE", True),
        (BOOLEAN, "0", False),
        (BOOLEAN, 1, True),
        (DATE, "2024-01-31", "2024-01-31"),
        (DATE, "20240131", "2024-01-31"),
        (DATE, "2024-01-31T00:00:00Z", "2024-01-31"),
        (DATE, "2024-01-31 00:00:00.000", "2024-01-31"),
        (DATE, "", ABSENT),
        (MOMENT, "2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"),
        (MOMENT, "2024-01-31 10:00:00.120+00:00", "2024-01-31T10:00:00.12Z"),
        (MOMENT, "2024-01-31t10:00:00.123456789+01:00", "2024-01-31t10:00:00.123456789+01:00"),
        (MOMENT, "2024-01-31T10:00:00.000Z", "2024-01-31T10:00:00.000Z"),
        ({"anyOf": [ARRAY_OF_TEXT, ARRAY_OF_WHOLE]}, [1, 2], [1, 2]),
        ({"anyOf": [ARRAY_OF_TEXT, ARRAY_OF_WHOLE]}, ["1", 2], ["1", "2"]),
        ({"anyOf": [ARRAY_OF_WHOLE, ARRAY_OF_TEXT]}, ["1", "2"], ["1", "2"]),
        ({"anyOf": [DATE, STRING]}, "20240131", "20240131"),
        ({"anyOf": [DATE, {"type": "null"}]}, "20240131", "2024-01-31"),
        ({"anyOf": [{"minimum": 3}, STRING]}, None, None),
        (KINDS, {"kind": "b", "n": "5"}, {"kind": "b", "n": "5"}),
        (KINDS, {"kind": "b", "n": 5}, {"kind": "b", "n": "5"}),
        (KINDS, {"kind": "a", "n": "5"}, {"kind": "a", "n": 5}),
        (
            {"$ref": "#/properties/x/$defs/k", "$defs": {"k": KINDS}},
            {"kind": "b", "n": 5},
            {"kind": "b", "n": "5"},
        ),
        ({"oneOf": [{"type": "integer"}, {"type": "integer", "minimum": 5}, STRING]}, 7, 7),
        ({"patternProperties": {r"^\p{L}+$": INTEGER}}, {"é": "1"}, {"é": 1}),
        (MOMENT, "2024-01-31T10:00+02:00", "2024-01-31T10:00:00+02:00"),
        ({}, 1.0, 1),
        (True, [1.0], [1]),
        ({"type": "array", "items": INTEGER}, ["1", 2.0], [1, 2]),
        ({"type": "array", "items": INTEGER}, [None], [None]),
        ({"prefixItems": [STRING], "items": INTEGER}, [1, "2"], ["1", 2]),
        ({"type": "object", "properties": {"y": INTEGER}}, {"y": "1", "z": 1.0}, {"y": 1, "z": 1}),
        ({"additionalProperties": INTEGER}, {"y": "1"}, {"y": 1}),
        ({"patternProperties": {"^n_": INTEGER}}, {"n_a": "1", "b": "1"}, {"n_a": 1, "b": "1"}),
        ({"anyOf": [INTEGER, {"type": "null"}]}, "5", 5),
        ({"anyOf": [INTEGER, {"type": "null"}]}, None, None),
        ({"anyOf": [INTEGER, {"type": "null"}]}, "", None),
        ({"anyOf": [INTEGER, STRING]}, "5", "5"),
        ({"oneOf": [{"type": "null"}, DATE]}, "20240131", "2024-01-31"),
        ({"type": ["integer", "string"]}, "5", "5"),
        ({"type": ["number", "boolean"]}, "5", 5),
        ({"type": ["integer", "boolean"]}, "true", True),
        ({"enum": ["1", "2"]}, 1, "1"),
        ({"enum": [1, 2, None]}, "2", 2),
        ({"const": True}, "true", True),
        ({"allOf": [INTEGER, {"minimum": 3}]}, "5", 5),
    ],
)
def test_a_value_takes_the_type_of_the_schema(schema: Any, value: Any, result: Any) -> None:
    found = coerce(schema, value)
    assert found == result
    assert isinstance(found, bool) == isinstance(result, bool)


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (INTEGER, "12.5", "would lose its fraction"),
        (INTEGER, 12.5, "would lose its fraction"),
        (INTEGER, True, "is not a whole number"),
        (INTEGER, "1,234", "is not a whole number"),
        (INTEGER, "twelve", "is not a whole number"),
        (NUMBER, "1,5", "number(…, ',') reads a decimal comma"),
        (NUMBER, "1_000", "is not a number"),
        (NUMBER, "nan", "is not a number"),
        (NUMBER, "١٢", "is not a number"),
        (BOOLEAN, "ja", "need the cast boolean"),
        (BOOLEAN, 2, "neither true nor false"),
        (BOOLEAN, Decimal("sNaN"), "neither true nor false"),
        (STRING, {"a": 1}, "is not text"),
        (DATE, "31-01-2024", "is not an ISO date"),
        (DATE, "2024-01-31T10:00:00Z", "has a time of day"),
        (MOMENT, "2024-01-31T10:00:00", "has no time zone"),
        (MOMENT, "yesterday", "is not an ISO date and time"),
        ({"type": "array"}, "a,b", "is not an array"),
        ({"type": "object"}, "{}", "is not an object"),
        ({"type": "null"}, "x", "is not null"),
        ({"anyOf": [INTEGER, {"type": "null"}]}, "x", "is not a whole number"),
        ({"type": ["integer", "boolean"]}, "x", "is not one of boolean, integer"),
    ],
)
def test_what_would_be_lost_or_guessed_is_a_problem(schema: Any, value: Any, message: str) -> None:
    errors = coerce(schema, value)
    assert isinstance(errors, list)
    assert [error.path for error in errors] == ["x"]
    assert message in errors[0].message


def test_every_bad_field_is_reported_with_its_path() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": INTEGER,
            "b": {"type": "array", "items": {"type": "object", "properties": {"c": INTEGER}}},
        },
    }
    errors: list[FieldError] = []
    compile_coercion(schema)({"a": "x", "b": [{"c": 1}, {"c": "y"}]}, errors)
    assert [(error.path, error.value) for error in errors] == [("a", "x"), ("b.1.c", "y")]


@pytest.mark.parametrize("reference", ["#", "#/$defs/tree", "#tree", "#/$defs/a~1b"])
def test_references_inside_the_schema_are_followed_also_in_circles(reference: str) -> None:
    tree = {
        "$anchor": "tree",
        "type": "object",
        "properties": {"n": INTEGER, "next": {"$ref": reference}},
    }
    schema = {**tree, "$anchor": "root", "$defs": {"tree": tree, "a/b": tree}}
    errors: list[FieldError] = []
    result = compile_coercion(schema)({"n": "1", "next": {"n": "2", "next": {"n": "3"}}}, errors)
    assert (result, errors) == ({"n": 1, "next": {"n": 2, "next": {"n": 3}}}, [])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.sampled_from(["", "1", "1.0", "01", "true", "2024-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner),
    max_leaves=6,
)  # fmt: skip
schemas = st.recursive(
    st.sampled_from([{}, STRING, INTEGER, NUMBER, BOOLEAN, DATE, {"type": ["integer", "null"]}]),
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(
            lambda members: {"type": "object", "properties": members},
            st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
        )
        | st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=2))
    ),
    max_leaves=4,
)


@given(schemas, json_values)
def test_coercion_is_idempotent_and_canonical(schema: Any, value: Any) -> None:
    result = coerce(schema, value)
    if isinstance(result, list) and result and isinstance(result[0], FieldError):
        return
    if result is ABSENT:
        assert value is None or value == "" or not isinstance(value, (int, float, list, dict))
        return
    assert canonical.dumps(canonical.value(result)) == canonical.dumps(result)
    again = coerce(schema, result)
    assert again is ABSENT or canonical.dumps(again) == canonical.dumps(result)


leaves = st.sampled_from(
    [
        {}, STRING, INTEGER, NUMBER, BOOLEAN, DATE, MOMENT, {"type": "null"},
        {"type": ["integer", "null"]}, {"type": ["string", "integer"]}, {"type": "object"},
        {"enum": ["1", 1, None, ""]}, {"const": "a"}, {"const": 1}, {"minimum": 1},
        {"minLength": 2}, {"format": "date"}, {"not": {"type": "null"}}, {"not": STRING},
        {"type": "string", "format": "email"}, {"type": "string", "pattern": "^[0-9]+$"},
        {"$ref": "#/$defs/whole"}, {"$ref": "#/$defs/any"},
    ]
)  # fmt: skip
names = st.sampled_from("xyz")
anything = st.recursive(
    leaves,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "string", ["array", "null"]]),
            "properties": st.dictionaries(names, inner, max_size=2),
            "required": st.lists(names, max_size=1),
            "patternProperties": st.dictionaries(st.sampled_from(["^x", "y$"]), inner),
            "additionalProperties": inner | st.booleans(),
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=3),
            "oneOf": st.lists(inner, min_size=1, max_size=3),
            "allOf": st.lists(inner, min_size=1, max_size=2),
        },
    ),
    max_leaves=8,
)
DEFINITIONS = {"whole": INTEGER, "any": {"anyOf": [ARRAY_OF_TEXT, ARRAY_OF_WHOLE, DATE, STRING]}}
SINGLE = [
    None, True, 0, 1, 1.5, 12, "", " ", "1", "a", "20240131", "2024-01-31", "true", "12",
    "2024-01-31T10:00:00.000Z", "2024-01-31t10:00:00z", "a@example.org",
]  # fmt: skip
plain_values = st.recursive(
    st.sampled_from(SINGLE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.promise("values that were valid are changed")
@settings(max_examples=600, deadline=None)
@given(anything, plain_values)
def test_a_value_that_satisfies_the_schema_is_never_changed(schema: Any, value: Any) -> None:
    whole = {"type": "object", "properties": {"x": schema}, "$defs": DEFINITIONS}
    document = {"x": value}
    if compile_validator(whole)(document):
        return
    errors: list[FieldError] = []
    assert compile_coercion(whole)(document, errors) == document
    assert errors == []
    outcome = compile_plan(parse_mapping({}), whole).process(Row(document, "row 1"))
    assert isinstance(outcome, Mapped)
    assert outcome.json == canonical.dumps(document)


@given(st.integers(-(10**30), 10**30), st.integers(0, 3))
def test_integers_of_any_size_survive_as_text(number: int, zeros: int) -> None:
    sign, digits = ("-", str(-number)) if number < 0 else ("", str(number))
    assert coerce(INTEGER, f"{sign}{'0' * zeros}{digits}") == number
