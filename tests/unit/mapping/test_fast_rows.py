"""The quick way of plain rows gives what the general way gives, errors included."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.mapping.compile import RowPlan, compile_plan
from app.mapping.spec import parse_mapping
from connectors.sdk import Row

NAMES = ["a", "b", "c", "d"]

numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.decimals(allow_nan=True),
    st.sampled_from([0.0, -0.0, 1e-5, 1e15, 1e16, 1e300, 10**400, Decimal("1.50")]),
)
texts = st.one_of(
    st.text(max_size=5),
    st.sampled_from(
        ["", " ", "\x1c", "12", "007", "1.0", "true", "0", "a\0", "2024-02-30", "2024-01-31T00:00"]
    ),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=2),
    st.dictionaries(st.sampled_from(["x", "y"]), scalars, max_size=2),
)
usual = st.sampled_from([0, 1, "0", "1", "12"])
"""What most types take, as most rows of most sources have it."""
rows = st.one_of(
    st.dictionaries(st.sampled_from([*NAMES, "e"]), values),
    st.fixed_dictionaries(dict.fromkeys([*NAMES, "e"], usual)),
    st.fixed_dictionaries({**dict.fromkeys([*NAMES, "e"], usual), "a": scalars}),
)

kinds: list[dict[str, Any]] = [
    {},
    {"type": "string"},
    {"type": "string", "maxLength": 2},
    *({"type": "string", "format": name} for name in ("date", "date-time", "email", "other")),
    {"type": "integer", "minimum": 0},
    {"type": "number"},
    {"type": "boolean"},
    {"type": "null"},
    {"type": ["integer", "null"]},
    {"type": ["string", "integer"]},
    {"enum": ["1", 2, None]},
    {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    {"type": "string", "allOf": [{"format": "date"}]},
    {"anyOf": [{"type": "string", "format": "date"}, {"minLength": 2}, {"type": "integer"}]},
    {"oneOf": [{"const": 12}, {"type": "string"}]},
    {"anyOf": [{"type": "array", "items": {"type": t}} for t in ("string", "integer")]},
    {"$ref": "#/$defs/whole"},
    {"type": "object", "properties": {"x": {"type": "integer"}}},
    {"type": "array", "items": {"type": "number"}},
]
schemas = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "$defs": st.just({"whole": {"type": "integer"}}),
        "properties": st.dictionaries(
            st.sampled_from(NAMES), st.sampled_from(kinds[:3]) | st.sampled_from(kinds), max_size=3
        ),
        "required": st.lists(st.sampled_from(NAMES), unique=True, max_size=1),
    },
    optional={"additionalProperties": st.sampled_from([True, {"type": "string"}])},
)
mappings = st.one_of(
    st.just({"passthrough": True}),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*NAMES, "e"]), min_size=1).map(
        lambda fields: {"fields": fields}
    ),
    st.just({"fields": {"a": "a", "b": {"constant": 7.0}}}),
)


def both(plan: RowPlan, row: dict[str, Any]) -> tuple[Any, Any]:
    made = Row(row, "row 1")
    return plan.process(made), plan._at_length(made, None, plan.key(row))


def test_both_ways_make_the_same_object_or_the_same_problem() -> None:
    taken: list[bool] = []

    @settings(max_examples=400)
    @given(mappings, schemas, rows, st.booleans())
    def compare(
        mapping: dict[str, Any], schema: dict[str, Any], row: dict[str, Any], keyed: bool
    ) -> None:
        plan = compile_plan(parse_mapping({**mapping, **({"key": "e"} if keyed else {})}), schema)
        assert plan._fused is not None
        quick, general = both(plan, row)
        assert type(quick) is type(general)
        # repr tells 1 from 1.0 and True, and holds NaN equal to itself
        assert repr(quick) == repr(general)
        taken.append(bool(plan._fused(row)))

    compare()
    assert sum(taken) * 2 >= len(taken), "most draws went the general way and compared nothing"


@pytest.mark.parametrize(
    "mapping",
    [
        {"fields": {"a": "a.b"}},
        {"fields": {"a": "{{ a }}"}},
        {"fields": {"a.b": "a"}},
        {"fields": {"a": {"path": "a", "default": 1}}},
        {"fields": {"a": {"path": "a", "null_if": ["-"]}}},
        {"fields": {"a": "a"}, "casts": {"a": "integer"}},
        {"fields": {"a": "a"}, "null_if": ["-"]},
        {"fields": {"a": "a"}, "passthrough": True},
        {"passthrough": True, "unset": ["a"]},
    ],
)
def test_mappings_that_do_more_than_copy_go_the_general_way(mapping: dict[str, Any]) -> None:
    assert compile_plan(parse_mapping(mapping), {"type": "object"})._fused is None


def test_names_of_fields_never_become_code() -> None:
    name = "a');import os#\n"
    plan = compile_plan(parse_mapping({"fields": {name: name}}), {"type": "object"})
    assert plan.process(Row({name: 1}, "row 1")).data == {name: 1}  # type: ignore[union-attr]
