"""Regular expressions are judged by the standard library's own reading of them, which is private.

`re._parser` is not published, but a scanner of our own would have to read sets, escapes, groups
and flags just as `re` does, or a pattern that takes forever slips through. A Python whose reading
looks different has to fail here.
"""

from __future__ import annotations

import pytest

from app.mapping.language import patterns
from app.mapping.language.errors import ValueProblem


@pytest.mark.parametrize(
    ("expression", "name", "least", "most"),
    [
        ("a+", "MAX_REPEAT", 1, patterns._UNBOUNDED),
        ("a*?", "MIN_REPEAT", 0, patterns._UNBOUNDED),
        ("a{2,7}+", "POSSESSIVE_REPEAT", 2, 7),
    ],
)
def test_a_repeat_is_read_as_a_name_with_its_bounds_and_body(
    expression: str, name: str, least: int, most: int
) -> None:
    ((operator, (low, high, body)),) = patterns._parse(expression).data
    assert str(operator) == name
    assert int(low) == least
    assert int(high) >= most if most == patterns._UNBOUNDED else int(high) == most
    assert [str(inner) for inner, _ in body.data] == ["LITERAL"]


@pytest.mark.parametrize(
    "expression",
    [
        "(a+)+",
        "(?:a*)*b",
        "((x)+y?)*",
        "(?i:(a+)+)",
        "(?P<n>a+)*?",
        "(?=(a+)+)",
        "(a|b+)+",
        "(a+b)*",
    ],
)
def test_a_repeat_inside_a_repeat_is_found_however_it_is_wrapped(expression: str) -> None:
    with pytest.raises(ValueProblem, match="repeats a repeat"):
        patterns.pattern(expression)


@pytest.mark.parametrize("expression", ["[+]+", r"\++", "a+b+", "(a{3})+", r"(\(a\))*", "[(a+)]+"])
def test_what_only_looks_like_one_is_allowed(expression: str) -> None:
    assert patterns.pattern(expression) is not None


@pytest.mark.parametrize("repeat", ["{300}", "{300}?", "{300}+", "{300,}+", "{1,300}"])
def test_counts_are_multiplied_whatever_the_kind_of_repeat(repeat: str) -> None:
    expression = f"((?:a{repeat}){{20}}){{20}}"
    with pytest.raises(ValueProblem, match="has counts above"):
        patterns.pattern(expression)
