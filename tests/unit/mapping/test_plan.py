"""The compiled plan: filter, map, key, cast, coerce, validate, in this order and all at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mapping.compile import Filtered, Mapped, RowPlan, compile_plan, fingerprint
from app.mapping.spec import Lookup, parse_mapping
from connectors.sdk import ConfigurationError, JsonValue, Row, RowProblem, Stage, canonical

OPEN: dict[str, Any] = {"type": "object"}
CLOSED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "name": {"type": "string", "maxLength": 20},
        "inhabitants": {"type": "integer", "minimum": 0},
        "since": {"type": "string", "format": "date"},
        "address": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
    "required": ["code", "name"],
    "additionalProperties": False,
}

DUTCH_DATE = {"type": "date", "format": "%d-%m-%Y"}
DUTCH_TIME = {"type": "datetime", "format": "%d-%m-%Y %H:%M", "zone": "Europe/Amsterdam"}
BY_TABLE = {"path": "s", "table": "t"}
TABLES = {"tables": {"t": {1: "one"}}}


def plan(mapping: dict[str, Any], schema: dict[str, Any] | None = None, **more: Any) -> RowPlan:
    return compile_plan(parse_mapping(mapping), OPEN if schema is None else schema, **more)


def mapped(mapping: dict[str, Any], row: dict[str, Any], schema: Any = None) -> dict[str, Any]:
    outcome = plan(mapping, schema).process(Row(row, "row 1"))
    assert isinstance(outcome, Mapped), outcome
    return outcome.data


def problem(mapping: dict[str, Any], row: dict[str, Any], schema: Any = None) -> RowProblem:
    outcome = plan(mapping, schema).process(Row(row, "row 1"))
    assert isinstance(outcome, RowProblem), outcome
    return outcome


@pytest.mark.parametrize(
    ("mapping", "row", "data"),
    [
        ({}, {"a": 1.0, "b": None}, {"a": 1, "b": None}),
        ({"fields": {"x": "a.b", "y": "none"}}, {"a": {"b": 1}}, {"x": 1}),
        ({"fields": {"x": "a"}}, {"a": None}, {"x": None}),
        ({"fields": {"x": "a"}, "passthrough": True}, {"a": 1}, {"a": 1, "x": 1}),
        ({"passthrough": True, "unset": ["a"]}, {"a": 1, "b": 2}, {"b": 2}),
        ({"passthrough": True, "unset": "a.b"}, {"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}),
        ({"fields": {"a.b": "x", "a.c": "y"}}, {"x": 1, "y": 2}, {"a": {"b": 1, "c": 2}}),
        ({"fields": {r"a\.b": "x"}}, {"x": 1}, {"a.b": 1}),
        ({"fields": {"x": "#"}}, {"a": 1}, {"x": {"a": 1}}),
        ({"fields": {"x": "a"}, "constants": {"y": 5.0}}, {"a": 1}, {"x": 1, "y": 5}),
        ({"fields": {"x": {"constant": None}}}, {}, {"x": None}),
        ({"fields": {"x": {"path": "a", "default": 3}}}, {"a": None}, {"x": 3}),
        ({"fields": {"x": {"path": "a", "default": 3}}}, {}, {"x": 3}),
        ({"fields": {"x": {"path": "a", "null_if": ["-", 0]}}}, {"a": 0.0}, {"x": None}),
        ({"fields": {"x": {"path": "a", "null_if": ["-", 0]}}}, {"a": False}, {"x": False}),
        ({"null_if": ["n/a"]}, {"a": "n/a", "b": "x"}, {"a": None, "b": "x"}),
        ({"null_if": {"a": ["x"]}}, {"a": "x", "b": "x"}, {"a": None, "b": "x"}),
        ({"casts": {"a": "boolean"}}, {"a": "ja"}, {"a": True}),
        ({"casts": {"a": "list"}}, {"a": "1, 2"}, {"a": ["1", "2"]}),
        ({"casts": {"a": {"type": "number", "decimal": ","}}}, {"a": "1.234,5"}, {"a": 1234.5}),
        ({"casts": {"a": "integer", "b": "string"}}, {"a": "7", "b": 7.0}, {"a": 7, "b": "7"}),
        ({"casts": {"a": "json"}}, {"a": "[1.0]"}, {"a": [1]}),
        ({"casts": {"a": "list"}}, {"a": 5}, {"a": [5]}),
        ({"casts": {"a": DUTCH_DATE}}, {"a": "31-12-2024"}, {"a": "2024-12-31"}),
        (
            {"casts": {"a": DUTCH_TIME}},
            {"a": "31-12-2024 10:00"},
            {"a": "2024-12-31T10:00:00+01:00"},
        ),
        ({"casts": {"a": "date"}}, {"a": " "}, {"a": None}),
        ({"fields": {"x": {"path": "s", "table": {"A": "active"}}}}, {"s": "A"}, {"x": "active"}),
        ({"fields": {"x": {**BY_TABLE, "default": "?"}}, **TABLES}, {"s": 2}, {"x": "?"}),
        ({"fields": {"x": BY_TABLE}, **TABLES}, {"s": 1}, {"x": "one"}),
        ({"fields": {"x": {"template": "{{ a }}", "cast": "integer"}}}, {"a": "5"}, {"x": 5}),
    ],
)  # fmt: skip
def test_a_mapping_gives(
    mapping: dict[str, Any], row: dict[str, Any], data: dict[str, Any]
) -> None:
    before = canonical.dumps(row)
    assert canonical.dumps(mapped(mapping, row)) == canonical.dumps(data)
    assert canonical.dumps(row) == before  # the row itself is left alone


def test_a_mapped_row_carries_its_canonical_bytes_and_hash() -> None:
    outcome = plan({"key": "code", "fields": {"name": "n", "code": "c"}}).process(
        Row({"c": 7.0, "n": "é"}, "row 9")
    )
    assert isinstance(outcome, Mapped)
    assert outcome.key == "7"
    assert outcome.json == '{"code":7,"name":"é"}'.encode()
    assert outcome.data_hash == hashlib.sha256(outcome.json).digest()
    assert outcome.position == "row 9"


@pytest.mark.parametrize(
    ("mapping", "row", "key", "paths"),
    [
        ({"key": "code", "fields": {"code": "id"}}, {"id": 7}, "7", ("id",)),
        ({"key": "id", "fields": {"code": "x"}}, {"id": "7"}, "7", ("id",)),
        ({"key": ["a", "b"]}, {"a": "x", "b": 2}, "x\x1f2", ("a", "b")),
        ({"key": "code", "fields": {"code": "a.b"}}, {"a": {"b": 1}}, "1", None),
        ({"key": "code", "fields": {"code": r"a\.b"}}, {"a.b": 1}, "1", ("a.b",)),
        ({"key": "code", "fields": {"code": "{{ a }}-{{ b }}"}}, {"a": 1, "b": 2}, "1-2", None),
        ({}, {"a": 1}, None, None),
    ],
)
def test_the_key_is_read_from_the_source(
    mapping: dict[str, Any], row: dict[str, Any], key: str | None, paths: Any
) -> None:
    compiled = plan(mapping)
    assert compiled.key(row) == key
    assert compiled.key_paths == paths
    assert compiled.has_key is (key is not None)


@pytest.mark.parametrize("row", [{"b": 1}, {"a": None}, {"a": " "}, {"a": []}])
def test_a_row_without_a_usable_key_is_a_problem(row: dict[str, Any]) -> None:
    found = problem({"key": "a"}, row)
    assert (found.stage, found.errors[0].path, found.key) == (Stage.KEY, "a", None)
    assert found.raw == row


def test_the_filter_comes_first_and_its_errors_are_problems() -> None:
    compiled = plan({"filter": "n * 2 > 4", "key": "id"})
    assert compiled.process(Row({"n": 1}, "row 2")) == Filtered("row 2")
    assert isinstance(compiled.process(Row({"n": 3, "id": 1}, "row 3")), Mapped)
    outcome = compiled.process(Row({"n": "x", "id": 1}, "row 4"))
    assert isinstance(outcome, RowProblem)
    assert (outcome.stage, outcome.position, outcome.key) == (Stage.FILTER, "row 4", "1")
    assert "filter `n * 2 > 4`" in outcome.errors[0].message


def test_every_failing_field_of_a_stage_is_named_with_expression_and_value() -> None:
    mapping = {
        "key": "code",
        "fields": {"code": "c", "name": "{{ a }}", "inhabitants": "{{ 1 / 0 }}"},
    }
    found = problem(mapping, {"c": 1}, CLOSED)
    assert found.stage is Stage.MAP
    assert found.key == "1"
    assert {error.path: error.message for error in found.errors} == {
        "name": "`{{ a }}`: a is missing in the row (use default(…) if it may be)",
        "inhabitants": "`{{ 1 / 0 }}`: division by zero",
    }
    found = problem(
        {"fields": {"code": "c", "inhabitants": "n", "since": "s"}, "casts": {"since": "date"}},
        {"c": 1, "n": "x", "s": "31-12-2024"},
        CLOSED,
    )
    assert found.stage is Stage.COERCE
    assert [(error.path, error.value) for error in found.errors] == [
        ("since", "31-12-2024"),
        ("inhabitants", "x"),
    ]
    assert found.errors[1].message == "is not a whole number (from `n`)"


def test_validation_comes_last_and_reports_all_errors() -> None:
    found = problem({}, {"code": 1, "inhabitants": "-1", "more": 1}, CLOSED)
    assert found.stage is Stage.VALIDATE
    assert {error.path for error in found.errors} == {"inhabitants", "more", "name"}


def test_a_null_that_the_schema_does_not_allow_is_left_out() -> None:
    assert mapped({}, {"code": "1", "name": "n", "since": None, "inhabitants": ""}, CLOSED) == {
        "code": "1",
        "name": "n",
    }


@pytest.mark.promise("rows are dropped silently")
def test_an_empty_object_is_a_problem_not_silence() -> None:
    found = problem({"fields": {"x": "typo"}}, {"a": 1, "b": 2})
    assert found.stage is Stage.MAP
    assert found.errors[0].message == (
        "the mapping produces an empty object; the row's fields are a, b"
    )


@pytest.mark.parametrize(
    "row", [{"a": "x\0"}, {"a": [{"b\0": 1}]}, {"a": "\ud800"}, {"a": float("nan")}]
)
def test_what_the_database_cannot_hold_is_a_problem(row: dict[str, Any]) -> None:
    assert problem({}, row).stage is Stage.COERCE


@pytest.mark.parametrize("depth", [254, 600, 1000])
def test_a_row_that_is_nested_too_deeply_is_a_problem(depth: int) -> None:
    row: dict[str, Any] = {"a": 1}
    for _ in range(depth):
        row = {"a": row}
    assert problem({}, row).stage is Stage.COERCE


def test_a_text_that_spells_an_escape_is_no_nul() -> None:
    assert mapped({}, {"a": "\\u0000"}) == {"a": "\\u0000"}


def test_all_faults_of_a_mapping_are_reported_at_once() -> None:
    mapping = {
        "filter": "a ==",
        "key": "a..b",
        "fields": {"zz": "x", "code": "{{ nope(1) }}", "name": "a[", "address.street": "s",
                   "inhabitants": {"path": "i", "table": "none"}},
        "constants": {"code": 1},
        "casts": {"unknown": "date", "code": {"type": "datetime", "zone": "Mars/Here"}},
        "unset": ["*"],
    }  # fmt: skip
    with pytest.raises(ConfigurationError) as caught:
        plan(mapping, CLOSED)
    assert set(caught.value.faults) == {
        "filter", "key", "fields.zz", "fields.name", "fields.inhabitants", "constants.code",
        "casts.unknown", "casts.code", "unset.*",
    }  # fmt: skip


@pytest.mark.parametrize(
    "document",
    [
        {"fields": {"x": {"path": "a", "template": "b"}}},
        {"fields": {"x": {"cast": "date"}}},
        {"casts": {"x": "datum"}},
        {"unknown": 1},
        {"key": 5},
    ],
)
def test_a_document_of_the_wrong_form_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        parse_mapping(document)


def test_a_constant_is_no_key() -> None:
    with pytest.raises(ConfigurationError, match="every row would be the same object"):
        plan({"key": "a", "fields": {"b": "x"}, "constants": {"a": 1}})


def test_the_fingerprint_changes_with_mapping_and_schema_only() -> None:
    spec = parse_mapping({"fields": {"a": "b"}, "key": "a"})
    same = parse_mapping({"key": ["a"], "fields": {"a": "b"}})
    other = parse_mapping({"fields": {"a": "c"}, "key": "a"})
    assert fingerprint(spec, OPEN) == fingerprint(same, OPEN)
    assert len({fingerprint(spec, OPEN), fingerprint(other, OPEN), fingerprint(spec, CLOSED)}) == 3
    assert 0 <= fingerprint(spec, OPEN) < 2**64


class Countries:
    """A lookup port over a dictionary, which is what one is."""

    def __init__(self, known: Mapping[str, JsonValue]) -> None:
        self.known = known
        self.asked: list[set[str]] = []

    def resolve(self, lookup: Lookup, values: Collection[str]) -> Mapping[str, JsonValue]:
        self.asked.append(set(values))
        return {value: self.known[value] for value in values if value in self.known}


LOOKUP = {"path": "country", "lookup": {"schema": "country", "by": "code"}}


def test_lookups_of_many_rows_are_asked_at_once() -> None:
    port = Countries({"NL": "uuid-nl", "BE": "uuid-be"})
    compiled = plan({"fields": {"country": LOOKUP, "id": "id"}}, lookups=port)
    rows = [
        Row({"id": n, "country": code}, f"row {n}") for n, code in enumerate(["NL", "BE", "NL"])
    ]
    resolved = compiled.resolve(rows)
    found = [compiled.process(row, resolved) for row in rows]
    assert [outcome.data["country"] for outcome in found if isinstance(outcome, Mapped)] == [
        "uuid-nl",
        "uuid-be",
        "uuid-nl",
    ]
    assert port.asked == [{"NL", "BE"}]


def test_a_lookup_translates_lists_and_leaves_null_alone() -> None:
    port = Countries({"NL": "uuid-nl", "BE": "uuid-be"})
    compiled = plan({"fields": {"c": LOOKUP, "id": "id"}}, lookups=port)
    cases: list[tuple[Any, Any]] = [(["BE", "NL"], ["uuid-be", "uuid-nl"]), (None, None)]
    for value, answer in cases:
        outcome = compiled.process(Row({"id": 1, "country": value}, "row 1"))
        assert isinstance(outcome, Mapped)
        assert outcome.data["c"] == answer


def test_a_value_that_no_object_has_is_a_problem_or_null() -> None:
    row = Row({"id": 1, "country": "XX"}, "row 1")
    strict = plan({"fields": {"c": LOOKUP, "id": "id"}}, lookups=Countries({})).process(row)
    assert isinstance(strict, RowProblem)
    assert strict.errors[0].message == "`country`: no country has code 'XX'"
    lenient = {**LOOKUP, "lookup": {"schema": "country", "by": "code", "missing": "null"}}
    outcome = plan({"fields": {"c": lenient, "id": "id"}}, lookups=Countries({})).process(row)
    assert isinstance(outcome, Mapped)
    assert outcome.data["c"] is None


def test_a_lookup_without_a_register_to_ask_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not available here"):
        plan({"fields": {"c": LOOKUP}})


def test_the_rule_behind_a_property_can_be_told() -> None:
    compiled = plan({"fields": {"name": "a.b", "label": "{{ x }}"}})
    assert compiled.origin("label") == "{{ x }}"
    assert [(rule.target, rule.origin) for rule in compiled.explain()] == [
        ("name", "a.b"),
        ("label", "{{ x }}"),
    ]


rows = st.dictionaries(
    st.sampled_from(["code", "name", "inhabitants", "since", "address", "other"]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["1", "2024-01-01", ""]) | st.just({"city": 1}) | st.just([1.0]),
)  # fmt: skip


@given(rows, st.sampled_from([OPEN, CLOSED]))
def test_any_row_becomes_an_object_or_a_problem_and_never_an_exception(
    row: dict[str, Any], schema: dict[str, Any]
) -> None:
    compiled = plan(
        {"passthrough": True, "key": "code", "fields": {"name": "{{ upper(name) }}"},
         "filter": "inhabitants > 3 or not since"},
        schema,
    )  # fmt: skip
    outcome = compiled.process(Row(row, "row 1"))
    if isinstance(outcome, Mapped):
        assert canonical.parse(outcome.json) == outcome.data
        assert outcome.key is not None
    elif isinstance(outcome, RowProblem):
        assert outcome.errors
        assert outcome.raw is row


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.promise("one row, rule or schema stops the machine")
@pytest.mark.promise("a row that makes evaluation fail in any way")
@pytest.mark.parametrize(
    ("mapping", "row", "stage", "said"),
    [
        ({}, {"id": 1, "a": deep(300)}, Stage.COERCE, "More than 200 levels"),
        ({}, {"id": 1, "a": deep(5000)}, Stage.COERCE, "More than 200 levels"),
        ({"fields": {"a": "{{ json(a) }}"}}, {"a": deep(5000)}, Stage.MAP, "200 levels deep"),
        ({"fields": {"a": "{{ a }}"}}, {"a": deep(5000)}, Stage.MAP, "200 levels deep"),
        ({"fields": {"a": "{{ a == b }}"}}, {"a": deep(5000), "b": deep(5000)}, Stage.MAP,
         "200 levels deep"),
        ({"filter": "json(a) == ''"}, {"a": deep(5000)}, Stage.FILTER, "200 levels deep"),
        ({"filter": {"cat": [{"var": "a"}]}}, {"a": deep(5000)}, Stage.FILTER, "deep"),
        ({"null_if": ["-"]}, {"a": deep(5000)}, Stage.COERCE, "More than 200 levels"),
        ({"casts": {"a": "json"}}, {"a": "[" * 5000}, Stage.COERCE, "is not JSON"),
        ({"casts": {"a": "boolean"}}, {"a": Decimal("sNaN")}, Stage.COERCE, "cast: "),
        ({"casts": {"a": {"type": "date", "format": "unix"}}}, {"a": 10**30}, Stage.COERCE, "cast"),
        ({"casts": {"a": {"type": "datetime", "format": "unix", "zone": "Asia/Tokyo"}}},
         {"a": 253402300799}, Stage.COERCE, "is not a number of seconds"),
        ({"key": "a"}, {"a": float("nan")}, Stage.KEY, "no usable value"),
        ({"key": "k", "fields": {"k": "{{ 1 / a }}"}}, {"a": 0}, Stage.MAP, "division by zero"),
        ({}, {"a": "\ud800"}, Stage.COERCE, "contains a lone surrogate"),
        ({}, {"a\udc00": 1}, Stage.COERCE, "name contains a lone surrogate"),
        ({"fields": {"a": "{{ upper(a) }}"}}, {"a": "\ud800"}, Stage.COERCE, "lone surrogate"),
        ({"fields": {"a": "{{ json(a) }}"}}, {"a": ["\ud800"]}, Stage.MAP, "not valid Unicode"),
        ({}, {"a": float("inf")}, Stage.COERCE, "is not a JSON number"),
    ],
)  # fmt: skip
def test_whatever_one_row_raises_is_its_problem(
    mapping: dict[str, Any], row: dict[str, Any], stage: Stage, said: str
) -> None:
    found = problem(mapping, row, {"type": "object"})
    assert found.stage is stage
    assert said in found.errors[0].message
    assert not re.search(r"[A-Z]\w+Error|Decimal|<|recursion|positional", found.errors[0].message)


@pytest.mark.parametrize(
    "mapping",
    [
        {"null_if": [float("inf")]},
        {"null_if": {"a": [float("nan")]}, "passthrough": True},
        {"tables": {"t": {"a": float("inf")}}},
        {"tables": {"t": {"a": deep(5000)}}},
        {"constants": {"a": deep(5000)}},
        {"constants": {"a": "\ud800"}},
        {"fields": {"a": {"path": "a", "default": float("inf")}}},
        {"filter": {"==": [1, float("inf")]}},
        {"filter": {"==": [1, deep(5000)]}},
        {"casts": {"a": {"type": "date", "format": "%d" * 60}}, "filter": "1e999"},
    ],
)
def test_a_mapping_with_values_that_are_not_json_is_refused_in_words(
    mapping: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        plan(mapping)
    assert not re.search(r"[A-Z]\w+Error|recursion|circular|codec", str(caught.value))
