"""Paths of mappings and of settings: what they reach, and that missing is not null."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sdk.paths import MISSING, PathError, at, escape, getter, parse, plain_name

ROW: dict[str, Any] = {
    "id": 1,
    "nothing": None,
    "a.b": "dotted",
    "*": "star",
    "address": {"city": "Delft", "0": "zero"},
    "lines": [
        {"sku": "A", "tags": ["x", "y"]},
        {"sku": None, "tags": []},
        {"tags": ["z"]},
    ],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", 1),
        ("address.city", "Delft"),
        ("address.0", "zero"),
        ("lines.0.sku", "A"),
        ("lines[0].sku", "A"),
        ("lines[-1].tags[0]", "z"),
        ("lines.*.sku", ["A", None]),
        ("lines[*].tags", [["x", "y"], [], ["z"]]),
        ("lines.*.tags.*", ["x", "y", "z"]),
        (r"a\.b", "dotted"),
        (r"\*", "star"),
        ("#", ROW),
        ("nothing", None),
        ("gone", MISSING),
        ("nothing.more", MISSING),
        ("a.b", MISSING),
        ("lines.7.sku", MISSING),
        ("id.*", MISSING),
    ],
)
def test_a_path_reaches_its_value(path: str, value: Any) -> None:
    assert getter(parse(path))(ROW) == value


@pytest.mark.parametrize("path", ["", ".a", "a.", "a..b", "a[", "a[x]", "a]b", "#.a", "a.#", "a\\"])
def test_what_is_no_path_is_refused_with_its_place(path: str) -> None:
    with pytest.raises(PathError):
        parse(path)


@given(st.text(min_size=1), st.integers())
def test_an_escaped_name_reaches_exactly_that_field(name: str, value: int) -> None:
    steps = parse(escape(name))
    assert getter(steps)({name: value}) == value
    assert plain_name(steps) == name


@pytest.mark.parametrize("path", ["a.b", "*", "#", "a[0]"])
def test_only_a_field_of_the_row_itself_has_a_plain_name(path: str) -> None:
    assert plain_name(parse(path)) is None


ANSWER: dict[str, Any] = {
    "@odata.nextLink": "/2",
    "a.b": {"c": "dotted"},
    "a": {"b": {"d": "nested"}},
    "d[0]": "odd",
    "data": {"items": [{"id": 7}, {"id": 8}], "hash#": 1},
    "links": [{"rel": "self", "href": "/1"}, {"rel": ["Next", "last"], "href": "/2"}],
    "empty": None,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", ANSWER),
        (".", ANSWER),
        ("@odata.nextLink", "/2"),
        ("a.b.c", "dotted"),
        ("a.b.d", "nested"),
        ("d[0]", "odd"),
        ("data.items.0.id", 7),
        ("data.items.-1.id", 8),
        ("links.rel=next.href", "/2"),
        ("data.hash#", 1),
        ("empty", None),
        ("data.none", MISSING),
        ("data.items.9.id", MISSING),
        ("a\\", MISSING),
    ],
)
def test_a_setting_points_into_an_answer_as_it_always_did(path: str, value: Any) -> None:
    assert at(ANSWER, path) == value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("#", ANSWER),
        ("data.items[0].id", 7),
        ("data.items[-1].id", 8),
        ("data.items.*.id", [7, 8]),
        (r"\@odata\.nextLink", "/2"),
        (r"a\.b.c", "dotted"),
    ],
)
def test_a_setting_understands_what_a_mapping_does(path: str, value: Any) -> None:
    assert at(ANSWER, path) == value == getter(parse(path))(ANSWER)


@pytest.mark.parametrize("path", ["id", "lines.0.sku", "lines.-1.tags", "address.city", "gone.x"])
def test_a_path_without_special_names_means_the_same_in_both(path: str) -> None:
    assert at(ROW, path) == getter(parse(path))(ROW)


def test_missing_is_false_and_not_null() -> None:
    assert not MISSING
    assert MISSING is not None
