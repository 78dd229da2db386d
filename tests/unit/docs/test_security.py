"""The threat model names the tests that prove it; a test that is gone proves nothing."""

from __future__ import annotations

import ast
import re

from tests.places import DOCS, ROOT

PAGE = (DOCS / "security.md").read_text(encoding="utf-8")


def existing() -> set[str]:
    """The name of every test function."""
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.add(node.name)
    return found


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 50
    assert named - existing() == set()


def test_every_threat_has_a_measure_and_a_test() -> None:
    threats = PAGE.partition("## Threats")[2].partition("<!-- fuzz: begin -->")[0]
    rows = re.findall(r"^\| (?!threat|who|---)(.+) \|$", threats, re.MULTILINE)
    assert len(rows) > 30
    assert [row for row in rows if row.count(" | ") != 2 or "`test_" not in row] == []


def test_every_file_that_is_named_exists() -> None:
    for path in re.findall(r"`(tests/[\w/.]+\.py)`", PAGE):
        assert (ROOT / path).is_file(), path
