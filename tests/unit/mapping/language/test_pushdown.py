"""What a database may answer of a filter, and that it never changes which rows are kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mapping.language.errors import ExpressionError, ExpressionSyntaxError
from app.mapping.language.filters import compile_filter
from app.mapping.language.pushdown import equal_texts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a == 'x'", [(("a",), "x")]),
        ("'x' == a", [(("a",), "x")]),
        ("a.b == 'x' and c == 'y' and n > 3", [(("a", "b"), "x"), (("c",), "y")]),
        ("a == 'x' or b == 'y'", []),
        ("not a == 'x'", []),
        ("a == 7", []),
        ("a == '7'", []),
        ("a == '07'", [(("a",), "07")]),
        ("a == 'True'", []),
        ("a == b", []),
        ("row == 'x'", []),
        ("a == 'x' == b", [(("a",), "x"), (("b",), "x")]),
        ("lower(a) == 'x'", []),
        ("a != 'x'", []),
    ],
)
def test_only_what_the_language_compares_as_text_is_taken(text: str, found: list[Any]) -> None:
    assert [tuple(one) for one in equal_texts(text)] == found


def test_a_filter_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ExpressionSyntaxError):
        equal_texts("a ==")


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(["x", "7", "07", "7.0", "true", "null", "", "[]", '"x"', "-3"]),
    st.lists(st.text(max_size=1), max_size=1),
)
LITERALS = st.sampled_from(["x", "7", "07", "7.0", "true", "False", "null", "", "[]", '"x"'])


@given(VALUES, LITERALS, VALUES)
def test_every_row_that_the_filter_keeps_is_kept_by_the_database(
    value: Any, literal: str, other: Any
) -> None:
    text = f"a == '{literal}' and (b == 7 or true)"
    row = {"a": value, "b": other}
    try:
        kept = compile_filter(text)(row)
    except ExpressionError:
        return
    narrowed = all(
        type(row[path[0]]) is str and row[path[0]] == wanted for path, wanted in equal_texts(text)
    )
    assert narrowed or not kept
