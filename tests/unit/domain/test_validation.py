"""JSON Schema draft 2020-12: keyword by keyword, with formats, without the network.

The cases here are our own; the official ones are in test_json_schema_suite.py.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from app.domain.validation import (
    DIALECT,
    check_schema,
    compile_validator,
    schema_faults,
    short_value,
)
from connectors.sdk import ConfigurationError


@pytest.mark.parametrize(
    ("schema", "valid", "invalid"),
    [
        ({"type": "integer"}, [1, 1.0, 10**30], ["1", 1.5, True]),
        ({"type": ["string", "null"]}, ["", None], [0]),
        ({"enum": [1, "a", None]}, [1, 1.0, "a", None], [True, "b"]),
        ({"const": {"a": [1]}}, [{"a": [1.0]}], [{"a": [True]}]),
        ({"minimum": 1, "maximum": 3}, [1, 3, "x"], [0, 3.1]),
        ({"exclusiveMinimum": 1, "exclusiveMaximum": 3}, [2], [1, 3]),
        ({"multipleOf": 0.01}, [0.07, 19.99], [0.075]),
        ({"minLength": 2, "maxLength": 3}, ["ab", "💩💩"], ["a", "abcd"]),
        ({"pattern": "^[0-9]{4}$"}, ["1234", 5], ["12345"]),
        ({"items": {"type": "integer"}, "prefixItems": [{"type": "string"}]}, [["a", 1]], [[1]]),
        ({"minItems": 1, "maxItems": 2, "uniqueItems": True}, [[1, "1"]], [[], [1, 1.0]]),
        ({"contains": {"const": 1}, "maxContains": 1}, [[1, 2]], [[2], [1, 1]]),
        ({"required": ["a"], "minProperties": 1}, [{"a": None}], [{}, {"b": 1}]),
        ({"properties": {"a": {"type": "null"}}, "additionalProperties": False}, [{"a": None}],
         [{"a": 1}, {"b": None}]),
        ({"patternProperties": {"^x": {"type": "integer"}}}, [{"x1": 1, "y": "a"}], [{"x": "a"}]),
        ({"propertyNames": {"maxLength": 2}}, [{"ab": 1}], [{"abc": 1}]),
        ({"dependentRequired": {"a": ["b"]}}, [{"a": 1, "b": 1}, {"b": 1}], [{"a": 1}]),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}},
         [{"a": 1, "b": 1}, {"c": 1}], [{"a": 1}, {}]),
        ({"allOf": [{"minimum": 1}], "anyOf": [{"type": "integer"}], "not": {"const": 5}}, [1],
         [0, 1.5, 5]),
        ({"oneOf": [{"minimum": 5}, {"maximum": 7}]}, [1, 9], [6]),
        ({"properties": {"a": True}, "unevaluatedProperties": False}, [{"a": 1}], [{"b": 1}]),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, [1], ["a"]),
        ({"format": "date"}, ["2024-02-29", 5], ["2023-02-29", "29-02-2024"]),
        ({"format": "date-time"}, ["2024-01-01T00:00:00Z"], ["2024-01-01T00:00:00"]),
        ({"format": "email"}, ["a@b.nl"], ["a"]),
        ({"format": "uuid"}, ["018f3a3e-0000-7000-8000-000000000000"], ["018f"]),
        ({"format": "uri"}, ["https://example.org"], ["example"]),
    ],
)  # fmt: skip
def test_a_keyword_accepts_and_refuses(
    schema: dict[str, Any], valid: list[Any], invalid: list[Any]
) -> None:
    definitions = schema.pop("$defs", {})
    whole = {"type": "object", "properties": {"x": schema}, "$defs": definitions}
    validate = compile_validator(whole)
    assert [validate({"x": value}) for value in valid] == [()] * len(valid)
    assert all(validate({"x": value}) for value in invalid)


def test_all_errors_are_reported_with_path_message_and_value() -> None:
    validate = compile_validator(
        {
            "type": "object",
            "properties": {"a": {"properties": {"b": {"minimum": 3}}}, "c": {"maxLength": 3}},
            "required": ["d"],
            "additionalProperties": False,
        }
    )
    errors = {error.path: error for error in validate({"a": {"b": 1}, "c": "x" * 999, "e": 1})}
    assert set(errors) == {"a.b", "c", "d", "e"}
    assert errors["d"].message == "is required but missing"
    assert errors["e"].message == "is not a property of the schema"
    assert errors["a.b"].value == 1
    assert isinstance(errors["c"].value, str)
    assert len(errors["c"].value) == 200


def test_big_integers_and_decimals_are_compared_exactly() -> None:
    validate = compile_validator({"type": "object", "properties": {"x": {"maximum": 2**70}}})
    assert validate({"x": 2**70}) == ()
    assert validate({"x": 2**70 + 1}) != ()


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        (5, "(schema)"),
        ({"type": "strin"}, "type"),
        ({"type": "array"}, "type"),
        ({"properties": {"a": {"pattern": "("}}}, "properties.a.pattern"),
        ({"properties": {"a": {"minimum": "1"}}}, "properties.a.minimum"),
        ({"properties": {"a": {"$ref": "https://example.org/x"}}}, "(schema)"),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, "(schema)"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "$schema"),
    ],
)
def test_a_bad_schema_is_refused_with_the_place(schema: Any, path: str) -> None:
    assert list(schema_faults(schema)) == [path]
    with pytest.raises(ConfigurationError):
        check_schema(schema)


def test_a_good_schema_passes() -> None:
    check_schema({"$schema": DIALECT, "type": ["object"], "properties": {}})
    check_schema({})


def test_a_pattern_cannot_stall_a_run() -> None:
    validate = compile_validator(
        {"type": "object", "properties": {"x": {"pattern": r"^(a+)+(?=b)$"}}}
    )
    started = time.monotonic()
    assert validate({"x": "a" * 5000}) != ()
    assert time.monotonic() - started < 5  # a hang, not a measurement


def test_a_long_value_is_shortened_for_messages() -> None:
    assert short_value(5) == 5
    assert short_value({"a": 1}) == '{"a":1}'
    assert str(short_value(["x" * 500])).endswith("…")
