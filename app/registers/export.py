"""Export tables as CSV, Excel workbooks or JSON lines, row by row.

Memory use does not grow with the number of rows: each row is written at once. openpyxl stores the
rows of a workbook in a temporary file until it is saved.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from typing import Any, BinaryIO, Literal
from uuid import UUID

import sqlalchemy as sa

from app.application import Application
from app.errors import UsageError
from app.registers import list_store, schema_store
from app.registers.cells import cell, neutral, split_neutral
from app.registers.find import Keep
from app.registers.list_store import stream
from app.registers.model import StoredObject
from app.registers.query import ObjectQuery
from connectors.sdk import canonical

Format = Literal["csv", "xlsx", "jsonl"]

MOST_ROWS = 1_048_576
LONGEST_CELL = 32_767
"""Limits of an Excel sheet and its cells."""

_MOST_EXACT = 10**15
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # what XML cannot hold
_OWN = {f"_{n}": n for n in ("uuid", "source", "key", "version", "created", "updated")}
_DELETED = {"_deleted": "deleted"}
_WORDED = (datetime, UUID)
Rows = Generator[Sequence[Any]]


def objects(
    app: Application,
    query: ObjectQuery,
    form: Format,
    out: BinaryIO,
    *,
    document: Callable[[StoredObject], dict[str, Any]],
    fields: Sequence[str] = (),
    keep: Keep = lambda one: True,
) -> int:
    """Write every object of the query that is kept to `out`; how many these were.

    JSON lines are the `document` of each. A table has a column per property of the schema, and
    per further property that an object has, or only `fields`. Raises UsageError for what an Excel
    sheet cannot hold, and what `keep` raises.
    """
    with app.engine.connect() as connection, closing(stream(connection, query)) as found:
        kept = filter(keep, found)
        if form == "jsonl":
            return _lines(map(document, kept), out)
        names = fields or _properties(connection, query)
        own = _OWN | (_DELETED if query.deleted else {})
        rows = (
            [*(getattr(one, name) for name in own.values()), *map(one.data.get, names)]
            for one in kept
        )
        return write(form, [*own, *names], rows, out)


def write(
    form: Format, columns: Sequence[str], rows: Iterable[Sequence[Any]], out: BinaryIO
) -> int:
    """Write a table as CSV (RFC 4180, UTF-8) or as a workbook; returns the number of rows."""
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
    from openpyxl import Workbook  # slow to import, and needed only for this format

    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append([neutral(name) for name in columns])
    count = 0
    for row in rows:
        count += 1
        if count == MOST_ROWS:  # the header is a row too
            raise UsageError(
                f"An Excel sheet can have at most {MOST_ROWS - 1:,} rows", hint="Export it as csv"
            )
        sheet.append(
            [_sheet_cell(value, name, count) for value, name in zip(row, columns, strict=True)]
        )
    book.save(out)
    return count


def _sheet_cell(value: Any, name: str, row: int) -> Any:
    """A cell for Excel, which keeps 15 digits, so longer numbers become text."""
    shown = cell(value)
    if isinstance(shown, bool) or shown is None:
        return shown
    if isinstance(shown, int):
        return shown if abs(shown) < _MOST_EXACT else str(shown)
    if isinstance(shown, float):
        return shown
    if isinstance(shown, Decimal):  # a canonical number is a Decimal only if a float is not exact
        return f"{shown:f}"
    if len(shown) > LONGEST_CELL:
        raise UsageError(
            f"An Excel cell can have at most {LONGEST_CELL:,} characters",
            where=f"row {row}, {name}",
            hint="Export it as csv",
        )
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", shown)


def _lines(documents: Iterable[dict[str, Any]], out: BinaryIO) -> int:
    count = 0
    for count, document in enumerate(documents, 1):  # noqa: B007 - how many there were
        shown = {n: cell(v) if isinstance(v, _WORDED) else v for n, v in document.items()}
        out.write(canonical.dumps_in_order(shown) + b"\n")
    return count


def _properties(connection: sa.Connection, query: ObjectQuery) -> list[str]:
    """The schema's properties in their order, then others that objects have."""
    known: list[str] = []
    if query.schema_id is not None:
        schema = schema_store.by_id(connection, query.schema_id)
        known = list(schema.document.get("properties") or {})
    further = list_store.property_names(connection, query)
    return known + [name for name in further if name not in known]
