"""Cells that a spreadsheet opens: nothing in them is calculated."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.registers import export
from app.registers.cells import cell, neutral, split_neutral


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "-", "+31 6"],
)
def test_what_would_be_calculated_is_led_by_an_apostrophe(text: str) -> None:
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-1", "+3.5", "-1e5", "plain", "", "1=2", "a@b.nl"])
def test_numbers_and_plain_text_stay(text: str) -> None:
    assert neutral(text) == text


@pytest.mark.promise("formulas in exports")
@given(st.text())
def test_no_text_starts_a_formula(text: str) -> None:
    shown = neutral(text)
    assert not shown.startswith(("=", "@", "\t", "\r"))
    assert shown in (text, f"'{text}")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (0.5, 0.5),
        (Decimal("0.1000000000000000000001"), Decimal("0.1000000000000000000001")),
        ({"b": [1, None]}, '{"b":[1,null]}'),
        (["=x"], '["=x"]'),
        (datetime(2024, 1, 2, 3, 4, tzinfo=UTC), "2024-01-02T03:04:00Z"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_values_become_what_a_cell_can_hold(value: Any, shown: Any) -> None:
    assert cell(value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a\t@x", "a\t'@x"),
        ("a\n-x", "a\n'-x"),
        ("|=1|+x", "|'=1|'+x"),
        ('a;"=1+1"', 'a;"\'=1+1"'),
        ("a;;=1;=2", "a;;'=1;'=2"),
        ("a;-5;+3.2", "a;-5;'+3.2"),
        ("a; b = c; d-e", "a; b = c; d-e"),
        ("a,=1", "a,=1"),
    ],
)
def test_a_cell_that_is_split_starts_no_formula_either(text: str, shown: str) -> None:
    assert split_neutral(text) == shown


TEXTS = st.text(st.sampled_from("a=;|,\t\"\r\n-1'+@ "), max_size=12)


@pytest.mark.promise("formulas in exports")
@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=4), st.sampled_from(",;|\t"))
def test_no_export_starts_a_formula_however_it_is_split(
    rows: list[list[str]], separator: str
) -> None:
    """Every export begins its lines with an identifier of ours, which a number cannot precede."""
    out = io.BytesIO()
    export.write("csv", ["id", "a;=b", "=c"], [["7", *row] for row in rows], out)
    text = io.StringIO(out.getvalue().decode(), newline="")
    for row in csv.reader(text, delimiter=separator):
        for shown in row:
            bare = shown.strip("\t\r\n")
            assert neutral(bare) == bare, (shown, rows)
