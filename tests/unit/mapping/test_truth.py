"""One truth table for filters, casts and deletion flags."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from app.mapping.casts import compile_cast
from app.mapping.language.errors import ExpressionError
from app.mapping.language.expressions import Environment
from app.mapping.language.filters import compile_filter
from app.mapping.language.templates import compile_template
from connectors.sdk import truth

YES: list[Any] = [
    "true",
    "Y",
    "yes",
    "J",
    "ja",
    " 1 ",
    "on",
    "waar",
    "WAHR",
    "VRAI",
    "1.0",
    True,
    1,
    1.0,
]
NO: list[Any] = [
    "false",
    "False",
    "N",
    "no",
    "nee",
    "0",
    "off",
    "ONWAAR",
    "FALSCH",
    "FAUX",
    "0.0",
    False,
    0,
]
NEITHER = ["maybe", "deleted", "2", "onbekend", "-"]
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.promise('a deletion flag `"false"` deletes every row')
@pytest.mark.parametrize(
    ("value", "said"), [*((value, True) for value in YES), *((value, False) for value in NO)]
)
def test_filters_casts_flags_and_templates_agree(value: Any, said: bool) -> None:
    assert truth.read(value) is said
    assert truth.is_set(value) is said
    assert compile_cast("boolean")(value) is said
    assert compile_filter("flag")({"flag": value}) is said
    assert compile_filter("not flag and 1 == 1")({"flag": value}) is not said
    template = compile_template("{{ 'a' if flag else 'b' }}", Environment(strict=True))
    assert template({"flag": value}) == ("a" if said else "b")


@pytest.mark.parametrize("value", NEITHER)
def test_an_unknown_word_is_an_error_of_its_row(value: str) -> None:
    for read in (truth.read, truth.is_set, truth.holds, compile_cast("boolean")):
        with pytest.raises(ValueError, match="neither yes nor no"):
            read(value)
    with pytest.raises(ExpressionError, match="neither yes nor no"):
        compile_filter("flag")({"flag": value})


def test_in_a_template_any_other_text_is_something() -> None:
    template = compile_template("{{ 'a' if prefix else 'b' }}", Environment(strict=True))
    assert [template({"prefix": text}) for text in ("van der", "", " ", None)] == list("abbb")


@pytest.mark.parametrize(
    ("value", "gone"),
    [
        (None, False),
        ("", False),
        ("  ", False),
        ({}, False),
        ({"state": "deleted"}, True),
        ("2025-12-31", True),
        ("2025-12-31T10:00:00+01:00", True),
        ("9999-12-31", False),  # what databases write for an end that is open
        ("2026-06-01T00:00:00Z", False),
        ("0001-01-01T00:00:00Z", False),  # the zero value of time in Go and .NET
        ("0000-00-00 00:00:00", False),  # the zero date of MySQL
        (1690000000, True),
        ("1690000000000", True),
        ("/Date(1492098664000)/", True),
        ("/Date(-62135596800000)/", False),
    ],
)
def test_a_time_of_deletion_counts_from_its_moment_on(value: Any, gone: bool) -> None:
    assert truth.is_set(value, NOW) is gone


@pytest.mark.parametrize("value", [7, 0.5, "31 december", float("inf"), "1e999999999"])
def test_what_is_neither_a_flag_nor_a_time_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError, match="neither yes nor no, and not a time"):
        truth.is_set(value, NOW)
