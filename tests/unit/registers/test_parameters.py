"""Object queries read from parameters, and written back as parameters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from app.errors import ConfigurationError
from app.registers.parameters import read, write
from app.registers.query import OPERATORS, Condition, ObjectQuery, Order

PLACE = ObjectQuery(1, 2)
PROPERTIES: dict[str, Any] = {"code": {}, "n": {}, "address": {}, "with.dot": {}, "eq": {}}

names = st.one_of(
    st.sampled_from([*PROPERTIES, "address.city", "@self.updated", "@self.source", "other"]),
    st.text("ab.[]-:,@_ ", max_size=6),
)
brackets = st.sampled_from(["", "[]", "[in]", "[~]", *(f"[{name}]" for name in OPERATORS)])
values = st.one_of(
    st.sampled_from(["1", "1.50", "true", "null", "", ",", "a,b", "2026-01-31T12:00:00+01:00"]),
    st.text("a1,é ", max_size=4),
)
filters = st.tuples(st.builds(str.__add__, names, brackets), values)
orders = st.one_of(
    st.tuples(st.builds("_order[{}]".format, names), st.sampled_from(["asc", "desc", ""])),
    st.tuples(st.just("_order"), st.builds("{}{}:{}".format, st.sampled_from("- "), names, names)),
    st.tuples(st.just("_order"), names),
)
steering = st.tuples(st.sampled_from(["_search", "_deleted", "_page"]), values)


@settings(max_examples=500)
@given(
    st.lists(st.one_of(filters, orders, steering), max_size=6),
    st.sampled_from([PROPERTIES, {}]),
)
def test_a_query_is_written_as_parameters_that_ask_for_the_same(
    parameters: list[tuple[str, str]], properties: dict[str, Any]
) -> None:
    try:
        query = read(PLACE, properties, parameters).query
    except ConfigurationError:
        event("refused")
        return
    event("conditions" if query.conditions else "no conditions")
    assert read(PLACE, properties, write(query)).query == query


def test_the_page_writes_its_query_in_one_form() -> None:
    asked = read(
        PLACE,
        PROPERTIES,
        [
            ("code[in]", "a,b"),
            ("@self[updated][gte]", "2026-01-31"),
            ("address[city][~]", "delft"),
            ("_order", "-n,code"),
            ("_search", " x "),
            ("_deleted", "1"),
            ("_limit", "7"),
        ],
    )
    assert write(asked.query) == [
        ("code", "a"),
        ("code", "b"),
        ("@self.updated[gte]", "2026-01-31T00:00:00+00:00"),
        ("address.city[like]", "delft"),
        ("_search", "x"),
        ("_order[n]", "desc"),
        ("_order[code]", "asc"),
        ("_deleted", "true"),
    ]
    assert asked.query.order == (Order(("n",), True), Order(("code",)))
    assert asked.limit == 7


def test_a_value_stands_for_itself_and_for_what_it_is_in_json() -> None:
    query = read(PLACE, PROPERTIES, [("n", "10"), ("n", "x")]).query
    assert query.conditions == (Condition(("n",), "eq", ("10", 10, "x")),)


def test_no_value_at_all_matches_nothing_and_stays_so() -> None:
    query = read(PLACE, PROPERTIES, [("code[in]", "")]).query
    assert query.conditions == (Condition(("code",), "eq", ()),)
    assert write(query) == [("code[in]", ",")]


@pytest.mark.parametrize("order", ["code:up", "nothing", "with\0nul"])
def test_an_order_that_makes_no_sense_is_refused(order: str) -> None:
    with pytest.raises(ConfigurationError, match="_order"):
        read(PLACE, PROPERTIES, [("_order", order)])
