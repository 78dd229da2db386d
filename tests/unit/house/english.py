"""How the project does not speak: phrases that read as if translated, and what to write instead.

A phrase is a regular expression of whole words, in capitals or not, over text whose line breaks
count as blanks. Add a rule when a sentence makes a reader stop.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.places import DOCS, ROOT

INSTEAD = {
    r"(?<!there )is no (?!longer|more|less|different|one)\w+": "is not a …, is not valid …",
    r"(?<!there )are no (?!longer|more|less|different)\w+": "are not …",
    r"a weakness|weaknesses": "vulnerability",
    r"what went wrong": "error",
    r"mend|mends|mended|mending": "fix",
    r"(?:is|are|was|were) told": "is reported",
    r"said loudly": "shown as a warning",
    r"says so": "reports it, displays an error",
    r"fits? nothing": "matches no rows",
    r"by itself": "automatically",
    r"for who": "for people who",
    r"who wants": "if you want",
    r"what limits": "the limit is",
    r"(?:stays?|stayed|kept|keeps?) as it is": "unchanged",
    r"on its way": "in progress",
    r"beside": "next to, in addition to",
    r"in step": "in sync",
    r"anew": "again",
    r"half (?:of )?a surrogate pair": "a lone surrogate",
    r"as (?:a|the) person would": "in the normal way",
    r"for the moment": "temporarily",
    r"something unforeseen": "internal error (with the reference in the log)",
    r"who we are": "the credentials",
    r"nobody always": "the order rotates",
    r"(?:is|and) otherwise nobody": "has no other privileges",
    r"that are more than": "this is more than",
    r"every status": "all statuses",
    r"goes to(?=\s*$)": "target",
    r"rows for which this is true": "rows that match",
    r"at the (?:left|right)": "on the left, (left)",
    r"what users of such systems suffer": "guarantees, and the tests behind them",
}
RULES = {re.compile(rf"\b(?:{phrase})\b", re.IGNORECASE): word for phrase, word in INSTEAD.items()}

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)

CODE = ("app", "cli.py", "connectors", "examples", "jobs", "migrations", "scripts")


def found(text: str) -> list[str]:
    """Each place that a rule forbids, with what to write."""
    line = " ".join(text.split())
    return [
        f"…{line[max(0, match.start() - 30) : match.end() + 20]}…: write {instead!r}"
        for rule, instead in RULES.items()
        for match in rule.finditer(line)
    ]


def pages() -> Iterator[tuple[Path, str]]:
    """The manual, without its code, and what stands at the top."""
    for path in (
        *DOCS.rglob("*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
    ):
        text = re.sub(
            r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
        )
        yield path, re.sub(r"`[^`]*`", "``", text)


def code(*, docstrings: bool) -> Iterator[tuple[Path, str]]:
    """The texts in the code: those that people get to see, or those for developers."""
    for top in CODE:
        for path in sorted((ROOT / top).rglob("*.py")) or [ROOT / top]:
            tree = ast.parse(path.read_bytes())
            statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                    continue
                if docstrings is (id(node) in statements):
                    yield path, node.value
