"""The page on failures names the tests that show what it states."""

from __future__ import annotations

import re

from tests.places import DOCS
from tests.unit.docs.test_security import existing

PAGE = (DOCS / "reliability.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 50
    assert named - existing() == set()


def test_every_statement_of_a_table_has_a_test() -> None:
    before, _, rest = PAGE.partition("<!-- soak: begin -->")
    tables = before + rest.partition("<!-- soak: end -->")[2]
    rows = re.findall(r"^\| (?!.* test \|$)(.+) \|$", tables, re.MULTILINE)
    assert len(rows) > 40
    assert [row for row in rows if row.count(" | ") != 2 or "`test_" not in row] == []
