"""The tree: no circle of packages, short files and folders (docs/architecture.md draws it)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import grimp

from tests.places import ROOT

PACKAGES = ("app", "connectors", "jobs")
LONGEST = 400  # lines
MOST = 20  # files of a folder
MEDIAN = 130  # lines


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")


def lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def package(graph: grimp.ImportGraph, module: str) -> str:
    """The folder that a module belongs to: of `app` the first level, of `connectors` the second."""
    parts = module.split(".")
    folder = parts if graph.find_children(module) else parts[:-1]
    match parts[0]:
        case "app":
            return ".".join(parts[:2])
        case "connectors":
            return ".".join(folder[:3])
    return parts[0]


def test_no_packages_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = TopologicalSorter[str]()
    edges = 0
    for module in graph.modules:
        here = package(graph, module)
        for other in graph.find_modules_directly_imported_by(module):
            # what stands above a package is imported with it, and imports nothing itself
            if other not in PACKAGES and (there := package(graph, other)) != here:
                imports.add(here, there)
                edges += 1
    assert edges > 500
    imports.prepare()  # raises CycleError, which names the circle


def test_no_file_is_long() -> None:
    assert {str(path.relative_to(ROOT)) for path in modules() if lines(path) > LONGEST} == set()


def test_most_files_are_short() -> None:
    assert median(map(lines, modules())) < MEDIAN


def test_no_folder_is_crowded() -> None:
    files = Counter(str(path.parent.relative_to(ROOT)) for path in modules())
    assert {folder for folder, number in files.items() if number > MOST} == set()
