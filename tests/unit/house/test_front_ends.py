"""Front ends open no transaction and no store: `Application.read` and `write` do (setup.cfg)."""

from __future__ import annotations

import ast

from tests.places import ROOT

FILES = [
    path.relative_to(ROOT / "app").as_posix()
    for folder in ("api", "commands", "documents", "web")
    for path in sorted((ROOT / "app" / folder).rglob("*.py"))
]
OPENING = {"begin", "connect", "RunStore", "SourceState"}


def test_the_front_ends_are_looked_at() -> None:
    assert len(FILES) > 60


def opens(file: str) -> bool:
    tree = ast.parse((ROOT / "app" / file).read_text(encoding="utf-8"))
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name))
    }
    return bool(called & OPENING)


def test_a_front_end_opens_no_transaction() -> None:
    assert {file for file in FILES if opens(file)} == set()
