"""A look at a source before it is stored: what it offers, its first rows, how they are read."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from app.application import Application
from app.mapping.infer import Inference, infer_schema
from app.sources import confinement, connect
from connectors.sdk import CheckResult, OpenRegisterError, RowData, RowDecodeError
from connectors.sdk import config as configs

ROWS = 10
"""Rows that are shown."""
SAMPLE = 200
"""Rows that are examined."""
LONGEST = 10.0
"""Seconds for reading them."""

_OF_MYSQL = (
    "SELECT table_name AS `table` FROM information_schema.tables WHERE table_schema = DATABASE()"
)
_TABLES = {
    "postgresql": 'SELECT table_schema AS "schema", table_name AS "table" FROM '
    "information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')",
    "mysql": _OF_MYSQL,
    "mariadb": _OF_MYSQL,
    "sqlite": """SELECT name AS "table" FROM sqlite_master """
    "WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'",
    "mssql": "SELECT TABLE_SCHEMA AS [schema], TABLE_NAME AS [table] "
    "FROM INFORMATION_SCHEMA.TABLES",
    "oracle": 'SELECT owner AS "schema", table_name AS "table" FROM all_tables',
}
"""The query that lists the tables of a database, with the members of the connection."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the rows. `values`: the different texts, if there are few."""

    name: str
    always: bool
    unique: bool
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen. `lines` are the rows of the file before a header was chosen, by number."""

    check: CheckResult
    rows: Sequence[RowData]
    columns: Sequence[Column]
    found: Inference
    lines: Sequence[tuple[int, Sequence[Any]]] = ()
    header: int | None = None


def tables(app: Application, connection: Mapping[str, Any]) -> list[dict[str, str]]:
    """The tables of a database, each with `table` and perhaps `schema`.

    Raises ConfigurationError, ConnectorError.
    """
    query = _TABLES.get(str(connection.get("dialect")), "")
    plain = {k: v for k, v in connection.items() if k not in ("table", "schema", "cursor", "query")}
    rows = _rows(app, "database", {**plain, "query": query}, 10_000)
    found = [{name: str(value) for name, value in row.items() if value} for _, row in rows]
    return sorted(found, key=lambda one: (one.get("schema", ""), one["table"]))


def look(app: Application, type_name: str, connection: Mapping[str, Any]) -> Look:
    """Test the connection and read its first rows, stored nowhere.

    Raises ConfigurationError, ConnectorError.
    """
    check = confinement.check_draft(app, "", type_name, connection)
    rows = [row for _, row in _rows(app, type_name, connection, SAMPLE)]
    lines: list[tuple[int, Sequence[Any]]] = []
    header: int | None = None
    if (place := header_setting(type_name, check)) is not None:
        given: Any = connection
        for name in place.split("."):
            given = given.get(name) if isinstance(given, Mapping) else None
        header = given if isinstance(given, int) else int(check.facts.get("header_row") or 1)  # type: ignore[arg-type]
        lines = _lines(app, type_name, configs.merge(dict(connection), {place: 0}))  # type: ignore[dict-item]
    return Look(check, rows[:ROWS], _columns(rows), infer_schema(rows), lines, header)


def header_setting(type_name: str, check: CheckResult) -> str | None:
    """The setting that says where the column names are; None if rows have names of their own."""
    if type_name == "excel":
        return "header_row"
    return "csv.header_row" if "delimiter" in check.facts else None


def _lines(
    app: Application, type_name: str, connection: Mapping[str, Any]
) -> list[tuple[int, Sequence[Any]]]:
    try:
        rows = _rows(app, type_name, connection, ROWS)
    except OpenRegisterError:
        return []  # the file cannot be read without names, and the rows above show it
    found: list[tuple[int, Sequence[Any]]] = []
    for position, row in rows:
        number = re.search(r"(?:row|line) (\d+)$", position)
        if number:
            found.append((int(number[1]), list(row.values())))
    return found


def _rows(
    app: Application, type_name: str, connection: Mapping[str, Any], limit: int
) -> list[tuple[str, RowData]]:
    document = {"name": "", "type": type_name, "connection": connection}
    confinement.check(app, document)
    config = connect.parse(type_name, connection).config
    connector = connect.draft(app, "", type_name, config, confined=True, limit=limit)
    until = time.monotonic() + LONGEST
    found: list[tuple[str, RowData]] = []
    with closing(iter(connector.read(None))) as batches:  # type: ignore[type-var]
        for batch in batches:
            for index in range(len(batch)):
                try:
                    row = batch.row(index)
                except RowDecodeError:
                    continue  # the run rejects it
                found.append((row.position, row.data))
                if len(found) >= limit:
                    return found
            if time.monotonic() > until:
                break
    return found


def _columns(rows: Sequence[RowData]) -> list[Column]:
    names = dict.fromkeys(name for row in rows for name in row)
    found = []
    for name in names:
        values = [row.get(name) for row in rows]
        filled = [value for value in values if value not in (None, "")]
        plain = [value for value in filled if isinstance(value, (str, int))]
        always = len(filled) == len(rows)
        unique = always and len(plain) == len(rows) and len(set(map(str, plain))) == len(rows)
        texts = sorted({value for value in filled if isinstance(value, str)})
        few = len(texts) <= 12 and 2 * len(texts) <= len(filled) and len(plain) == len(filled)
        found.append(Column(name, always, unique, tuple(texts) if few else ()))
    return found
