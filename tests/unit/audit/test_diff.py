"""Diffs: exact in both directions, absent and null apart."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.audit import diff
from connectors.sdk import canonical

names = st.sampled_from("abcd")
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-1, 1) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=5,
).map(canonical.value)
documents = st.dictionaries(names, values, max_size=4)


@given(documents, documents)
def test_a_diff_leads_from_one_state_to_the_other_and_back(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    change = diff.diff(old, new)
    assert canonical.dumps(diff.apply(change, old)) == canonical.dumps(new)
    assert canonical.dumps(diff.revert(change, new)) == canonical.dumps(old)


@given(documents, documents)
def test_a_diff_is_empty_for_equal_states_only(old: dict[str, Any], new: dict[str, Any]) -> None:
    same = canonical.dumps(old) == canonical.dumps(new)
    assert (diff.diff(old, new) == {}) == same


def test_absent_and_null_stay_apart() -> None:
    assert diff.diff({}, {"a": None}) == {"a": {"new": None}}
    assert diff.diff({"a": None}, {}) == {"a": {"old": None}}


def test_true_is_not_one() -> None:
    assert diff.diff({"a": [1]}, {"a": [True]}) == {"a": {"old": [1], "new": [True]}}
    assert diff.diff({"a": 1}, {"a": True}) == {"a": {"old": 1, "new": True}}


def test_apply_leaves_the_given_state_alone() -> None:
    old: dict[str, Any] = {"a": 1}
    diff.apply({"a": {"old": 1, "new": 2}}, old)
    assert old == {"a": 1}
