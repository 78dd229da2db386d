"""Tables for people to take away: CSV, Excel workbooks and JSON lines, row by row.

Memory does not grow with the number of rows: what is read is written at once. openpyxl puts the
rows of a workbook into a temporary file until it is saved.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any, BinaryIO, Literal

import sqlalchemy as sa

from app.application import Application
from app.errors import UsageError
from app.registers import object_store as store
from app.registers import schema_store, select
from app.registers.cells import cell, neutral, split_neutral
from app.registers.object_store import StoredObject
from app.registers.select import Query
from connectors.sdk import canonical

Format = Literal["csv", "xlsx", "jsonl"]

MOST_ROWS = 1_048_576
LONGEST_CELL = 32_767
"""What an Excel sheet and a cell of it can hold."""

_MOST_EXACT = 10**15
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # what XML cannot hold
_OWN = ("_uuid", "_source", "_key", "_version", "_created", "_updated")
Rows = Generator[Sequence[Any]]


def objects(app: Application, query: Query, form: Format, out: BinaryIO) -> int:
    """Write every object that matches to `out`; how many these were.

    A column per property of the schema, and per further property that an object has. Raises
    NotFoundError, UsageError for a filter, and for what an Excel sheet cannot hold.
    """
    with app.engine.connect() as connection, closing(select.stream(connection, query)) as found:
        if form == "jsonl":
            return _lines(found, out)
        names = _properties(connection, query)
        with closing(_object_rows(found, names)) as rows:
            return write(form, [*_OWN, *names], rows, out)


def write(
    form: Format, columns: Sequence[str], rows: Iterable[Sequence[Any]], out: BinaryIO
) -> int:
    """Write a table as CSV (RFC 4180, UTF-8) or as a workbook; how many rows it has."""
    return _workbook(columns, rows, out) if form == "xlsx" else _csv(columns, rows, out)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: BinaryIO) -> int:
    text = io.TextIOWrapper(out, encoding="utf-8", newline="")
    try:
        writer = csv.writer(text)
        writer.writerow([split_neutral(neutral(name)) for name in columns])
        count = 0
        for row in rows:
            writer.writerow([_csv_cell(value) for value in row])
            count += 1
        return count
    finally:
        text.detach()  # the stream belongs to the caller


def _csv_cell(value: Any) -> Any:
    shown = cell(value)
    if isinstance(shown, bool):
        return "true" if shown else "false"
    if isinstance(shown, str):
        return split_neutral(shown)
    return f"{shown:f}" if isinstance(shown, Decimal) else shown


def _workbook(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: BinaryIO) -> int:
    from openpyxl import Workbook  # no other format needs it, and its import takes a while

    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append([neutral(name) for name in columns])
    count = 0
    for row in rows:
        count += 1
        if count == MOST_ROWS:  # the header takes one
            raise UsageError(
                f"An Excel sheet holds at most {MOST_ROWS - 1:,} rows", hint="Export it as csv"
            )
        sheet.append(
            [_sheet_cell(value, name, count) for value, name in zip(row, columns, strict=True)]
        )
    book.save(out)
    return count


def _sheet_cell(value: Any, name: str, row: int) -> Any:
    """A cell as Excel keeps it: it has 15 digits, so what needs more becomes text."""
    shown = cell(value)
    if isinstance(shown, bool) or shown is None:
        return shown
    if isinstance(shown, int):
        return shown if abs(shown) < _MOST_EXACT else str(shown)
    if isinstance(shown, float):
        return shown
    if isinstance(shown, Decimal):  # canonical numbers are one only where a float is not exact
        return f"{shown:f}"
    if len(shown) > LONGEST_CELL:
        raise UsageError(
            f"An Excel cell holds at most {LONGEST_CELL:,} characters",
            where=f"row {row}, {name}",
            hint="Export it as csv",
        )
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", shown)


def _lines(found: Iterable[StoredObject], out: BinaryIO) -> int:
    count = 0
    for one in found:
        document = {
            "uuid": str(one.uuid),
            "register": one.register,
            "schema": one.schema,
            "source": one.source,
            "key": one.key,
            "version": one.version,
            "created": cell(one.created),
            "updated": cell(one.updated),
            "data": one.data,
        }
        out.write(canonical.dumps_in_order(document) + b"\n")
        count += 1
    return count


def _properties(connection: sa.Connection, query: Query) -> list[str]:
    """The schema's properties in their order, then others that objects have."""
    known: list[str] = []
    if query.schema is not None:
        known = list(schema_store.get(connection, query.schema).document.get("properties", {}))
    further = store.property_names(connection, select.select(connection, query))
    return known + [name for name in further if name not in known]


def _object_rows(found: Iterable[StoredObject], names: Sequence[str]) -> Rows:
    for one in found:
        own = (one.uuid, one.source, one.key, one.version, one.created, one.updated)
        yield [*own, *(one.data.get(name) for name in names)]
