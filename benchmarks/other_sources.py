"""Rows from a paged web API, a CSV file or a workbook, compared with a bare reader of each."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openpyxl

from benchmarks import people, web_pages
from benchmarks.databases import Databases
from benchmarks.measure import FailedError, measured
from benchmarks.readers import CONNECTIONS, PAGE
from benchmarks.register import Register, counted
from benchmarks.report import Wanted
from benchmarks.results import Results, Sample

DELAY = 0.02
"""Seconds that the slow API waits before each page."""

TITLES = {
    "rest": f"REST, pages of {PAGE:,}",
    "slow": f"REST, pages of {PAGE:,} that take {DELAY * 1000:.0f} ms",
    "csv": "CSV file",
    "excel": "Excel workbook",
}
BARE = {
    "rest": f"requests, {CONNECTIONS} connections, json()",
    "slow": f"requests, {CONNECTIONS} connections, json()",
    "csv": "csv.reader to dicts",
    "excel": "python-calamine to lists",
}
CONNECTOR = "the connector alone, with hashes"
FIRST, AGAIN = "Open Register, initial load", "Open Register, nothing changed"


@contextmanager
def made(kind: str, rows: int, folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The location of a source of that kind, its connector type and its connection."""
    if kind in ("rest", "slow"):
        with web_pages.serving(rows, DELAY if kind == "slow" else 0.0) as url:
            pages = {"type": "page", "param": "page", "size": PAGE}
            yield url, "rest", {"url": url, "pagination": pages, "parallel": CONNECTIONS}
        return
    path = folder / f"people.{'csv' if kind == 'csv' else 'xlsx'}"
    if not path.exists():
        write_csv(path, rows) if kind == "csv" else write_workbook(path, rows)
    yield str(path), "files" if kind == "csv" else "excel", {"path": str(path)}


def round_of(
    kind: str, databases: Databases, rows: int, folder: Path, results: Results, turn: int = 0
) -> None:
    """Measure the bare reader, the connector alone, and two syncs, into a new database."""
    databases.create()
    register = Register(databases.target, folder)
    register.set_up()
    title = TITLES[kind]
    with made(kind, rows, folder) as (place, type_name, connection):
        register.add(kind, type_name, connection)
        module = [sys.executable, "-m", "benchmarks.readers"]
        alone = [*module, "connector", type_name, json.dumps(connection)]
        turns = [
            (BARE[kind], [*module, "rest" if kind == "slow" else kind, place], None),
            (CONNECTOR, alone, None),
            (FIRST, register.sync(kind), {"created": rows, "errors": 0}),
            (AGAIN, register.sync(kind), {"unchanged": rows, "errors": 0}),
        ]
        if turn % 2:
            turns[:2] = turns[1::-1]
        for name, command, expected in turns:
            try:
                databases.checkpoint()
                cost, said = measured(command, databases.target, databases.names, register.env)
                if expected is not None:
                    counted(said, **expected)
                    if (found := register.count()) != rows:
                        raise FailedError(f"{found:,} objects instead of {rows:,}")
                elif int(said) != rows:
                    raise FailedError(f"{int(said):,} rows instead of {rows:,}")
            except FailedError as error:
                results.fail(title, name, error)
            else:
                results.add(title, name, Sample(rows, cost))


def wanted() -> list[Wanted]:
    """The ratios to report. Only the connector has a target: a sync also writes what it read."""
    targets = {"rest": 0.9, "slow": 0.9, "csv": 0.5, "excel": 0.5}
    return [
        (title, name, title, BARE[kind], targets[kind] if name == CONNECTOR else None)
        for kind, title in TITLES.items()
        for name in (CONNECTOR, AGAIN, FIRST)
    ]


def write_csv(path: Path, rows: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, people.FIELDS)
        writer.writeheader()
        writer.writerows(people.rows(rows))


def write_workbook(path: Path, rows: int) -> None:
    workbook = openpyxl.Workbook(write_only=True)
    sheet = workbook.create_sheet("People")
    sheet.append(people.FIELDS)
    for row in people.rows(rows):
        sheet.append(list(row.values()))
    workbook.save(path)
