"""Numbers of things in messages: one is singular."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.sdk.counting import counted

ROOT = Path(__file__).parents[3]
NOUNS = [
    "rows",
    "objects",
    "pages",
    "values",
    "files",
    "columns",
    "runs",
    "days",
    "lines",
    "items",
    "cells",
    "deletions",
    "duplicates",
    "fields",
    "jobs",
    "entries",
    "keys",
    "schemas",
    "sources",
    "records",
    "minutes",
    "views",
    "chains",
    "tokens",
    "tables",
    "users",
    "hours",
]
MANY = ("step[1]", "_joined(", "past", "speed", "owned")
"""Numbers that are more than one where they are shown, a list of minutes, and a speed."""
_NOUN = re.compile(rf"\s(?:(?:stored|held|different|more) )?(?:{'|'.join(NOUNS)})\b")


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (2300, ("row",), "2,300 rows"),
        (1, ("entry", "entries"), "1 entry"),
        (2, ("entry", "entries"), "2 entries"),
        (1, ("row has", "rows have"), "1 row has"),
    ],
)
def test_one_is_singular(number: int, words: tuple[str, ...], text: str) -> None:
    assert counted(number, *words) == text


def _numbers_before_nouns(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each number that an f-string puts before a noun in the plural."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in zip(node.values, node.values[1:], strict=False):
            if not isinstance(value, ast.FormattedValue) or not isinstance(after, ast.Constant):
                continue
            if _NOUN.match(str(after.value)) and not _is_always_many(value.value):
                yield node.lineno, ast.unparse(value.value) + str(after.value)[:20]


def _is_always_many(number: ast.expr) -> bool:
    """A limit by its name."""
    names = [part.id for part in ast.walk(number) if isinstance(part, ast.Name)]
    attributes = [part.attr for part in ast.walk(number) if isinstance(part, ast.Attribute)]
    if ast.unparse(number).startswith(MANY):
        return True
    return any(name.strip("_").isupper() for name in (*names, *attributes))


def test_a_number_before_a_noun_is_counted() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for folder in ("app", "connectors", "jobs")
        for path in (ROOT / folder).rglob("*.py")
        for line, text in _numbers_before_nouns(path.read_text())
    ]
    assert not found, "use connectors.sdk.counting.counted:\n" + "\n".join(found)
