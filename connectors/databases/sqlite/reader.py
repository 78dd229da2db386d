"""SQLite: a file, opened for reading only."""
# ruff: noqa: S608  (statements are built here: names are quoted)

from __future__ import annotations

import contextlib
import difflib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from connectors.databases import names, query
from connectors.databases.moments import Clock, is_number, less
from connectors.databases.reader import Column, Reader, ServerFacts, Since
from connectors.databases.settings import DatabaseConfig
from connectors.databases.sqlite.errors import translate
from connectors.databases.sqlite.values import converter
from connectors.databases.tuples import TupleBatch, TupleColumn, TupleFormat
from connectors.sdk import canonical
from connectors.sdk.connector import Context
from connectors.sdk.errors import (
    AccessDeniedError,
    ConfigurationError,
    MissingError,
)
from connectors.sdk.rows import Batch

_READING = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_TRANSACTION,
    }
)
_ASKED = frozenset({"data_version"})
"""Pragmas that FTS5 tables use while they are read; they change nothing."""
_STEPS_BETWEEN_LOOKS = 100_000
_NUMBERS, _TEXT = "('integer', 'real')", "('text')"
_MILLISECONDS = 100_000_000_000
"""Seconds since 1970 stay below this until the year 5138."""


class SQLiteReader(Reader):
    """One read transaction; types come from the values, refined by the declared types."""

    def __init__(self, config: DatabaseConfig, context: Context) -> None:
        super().__init__(config, context)
        self._connection: sqlite3.Connection | None = None
        self._columns: list[TupleColumn] = []
        self._nullable: list[bool] = []
        self._key: list[str] = []
        self._from = ""
        self._deadline = 0.0

    # Connecting

    def open(self) -> None:
        path = self._path()
        try:
            with self._translated():
                self._connection = sqlite3.connect(
                    f"file:{quote(str(path))}?mode=ro",
                    uri=True,
                    timeout=self.context.limits.read_timeout,
                    isolation_level=None,
                    check_same_thread=False,
                )
                # Invalid UTF-8 is an error of its row, not of the whole read.
                self._connection.text_factory = partial(
                    str, encoding="utf-8", errors="surrogateescape"
                )
                self._prepare()
        except BaseException:
            self.close()
            raise

    def _path(self) -> Path:
        path = Path(self.config.database).expanduser().resolve()
        roots = self.context.policy.roots
        if roots is not None and not any(path.is_relative_to(root.resolve()) for root in roots):
            raise AccessDeniedError(
                "This source may not read files in this directory",
                where=self.where,
                hint="An administrator of this instance can allow the directory",
            )
        if not path.is_file():
            close = path.parent.iterdir() if path.parent.is_dir() else ()
            near = difflib.get_close_matches(path.name, [each.name for each in close], n=3)
            raise MissingError(
                "There is no such file",
                where=self.where,
                hint=f"Did you mean {' or '.join(near)}?" if near else "",
            )
        return path

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextlib.contextmanager
    def _translated(self, text: str = "") -> Iterator[None]:
        """sqlite3's errors as ours; `text` is the user's query if it may be the cause."""
        try:
            yield
        except sqlite3.Error as error:
            raise translate(error, self.where, text) from None

    @property
    def connection(self) -> sqlite3.Connection:
        assert self._connection is not None, "use the reader as a context manager"
        return self._connection

    def _run(self, statement: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._deadline = time.monotonic() + self.statement_timeout
        return self.connection.execute(statement, params).fetchall()

    def _too_long(self) -> bool:
        return time.monotonic() > self._deadline

    # What there is to read

    def _prepare(self) -> None:
        self.connection.set_progress_handler(self._too_long, _STEPS_BETWEEN_LOOKS)
        if self.config.table:
            self._from, described = self._of_table()
        else:
            self._from, described = self._of_query()
        names.refuse_unusable([name for name, _, _ in described], self.where)
        for name, declared, required in described:
            self._columns.append(TupleColumn(name, declared, converter(declared)))
            self._nullable.append(not required)
        # From here on only reads are allowed, whatever the query says: no ATTACH, no PRAGMA.
        self.connection.set_authorizer(_authorize)
        self._run("BEGIN")

    def _of_table(self) -> tuple[str, list[tuple[str, str, bool]]]:
        config = self.config
        schema = config.schema_name or "main"
        rows = self._run(
            'SELECT name, type, "notnull", pk FROM pragma_table_xinfo(?, ?) WHERE hidden <> 1',
            (config.table, schema),
        )
        if not rows:
            tables = self._run("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
            raise MissingError(
                f"There is no table or view {config.subject}",
                where=self.where,
                hint=names.near(config.table, [name for (name,) in tables]),
            )
        self._key = [name for name, _, _, pk in sorted(rows, key=lambda row: row[3]) if pk]
        source = f"{_quoted(schema)}.{_quoted(config.table)}"
        return source, [(name, declared, bool(required)) for name, declared, required, _ in rows]

    def _of_query(self) -> tuple[str, list[tuple[str, str, bool]]]:
        text = query.checked(self.config.query, self.where)
        # A view exposes the declared types of a query; only a SELECT can be a view.
        with self._translated(text):
            self._run(f"CREATE TEMP VIEW openregister_source AS\n{text}")
            rows = self._run("SELECT name, type FROM pragma_table_xinfo('openregister_source')")
        return "temp.openregister_source", [(name, declared, False) for name, declared in rows]

    def columns(self) -> Sequence[Column]:
        return [
            Column(column.name, column.type, nullable)
            for column, nullable in zip(self._columns, self._nullable, strict=True)
        ]

    def primary_key(self) -> Sequence[str]:
        return self._key

    def estimate(self) -> int | None:
        """The highest row id: exact for a table from which nothing was ever deleted."""
        if not self.config.table:
            return None
        try:
            ((highest,),) = self._run(f"SELECT max(_rowid_) FROM {self._from}")
        except sqlite3.OperationalError:  # a view, or a table WITHOUT ROWID
            return None
        return int(highest) if isinstance(highest, int) else 0

    # Reading

    def latest(self, column: str, not_above: str | None = None) -> str | None:
        name, kinds = self._name(column), self._compared(column)
        condition, params = f"typeof({name}) IN {kinds}", list[Any]()
        if not_above is not None:
            condition += f" AND {name} <= ?"
            params.append(canonical.loads(not_above))
        with self._translated():
            rows = self._run(
                f"SELECT {name} FROM {self._from} WHERE {condition} ORDER BY {name} DESC LIMIT 1",
                params,
            )
        return None if not rows else _stored(rows[0][0], column, self.where)

    def _compared(self, column: str) -> str:
        """The kinds of values used for the cursor: numbers if there are any, else text.

        SQLite sorts text after numbers, so a single text would hide all later numbers.
        """
        name = self._name(column)
        with self._translated():
            for kinds in (_NUMBERS, _TEXT):
                rows = self._run(
                    f"SELECT 1 FROM {self._from} WHERE typeof({name}) IN {kinds} LIMIT 1"
                )
                if rows:
                    return kinds
            if self._run(f"SELECT 1 FROM {self._from} WHERE {name} IS NOT NULL LIMIT 1"):
                raise ConfigurationError(f"The column {column} contains bytes", where=self.where)
        return _TEXT

    def clock(self) -> Clock:
        return Clock(datetime.now(UTC).replace(tzinfo=None), datetime.now())  # noqa: DTZ005

    def present(self, column: str, value: str) -> str | None:
        known, clock = canonical.loads(value), self.clock()
        if isinstance(known, str):
            present = clock.present(known)
            return None if present is None else canonical.dumps(present).decode()
        declared = next(each.type for each in self._columns if each.name == column)
        if not any(word in declared.upper() for word in ("DATE", "TIME")):
            return None
        # seconds or milliseconds since 1970
        seconds = datetime.now(UTC).timestamp()
        now = int(seconds if known < _MILLISECONDS else seconds * 1000)
        return str(now) if known > now else None

    def outgrown(self, column: str, value: str) -> bool:
        text = canonical.loads(value)
        if not (isinstance(text, str) and is_number(text)):
            return False
        name = self._name(column)
        with self._translated():
            rows = self._run(
                f"SELECT 1 FROM {self._from} WHERE typeof({name}) = 'text'"
                f" AND {name} NOT GLOB '*[^0-9]*' AND length({name}) > ? LIMIT 1",
                [len(text)],
            )
        return bool(rows)

    def _name(self, column: str) -> str:
        known = [each.name for each in self._columns]
        return _quoted(known[names.index_of(column, known, self.where)])

    def _since(self, since: Since) -> tuple[str, Any]:
        """A condition and its parameter."""
        value = canonical.loads(since.value)
        kinds = _TEXT if isinstance(value, str) else _NUMBERS
        if since.lag:
            value = _less(value, since.lag, since.column, self.where)
        name = self._name(since.column)
        # A row without a value in the cursor column may be new, so it is always read, as is
        # one with a value of another kind, which cannot be compared.
        return f"WHERE {name} >= ? OR {name} IS NULL OR typeof({name}) NOT IN {kinds}", value

    def batches(self, since: Since | None = None, limit: int | None = None) -> Iterator[Batch]:
        total = None if since or limit else self.estimate()
        condition, params = "", list[Any]()
        if since:
            condition, value = self._since(since)
            params.append(value)
        if limit:
            condition += f" LIMIT {limit}"
        form = TupleFormat(self._columns, self.config.subject, self._key)
        fields = ", ".join(_quoted(column.name) for column in self._columns)
        first, size = 1, self.batch_size
        with self._translated(), contextlib.closing(self.connection.cursor()) as cursor:
            self._deadline = time.monotonic() + self.statement_timeout
            cursor.execute(f"SELECT {fields} FROM {self._from} {condition}", params)
            while items := cursor.fetchmany(size):
                yield TupleBatch(
                    format=form, items=items, first=first, layout=form.layout, total=total
                )
                first += len(items)

    # Checks

    def server(self) -> ServerFacts:
        with self._translated():
            ((version,),) = self._run("SELECT sqlite_version()")
        size = Path(self.config.database).expanduser().stat().st_size
        return ServerFacts({"server": f"SQLite {version}", "bytes": size})


def _authorize(action: int, first: str | None, value: str | None, *_: object) -> int:
    asks = action == sqlite3.SQLITE_PRAGMA and first in _ASKED and value is None
    return sqlite3.SQLITE_OK if action in _READING or asks else sqlite3.SQLITE_DENY


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _less(value: Any, lag: Decimal, column: str, where: str) -> Any:
    """A cursor value minus its lag: numbers by units, dates by days, times by seconds."""
    if isinstance(value, int) and lag == int(lag):
        return max(value - int(lag), -(2**63))
    if not isinstance(value, str):
        return float(value) - float(lag)
    text = less(value, lag)
    if text is None:
        raise ConfigurationError(
            f"A lag needs a number or a time, and {column} is neither",
            where=where,
            hint="Remove lag, or choose another cursor column",
        )
    return text


def _stored(item: Any, column: str, where: str) -> str:
    """A cursor value as JSON, which distinguishes 7 from '7'."""
    try:
        return canonical.dumps(item).decode()
    except ValueError:
        raise ConfigurationError(
            f"The highest value of {column} cannot be a cursor: it is not UTF-8 or not finite",
            where=where,
            hint="Correct it at the source, or choose another cursor column",
        ) from None
