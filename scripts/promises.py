"""Which test keeps which promise, from the tests into the tables of the manual.

A test says with ``@pytest.mark.promise("…")`` what it shows: the first cell of a row. The last
column of every table that is headed *test* is made from these. Only reads the tests, and so needs
nothing but Python: ``--check`` writes nothing and ends with exit code 1 where a page is old.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = tuple(ROOT / "docs" / f"{name}.md" for name in ("promises", "reliability", "security"))
_TABLE = re.compile(r"^(?P<head>\|.+\| test \|\n\|[-|]+\|\n)(?P<rows>(?:\|.+\|\n)+)", re.MULTILINE)
_ROW = re.compile(
    r"^\| (?P<promise>[^|]+) \| (?P<measure>[^|]+) \|(?P<tests>[^|]*)\|$", re.MULTILINE
)


def tests() -> Iterator[ast.FunctionDef]:
    """Every test function and method, in the order of files and lines."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        yield from of(ast.parse(path.read_bytes()))


def of(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """The test functions and methods of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def promises(test: ast.FunctionDef) -> list[str]:
    """What a test says that it shows."""
    found = []
    for decorator in test.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.promise":
            found += [ast.literal_eval(argument) for argument in decorator.args]
    return found


def kept() -> dict[str, list[str]]:
    """The names of the tests of every promise."""
    found: dict[str, list[str]] = defaultdict(list)
    for test in tests():
        for promise in promises(test):
            if test.name not in found[promise]:
                found[promise].append(test.name)
    return dict(found)


def rows(page: str) -> list[re.Match[str]]:
    """The rows of a page's tables of promises."""
    return [row for table in _TABLE.finditer(page) for row in _ROW.finditer(table["rows"])]


def renewed(page: str, kept: Mapping[str, Sequence[str]]) -> str:
    """A page whose tables name the tests that say so."""

    def row(found: re.Match[str]) -> str:
        names = ", ".join(f"`{name}`" for name in kept.get(found["promise"], ()))
        return f"| {found['promise']} | {found['measure']} | {names} |"

    return _TABLE.sub(lambda table: table["head"] + _ROW.sub(row, table["rows"]), page)


def main() -> int:
    """Renew every page; with --check only say which are out of date (exit code 1)."""
    known = kept()
    stale = [page for page in PAGES if renewed(text := page.read_text(), known) != text]
    for page in stale:
        print(page)
        if "--check" not in sys.argv:
            page.write_text(renewed(page.read_text(), known))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
