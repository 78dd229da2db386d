"""JSON Schema: keyword by keyword, with formats, without the network.

The cases here are our own; the official ones are in test_json_schema_suite.py.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from app.mapping.compile import Mapped, compile_plan
from app.mapping.spec import parse_mapping
from app.mapping.validation import (
    DIALECT,
    check_schema,
    compile_validator,
    schema_faults,
    short_value,
)
from connectors.sdk import ConfigurationError, Row, RowProblem


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
        ({"$schema": "http://json-schema.org/draft-03/schema#"}, "$schema"),
        ({"$schema": 7}, "$schema"),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "properties": []}, "properties"),
        ({"$ref": "#"}, "(schema)"),
        ({"title": "x" * 1_000_001}, "(schema)"),
        ({"properties": {f"p{i}": {} for i in range(300_000)}}, "(schema)"),
    ],
)
def test_a_bad_schema_is_refused_with_the_place(schema: Any, path: str) -> None:
    assert list(schema_faults(schema)) == [path]
    with pytest.raises(ConfigurationError):
        check_schema(schema)


def test_a_good_schema_passes() -> None:
    for schema in ({"$schema": DIALECT, "type": ["object"], "properties": {}}, {}):
        check_schema(schema)
        assert compile_validator(schema)({}) == ()


def test_a_pattern_cannot_stall_a_run() -> None:
    validate = compile_validator(
        {"type": "object", "properties": {"x": {"pattern": r"^(a+)+(?=b)$"}}}
    )
    started = time.process_time()
    assert validate({"x": "a" * 5000}) != ()
    assert time.process_time() - started < 5  # a hang, not a measurement


def test_a_long_value_is_shortened_for_messages() -> None:
    assert short_value(5) == 5
    assert short_value({"a": 1}) == '{"a":1}'
    assert str(short_value(["x" * 500])).endswith("…")


def doubled(steps: int, word: str = "anyOf", *, inwards: bool = False) -> dict[str, Any]:
    """A schema in which every step refers to the next one twice."""
    definitions: dict[str, Any] = {f"d{steps}": {"type": "integer"}}
    for step in range(steps):
        reference: dict[str, Any] = {"$ref": f"#/$defs/d{step + 1}"}
        if inwards:
            reference = {"properties": {"a": reference}}
        definitions[f"d{step}"] = {word: [reference, dict(reference)]}
    return {"type": "object", "$defs": definitions, "properties": {"x": {"$ref": "#/$defs/d0"}}}


BUNDLED = {
    "$id": "https://example.org/whole",
    "properties": {"x": {"$ref": "d0"}},
    "$defs": {
        f"k{step}": {"$id": f"d{step}", "oneOf": [{"$ref": f"d{step + 1}"}] * 2}
        for step in range(26)
    }
    | {"k26": {"$id": "d26", "type": "integer"}},
}
ANCHORED = {
    "properties": {"x": {"$ref": "#d0"}},
    "$defs": {
        f"k{step}": {"$anchor": f"d{step}", "allOf": [{"$dynamicRef": f"#d{step + 1}"}] * 2}
        for step in range(26)
    }
    | {"k26": {"$dynamicAnchor": "d26", "type": "integer"}},
}
OLD = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "definitions": {
        f"d{step}": {"dependencies": {n: {"$ref": f"#/definitions/d{step + 1}"} for n in "ab"}}
        for step in range(26)
    }
    | {"d26": {}},
    "properties": {"x": {"$ref": "#/definitions/d0"}},
}
UNEVALUATED: dict[str, Any] = {"type": "integer"}
for _ in range(26):
    UNEVALUATED = {"allOf": [UNEVALUATED], "unevaluatedProperties": False}


@pytest.mark.promise("one row, rule or schema stops the machine")
@pytest.mark.promise("a schema whose references multiply, to exhaust memory or time")
@pytest.mark.parametrize(
    ("schema", "said"),
    [
        *((doubled(26, word), "apply more than 10,000") for word in ("anyOf", "allOf", "oneOf")),
        (BUNDLED, "apply more than 10,000"),
        (ANCHORED, "apply more than 10,000"),
        (OLD, "apply more than 10,000"),
        ({"properties": {"x": UNEVALUATED}}, "apply more than 10,000"),
        ({"$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}, "without end"),
        ({"properties": {"x": {"anyOf": [{"$ref": "#/properties/x"}]}}}, "without end"),
        (json.loads('{"not":' * 150 + "{}" + "}" * 150), "more than 100 levels"),
    ],
)
def test_a_schema_that_costs_too_much_is_refused(schema: dict[str, Any], said: str) -> None:
    started = time.process_time()
    assert said in schema_faults(schema)["(schema)"]
    assert time.process_time() - started < 5  # a hang, not a measurement


def nested(levels: int, inner: Any = "x") -> Any:
    for _ in range(levels):
        inner = {"a": inner}
    return inner


@pytest.mark.promise("a document that makes such a schema expensive")
def test_a_document_is_as_deep_as_its_schema_can_be_checked() -> None:
    plan = compile_plan(parse_mapping({}), doubled(26, inwards=True))
    shallow = plan.process(Row({"x": nested(8)}, "row 1"))
    assert isinstance(shallow, Mapped)
    deep = plan.process(Row({"x": nested(30)}, "row 2"))
    assert isinstance(deep, RowProblem)
    assert "allows" in deep.errors[0].message


def test_a_recursive_schema_of_the_usual_kind_is_not_limited() -> None:
    tree = {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"items": {"$ref": "#"}}}}
    assert compile_validator(tree)(nested(190, {"a": {}})) == ()
    kinds = [
        {"properties": {"kind": {"const": k}, "args": {"items": {"$ref": "#/$defs/x"}}}}
        for k in ("and", "or", "not")
    ]
    rules = {"$defs": {"x": {"oneOf": kinds}}, "properties": {"x": {"$ref": "#/$defs/x"}}}
    rule: Any = {"kind": "and", "args": []}
    for _ in range(4):
        rule = {"kind": "or", "args": [rule]}
    assert compile_validator(rules)({"x": rule}) == ()


@pytest.mark.promise("a document with an unlimited number of errors")
def test_a_document_with_more_errors_than_can_be_listed_names_its_properties() -> None:
    validate = compile_validator(
        {
            "properties": {
                "a": {"items": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/none"}]}},
                "b": {"type": "string"},
            },
            "required": ["c"],
            "$defs": {"none": {"type": "null"}},
        }
    )
    started = time.process_time()
    errors = validate({"a": ["x"] * 200_000, "b": "text"})
    assert time.process_time() - started < 5  # a hang, not a measurement
    assert [error.path for error in errors] == ["c", "a"]
    assert "too large for each of its errors" in errors[1].message
    assert validate({"a": [1] * 200_000, "b": "text", "c": 1}) == ()


@pytest.mark.promise("a document that makes such a schema expensive")
def test_a_document_that_is_too_large_for_its_schema_is_refused() -> None:
    validate = compile_validator(doubled(11))
    assert "too large to validate" in validate({"x": ["y"] * 100_000})[0].message
    assert validate({"x": 5}) == ()
    assert validate({"x": "y"}) != ()


@pytest.mark.parametrize(
    ("dialect", "schema", "valid", "invalid"),
    [
        ("http://json-schema.org/draft-07/schema#", {"items": [{"type": "string"}]}, ["a"], [1]),
        ("http://json-schema.org/draft-07/schema", {"if": {"const": 1}, "then": False}, 2, 1),
        ("http://json-schema.org/draft-06/schema#", {"exclusiveMinimum": 1}, 2, 1),
        ("http://json-schema.org/draft-04/schema#",
         {"minimum": 1, "exclusiveMinimum": True}, 2, 1),
        ("https://json-schema.org/draft/2019-09/schema",
         {"items": [{"type": "string"}], "additionalItems": False}, ["a"], ["a", "b"]),
    ],
)  # fmt: skip
def test_a_schema_of_an_older_draft_is_read_by_its_own_rules(
    dialect: str, schema: dict[str, Any], valid: Any, invalid: Any
) -> None:
    whole = {"$schema": dialect, "type": "object", "properties": {"x": schema}}
    plan = compile_plan(parse_mapping({}), whole)
    assert isinstance(plan.process(Row({"x": valid}, "row 1")), Mapped)
    assert compile_validator(whole)({"x": invalid}) != ()


def test_types_of_an_older_draft_are_taken_from_its_own_words() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"whole": {"type": "integer"}},
        "properties": {
            "a": {"items": [{"type": "string"}], "additionalItems": {"type": "integer"}},
            "b": {"$ref": "#/definitions/whole", "type": "string"},  # the reference alone counts
        },
    }
    found = compile_plan(parse_mapping({}), schema).process(Row({"a": [1, "2"], "b": "3"}, "row 1"))
    assert isinstance(found, Mapped)
    assert found.data == {"a": ["1", 2], "b": 3}


@pytest.mark.promise("property names that make `patternProperties` backtrack")
@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^(?=a)(a+)+$", "(a*)*b"])
def test_names_of_properties_cannot_stall_a_run(pattern: str) -> None:
    schema = {"type": "object", "patternProperties": {pattern: {"type": "integer"}}}
    plan = compile_plan(parse_mapping({}), schema)
    started = time.process_time()
    plan.process(Row({"a" * 2000 + "!": "1", "aa": "2"}, "row 1"))
    assert time.process_time() - started < 5  # a hang, not a measurement
