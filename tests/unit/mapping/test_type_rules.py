"""The table of type rules: what a fast way may keep is what the conversion gives back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.mapping.scalars import CoercionError
from app.mapping.type_rules import FORMATS, TYPES, TypeRule, only_rule
from app.mapping.types import plain_properties
from connectors.sdk import canonical
from connectors.sdk.columns import Kind

RULES = {**TYPES, **{f"string of format {name}": rule for name, rule in FORMATS.items()}}
EVERY_RULE = pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())

floats = st.floats() | st.floats(1e-5, 1e16) | st.integers(-10, 10**16).map(float)
anything = st.one_of(
    st.none(), st.booleans(), st.integers(), floats, st.decimals(allow_nan=True), st.text()
)
whole = st.integers()
COLUMNS: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.INTEGER: whole,
    Kind.NUMBER: whole | floats.filter(lambda f: abs(f) < float("inf")).map(canonical.value),
    Kind.BOOLEAN: st.booleans(),
    Kind.STRING: st.text(),
    Kind.DATE: st.dates().map(str),
}
"""Values of a column of each kind, as canonical JSON has them."""


def passes(rule: TypeRule, value: Any) -> bool:
    return bool(eval(rule.row_test, {"v": value}))  # noqa: S307  # as the fast way compiles it


@EVERY_RULE
@given(value=anything)
@example(value=1e15)
@example(value=1e-5)
@example(value=7.0)
@example(value=True)
@example(value=" ")
@example(value=Decimal("1.50"))
def test_what_passes_the_test_of_a_row_is_given_back(rule: TypeRule, value: Any) -> None:
    if passes(rule, value):
        assert repr(rule.convert(value)) == repr(value)
        assert not (rule.blank_is_null and type(value) is str and not value.strip())


@EVERY_RULE
@given(data=st.data())
def test_what_a_column_of_its_kind_holds_is_given_back(rule: TypeRule, data: st.DataObject) -> None:
    for kind in rule.column_kinds:
        value = data.draw(COLUMNS[kind])
        assert repr(rule.convert(value)) == repr(value)


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_most_values_of_a_type_pass_its_test(kind: str) -> None:
    usual = {"string": "a", "integer": 7, "number": 1.5, "boolean": True}
    assert passes(TYPES[kind], usual[kind])
    assert not any(passes(TYPES[kind], value) for value in (None, [1], {"a": 1}))


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": ["string", "integer"]},
        {"type": "object"},
        {"type": "null"},
        {"type": "string", "allOf": [{"format": "date"}]},
        {"type": "string", "$ref": "#/$defs/day"},
    ],
)
def test_a_type_that_does_not_decide_alone_has_no_rule(schema: Any) -> None:
    assert only_rule(schema) is None


def test_a_type_that_may_be_null_follows_the_rule_of_the_other() -> None:
    assert only_rule({"type": ["null", "integer"]}) is TYPES["integer"]
    assert only_rule({"type": "string", "format": "date"}) is FORMATS["date"]
    assert only_rule({"type": "string", "format": "other"}) is TYPES["string"]
    assert only_rule({"type": "integer", "format": "date"}) is TYPES["integer"]


@pytest.mark.parametrize(("name", "rule"), RULES.items(), ids=RULES.keys())
def test_the_general_way_follows_the_table(name: str, rule: TypeRule) -> None:
    kind, _, form = name.partition(" of format ")
    schema = {"type": [kind, "null"], **({"format": form} if form else {})}
    properties = plain_properties({"properties": {"p": schema}})
    assert properties is not None
    convert = properties.convert("p")
    assert (convert(" ") is None) == rule.blank_is_null
    for value in ("12", "true", "2024-01-31", 12, True, 1.5):
        assert _made(convert, value) == _made(rule.convert, value)


def _made(convert: Any, value: Any) -> str:
    try:
        return repr(convert(value))
    except CoercionError as error:
        return str(error.faults)
