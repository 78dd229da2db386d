"""Source paths: what they reach, and that missing is not null."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mapping.paths import MISSING, PathError, escape, getter, parse, plain_name

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
