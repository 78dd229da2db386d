"""A test without an assertion shows nothing: neither itself nor what it calls can fail."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pytest

from scripts import promises
from tests.places import ROOT

# of pytest, of Playwright, and of processes that have to end well
SHOWING = re.compile(
    "raises|warns|fail|expect|to_[a-z_]+|wait_for_[a-z_]+|check_call|raise_for_status"
    "|call_and_validate"
)


def calls(node: ast.AST) -> Iterator[str]:
    """The names of what is called, and of what stands in a ``with``."""
    for each in ast.walk(node):
        if isinstance(each, ast.Call):
            match each.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield name


def asserts(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Assert | ast.Raise) for each in ast.walk(node)) or any(
        SHOWING.fullmatch(name) for name in calls(node)
    )


def closed(bodies: Mapping[str, Sequence[ast.AST]], known: set[str]) -> set[str]:
    """The names that assert or call one that does. Of several with one name, all have to."""
    found = {name for name, nodes in bodies.items() if all(map(asserts, nodes))}
    while more := {
        name
        for name, nodes in bodies.items()
        if name not in found and all(not (found | known).isdisjoint(calls(node)) for node in nodes)
    }:
        found |= more
    return found


def functions(tree: ast.AST) -> dict[str, list[ast.AST]]:
    """What a file defines that is no test itself."""
    bodies: dict[str, list[ast.AST]] = defaultdict(list)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("test_"):
            bodies[node.name].append(node)
    return bodies


def emptied(tree: ast.AST, shared: set[str]) -> list[str]:
    """The tests of a file that cannot fail; its own helpers go before those of other files."""
    own = functions(tree)
    others = shared - own.keys()
    helpers = others | closed(own, others)
    return [
        test.name
        for test in promises.of(tree)
        if not asserts(test) and helpers.isdisjoint(calls(test))
    ]


def test_every_test_asserts_something() -> None:
    trees = {
        path: ast.parse(path.read_bytes())
        for path in [*(ROOT / "tests").rglob("*.py"), ROOT / "connectors" / "sdk" / "testing.py"]
    }
    bodies: dict[str, list[ast.AST]] = defaultdict(list)
    for tree in trees.values():
        for name, nodes in functions(tree).items():
            bodies[name] += nodes
    shared = closed(bodies, set())
    assert [name for tree in trees.values() for name in emptied(tree, shared)] == []


@pytest.mark.parametrize(
    ("body", "empty"),
    [
        ("pass", True),
        ("run()", True),
        ("assert run()", False),
        ("with pytest.raises(OSError): run()", False),
        ("check(run())", False),
    ],
)
def test_a_test_whose_assertions_were_taken_out_is_found(body: str, empty: bool) -> None:
    tree = ast.parse(f"def test_it():\n    {body}")
    assert bool(emptied(tree, {"check"})) is empty
