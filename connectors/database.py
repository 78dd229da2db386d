"""Databases: the rows of a table or of a SELECT.

A dialect's reader connects, opens a read-only snapshot and yields batches in raw form. This module
decides what to read (everything, or what changed since the cursor) and how the read ended.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from decimal import Decimal

from connectors.databases.moments import is_far
from connectors.databases.ranges import read_ranges
from connectors.databases.reader import Reader, Since
from connectors.databases.settings import DatabaseConfig
from connectors.sdk.connector import CheckResult, Connector, FieldFact
from connectors.sdk.counting import counted
from connectors.sdk.errors import DataError
from connectors.sdk.rows import Batch, Cursor, End, JsonValue, Proof, RowBatch, RowDecodeError

_READERS = {
    "postgresql": ("connectors.databases.postgres.reader", "PostgresReader"),
    "mysql": ("connectors.databases.mysql.reader", "MySQLReader"),
    "mariadb": ("connectors.databases.mysql.reader", "MySQLReader"),
    "sqlite": ("connectors.databases.sqlite.reader", "SQLiteReader"),
    "oracle": ("connectors.databases.alchemy", "AlchemyReader"),
    "mssql": ("connectors.databases.alchemy", "AlchemyReader"),
}
"""Loaded on use: a source needs only the driver of its own dialect."""


class DatabaseConnector(Connector[DatabaseConfig]):
    """Reads a table or query of PostgreSQL, MySQL, MariaDB, SQLite, Oracle or SQL Server."""

    type = "database"
    title = "Database"
    summary = "A table or SELECT of PostgreSQL, MySQL, MariaDB, SQLite, Oracle or SQL Server"
    Config = DatabaseConfig

    def _reader(self) -> Reader:
        module, name = _READERS[self.config.dialect]
        kind: type[Reader] = getattr(importlib.import_module(module), name)
        return kind(self.config, self.context)

    def check(self) -> CheckResult:
        with self._reader() as reader:
            server = reader.server()
            estimate = reader.estimate()
            key, columns = reader.primary_key(), reader.columns()
            if self.config.cursor:
                server.facts["cursor_at"], warning = self._highest(reader)
                server.warnings.extend([warning] if warning else [])
            examples, problems = _first_row(reader)  # last, as it may leave the read unfinished
        if key:
            server.facts["primary_key"] = list(key)
        else:
            server.warnings.append("The table has no known primary key: set the key in the mapping")
        rows = "" if estimate is None else f", about {counted(estimate, 'row')}"
        return CheckResult(
            message=f"{server.facts['server']}: {self.config.subject}, "
            f"{counted(len(columns), 'column')}{rows}",
            facts=server.facts,
            fields=[
                FieldFact(column.name, column.type, examples.get(column.name)) for column in columns
            ],
            warnings=[*server.warnings, *problems],
            row_estimate=estimate,
        )

    def default_key(self) -> Sequence[str]:
        if not self.config.table:
            return ()
        with self._reader() as reader:
            return tuple(reader.primary_key())

    def read(self, cursor: Cursor | None = None) -> Iterator[Batch]:
        with self._reader() as reader, closing(self._batches(reader, cursor)) as batches:
            for batch in batches:
                yield batch
                if self.context.cancelled():
                    return

    def _batches(self, reader: Reader, cursor: Cursor | None) -> Generator[Batch]:
        if self.config.change_detection == "pushdown" and (ranges := reader.ranges()):
            yield from read_ranges(ranges, reader.batches(), reader.estimate(), cursor)
            return
        since, told = self._since(reader, cursor)
        # Queried first, in the same snapshot, so no row of this read is above it.
        value, warning = self._highest(reader) if self.config.cursor else (None, "")
        yield from reader.batches(since)
        yield RowBatch(
            end=End.INCREMENTAL if since else End.FULL,
            because=Proof.END_OF_DATA,
            # an empty table has none: the previous value still holds
            cursor=cursor if value is None else {"column": self.config.cursor, "value": value},
            warnings=[text for text in (told, warning) if text],
        )

    def _since(self, reader: Reader, cursor: Cursor | None) -> tuple[Since | None, str]:
        """Where to begin, None for everything; and a warning if the cursor is unusable."""
        column = self.config.cursor
        if not column or not cursor or cursor.get("column") != column:
            return None, ""
        value = cursor.get("value")
        if not isinstance(value, str):
            raise DataError("The stored cursor is damaged", where=self.config.subject)
        if reader.present(column, value) is not None:
            return None, (
                f"The cursor of the last run, {value} in {column}, is in the future, so "
                "everything was read."
            )
        return Since(column, value, Decimal(str(self.config.lag))), ""

    def _highest(self, reader: Reader) -> tuple[str | None, str]:
        """The cursor value to store, never in the future; and a warning about the column."""
        column = self.config.cursor
        value = reader.latest(column)
        if value is None:
            return None, ""
        if reader.outgrown(column, value):
            return None, (
                f"{column} contains numbers as text, which are sorted character by character: "
                f"{value} comes after longer numbers. Every run reads everything; use a query with "
                f"CAST({column} AS …) as its cursor."
            )
        present = reader.present(column, value)
        if present is None:
            return value, ""
        warning = (
            f"{column} has a value in the future, {value}. The cursor stays at {present} at "
            "most, so that changes until then are not missed; correct that row at the source."
        )
        return reader.latest(column, present), warning if is_far(value, present) else ""


def _first_row(reader: Reader) -> tuple[dict[str, JsonValue], list[str]]:
    """Example values, read as in a run, and their problems."""
    try:
        for batch in reader.batches(limit=1):
            if len(batch):
                return batch.row(0).data, []
    except RowDecodeError as error:
        faults = "; ".join(f"{each.path}: {each.message}" for each in error.problem.errors)
        return {}, [f"The first row cannot be read: {faults}"]
    return {}, []
