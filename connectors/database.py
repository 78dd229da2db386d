"""Databases: the rows of a table or of a SELECT.

Data flow: a dialect's reader connects, opens one read-only snapshot and yields batches in a raw
form; this module decides what to read (everything, or what came since the cursor) and says how
the read ended.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from decimal import Decimal

from connectors.sdk.connector import CheckResult, Connector, FieldFact
from connectors.sdk.errors import DataError
from connectors.sdk.rows import Batch, Cursor, End, JsonValue, Proof, RowBatch, RowDecodeError
from connectors.sql.ranges import read_ranges
from connectors.sql.reader import Reader, Since
from connectors.sql.settings import DatabaseConfig

_READERS = {
    "postgresql": ("connectors.sql.postgres", "PostgresReader"),
    "mysql": ("connectors.sql.mysql", "MySQLReader"),
    "mariadb": ("connectors.sql.mysql", "MySQLReader"),
    "sqlite": ("connectors.sql.sqlite", "SQLiteReader"),
    "oracle": ("connectors.sql.alchemy", "AlchemyReader"),
    "mssql": ("connectors.sql.alchemy", "AlchemyReader"),
}
"""Loaded when used: a source needs the driver of its own dialect only."""


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
                server.facts["cursor_at"] = reader.latest(self.config.cursor)
            examples, problems = _first_row(reader)  # last: it may leave the read unfinished
        if key:
            server.facts["primary_key"] = list(key)
        else:
            server.warnings.append("No primary key is known here: name the key in the mapping")
        rows = "" if estimate is None else f", about {estimate:,} rows"
        return CheckResult(
            message=f"{server.facts['server']}: {self.config.subject}, "
            f"{len(columns)} columns{rows}",
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
        since = self._since(cursor)
        # Asked first, in the same snapshot: no row of this read is above it.
        after = self._after(reader, cursor)
        yield from reader.batches(since)
        yield RowBatch(
            end=End.INCREMENTAL if since else End.FULL, because=Proof.END_OF_DATA, cursor=after
        )

    def _since(self, cursor: Cursor | None) -> Since | None:
        column = self.config.cursor
        if not column or not cursor or cursor.get("column") != column:
            return None
        value = cursor.get("value")
        if not isinstance(value, str):
            raise DataError("The stored cursor is damaged", where=self.config.subject)
        return Since(column, value, Decimal(str(self.config.lag)))

    def _after(self, reader: Reader, before: Cursor | None) -> Cursor | None:
        column = self.config.cursor
        if not column:
            return None
        value = reader.latest(column)
        if value is None:  # an empty table: what was known before still holds
            return before
        return {"column": column, "value": value}


def _first_row(reader: Reader) -> tuple[dict[str, JsonValue], list[str]]:
    """Example values, read as a run would read them, and what is wrong with them."""
    try:
        for batch in reader.batches(limit=1):
            if len(batch):
                return batch.row(0).data, []
    except RowDecodeError as error:
        faults = "; ".join(f"{each.path}: {each.message}" for each in error.problem.errors)
        return {}, [f"The first row cannot be read: {faults}"]
    return {}, []
