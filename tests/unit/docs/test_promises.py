"""The promises name the tests that keep them."""

from __future__ import annotations

import re

from tests.places import DOCS
from tests.unit.docs.test_security import existing

PAGE = (DOCS / "promises.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 50
    assert named - existing() == set()


def test_every_promise_has_a_test() -> None:
    rows = re.findall(r"^\| (?!known problem|---)(.+) \|$", PAGE, re.MULTILINE)
    assert len(rows) > 25
    assert [row for row in rows if row.count(" | ") != 2 or "`test_" not in row] == []
