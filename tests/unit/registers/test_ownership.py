"""JSON Merge Patch, after the examples of RFC 7396, appendix A."""

from __future__ import annotations

from typing import Any

import pytest

from app.registers.ownership import merge_patch, not_local, with_local
from connectors.sdk import RowData


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_patch_does_what_the_standard_says(
    target: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]
) -> None:
    before = repr(target)
    assert merge_patch(target, patch) == result
    assert repr(target) == before


def test_a_sync_leaves_local_fields_as_they_are() -> None:
    row: RowData = {"a": 1, "note": "row", "gone": 2}
    stored: RowData = {"a": 0, "note": "mine", "more": 3}
    assert with_local(row, stored, ("note", "gone", "more")) == {"a": 1, "note": "mine", "more": 3}
    assert row == {"a": 1, "note": "row", "gone": 2}


def test_what_is_not_local_belongs_to_the_source() -> None:
    assert not_local(["a", "note", "b"], {"note"}) == ["a", "b"]
