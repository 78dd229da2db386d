"""Promises, threats and failures name the tests that show them, because those tests say so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import promises
from tests.places import ROOT

EXISTING = {test.name for test in promises.tests()}


@pytest.fixture(params=promises.PAGES, ids=lambda page: page.stem)
def page(request: pytest.FixtureRequest) -> str:
    path: Path = request.param
    return path.read_text(encoding="utf-8")


def test_every_row_names_the_tests_that_are_marked_with_it(page: str) -> None:
    kept = promises.kept()
    assert promises.renewed(page, kept) == page, "run make reference"
    rows = [row["promise"] for row in promises.rows(page)]
    assert len(rows) > 40
    assert [row for row in rows if row not in kept] == []


def test_every_table_of_tests_is_read(page: str) -> None:
    heads = re.findall(r"^\|.*\| test \|$", page, re.MULTILINE)
    named = re.findall(r"^\|.*`test_\w+`.*\|$", page, re.MULTILINE)
    assert heads
    assert len(named) == len(promises.rows(page))


def test_every_marker_stands_for_one_row() -> None:
    pages = [path.read_text(encoding="utf-8") for path in promises.PAGES]
    rows = [row["promise"] for page in pages for row in promises.rows(page)]
    assert sorted(set(rows)) == sorted(rows)
    assert promises.kept().keys() - set(rows) == set()


def test_what_the_text_around_the_tables_names_exists(page: str) -> None:
    assert set(re.findall(r"`(test_\w+)`", page)) - EXISTING == set()
    for path in re.findall(r"`(tests/[\w/.]+\.py)`", page):
        assert (ROOT / path).is_file(), path
