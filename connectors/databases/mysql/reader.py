"""MySQL and MariaDB: one snapshot, rows as lines written by the server.

PyMySQL parses a row column by column in Python. The server is therefore asked for a single column:
the line that COPY of PostgreSQL would write (`databases.lines`). This is at least twice as fast,
and no value passes through a Python type that could change it.
"""
# ruff: noqa: S608  (statements are built here: names are quoted, values escaped)

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, cast

import pymysql
from pymysql.constants import FIELD_TYPE, FLAG
from pymysql.converters import encoders
from pymysql.cursors import SSCursor

from connectors.databases import names, query
from connectors.databases.lines import LineColumn, LineFormat
from connectors.databases.moments import Clock, is_number
from connectors.databases.mysql.catalog import MySQLCatalog
from connectors.databases.mysql.connection import Connection
from connectors.databases.mysql.cursors import MySQLCursor
from connectors.databases.mysql.errors import PARTIAL, of_greeting, partial, translate
from connectors.databases.mysql.facts import replica_facts, tls_facts
from connectors.databases.mysql.ranges import MySQLRanges
from connectors.databases.mysql.types import (
    INTEGERS,
    WORDS,
    effective,
    is_flag,
    line,
    piece,
    quoted,
    text_of,
)
from connectors.databases.ranges import Ranges, shape_of
from connectors.databases.reader import Column, Reader, ServerFacts, Since
from connectors.databases.settings import DEFAULT_PORTS, DatabaseConfig
from connectors.sdk import redact
from connectors.sdk.connector import Context
from connectors.sdk.errors import DataError, MissingError
from connectors.sdk.net.dial import dial
from connectors.sdk.net.tls import client_context
from connectors.sdk.rows import Batch


class MySQLReader(Reader):
    """A consistent-snapshot, read-only transaction of MySQL 5.7+ or MariaDB 10.3+."""

    def __init__(self, config: DatabaseConfig, context: Context) -> None:
        super().__init__(config, context)
        self._connection: Connection | None = None
        self._columns: list[Column] = []
        self._kinds: list[int] = []
        self._lines: list[LineColumn] = []
        self._pieces: list[str] = []
        self._key: list[str] = []
        self._numbered: set[str] = set()  # columns of ENUM and SET, which are sorted by number
        self._from = ""

    # Connecting

    def open(self) -> None:
        config, limits = self.config, self.context.limits
        redact.remember(config.password.get_secret_value())
        port = config.port or DEFAULT_PORTS[config.dialect]
        try:
            socket = dial(config.host, port, self.context)
            try:
                self._connection = self._unconnected(port)
                self._connection.connect(socket)
            except pymysql.MySQLError as error:
                raise of_greeting(error, config, self.where) from None
            with self._translated():
                # From now on the server responds at the latest when it stops the statement.
                self._connection.wait_for(self.statement_timeout + limits.read_timeout)
                self._begin()
                self._prepare()
        except BaseException:
            self.close()
            raise

    def _unconnected(self, port: int) -> Connection:
        config, limits = self.config, self.context.limits
        return Connection(
            host=config.host,
            port=port,
            user=config.user,
            password=config.password.get_secret_value().encode(),
            database=config.database,
            charset="utf8mb4",
            use_unicode=False,
            conv=cast(Any, encoders),  # no decoders: every value arrives as text
            cursorclass=SSCursor,
            read_timeout=limits.connect_timeout,
            write_timeout=limits.read_timeout,
            local_infile=False,
            autocommit=None,
            defer_connect=True,
            ssl=self._tls(),
            ssl_disabled=config.tls.mode == "off",
            program_name="openregister",
        )

    def _tls(self) -> ssl.SSLContext | None:
        """None: PyMySQL encrypts if the server supports it, without verification."""
        tls = self.config.tls
        return client_context(tls, self.context.policy) if tls.required else None

    def _begin(self) -> None:
        seconds = self.statement_timeout
        # net_write_timeout: how long the server waits for us to accept rows.
        self._run(f"SET time_zone = '+00:00', net_write_timeout = {max(1, int(seconds))}")
        if self._is_mariadb():
            self._run(f"SET max_statement_time = {seconds:.3f}")
        else:
            self._run(f"SET max_execution_time = {int(seconds * 1000)}")
        # General limits of the server or account must not truncate a table.
        self._run(f"SET sql_select_limit = {2**64 - 1}, sql_big_selects = 1")
        self._run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self._run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def _is_mariadb(self) -> bool:
        return "mariadb" in str(self.connection.server_version).lower()

    def _version(self) -> tuple[int, ...]:
        # MariaDB used to report 5.5.5 first, for old clients.
        text = self.connection.server_version.removeprefix("5.5.5-")
        return tuple(int(part) for part in re.findall(r"\d+", text)[:2])

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(pymysql.MySQLError):
                connection.abandon()

    @contextlib.contextmanager
    def _translated(self, text: str = "") -> Iterator[None]:
        """PyMySQL's errors as ours; `text` is the user's query if it may be the cause."""
        try:
            yield
        except pymysql.MySQLError as error:
            raise translate(error, self.config, self.where, text) from None

    @property
    def connection(self) -> Connection:
        assert self._connection is not None, "use the reader as a context manager"
        return self._connection

    def _run(self, statement: str, params: Any = None) -> list[tuple[Any, ...]]:
        """All rows of a small result, text as text."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, params)
            return [tuple(text_of(item) for item in row) for row in cursor.fetchall()]

    # What there is to read

    def _prepare(self) -> None:
        if self.config.table:
            described = self._of_table()
        else:
            text = query.checked(self.config.query, self.where, mysql=True)
            self._from = f"(\n{text}\n) AS source"
            with self._translated(text):
                described = self._describe()
        # The key first: it is extracted from every line, the rest only from changed lines.
        described.sort(
            key=lambda each: self._key.index(each[0].name) if each[0].name in self._key else 1000
        )
        for column, kind, flag in described:
            text, converter = piece(quoted(column.name), kind, flag and self.config.booleans)
            self._pieces.append(text)
            self._kinds.append(kind)
            self._columns.append(column)
            self._lines.append(LineColumn(column.name, column.type, converter))

    @property
    def _schema(self) -> str:
        return self.config.schema_name or self.config.database

    def _catalog(self) -> MySQLCatalog:
        return MySQLCatalog(self._run, self._schema, self.config.table)

    def _of_table(self) -> list[tuple[Column, int, bool]]:
        catalog = self._catalog()
        types = catalog.columns()
        if not types:
            raise MissingError(
                f"There is no table or view {self.config.subject} that this user can read",
                where=self.where,
                hint=names.near(self.config.subject, catalog.tables(self.config.database)),
            )
        self._from = f"{quoted(self._schema)}.{quoted(self.config.table)}"
        self._key, hidden = catalog.key()
        documents = catalog.documents() if self._is_mariadb() else set()
        return [
            (
                Column(column.name, *types[column.name]),
                FIELD_TYPE.JSON if column.name in documents else kind,
                flag,
            )
            for column, kind, flag in self._describe(hidden)
        ]

    def _describe(self, hidden: Sequence[str] = ()) -> list[tuple[Column, int, bool]]:
        """Name and type of every column, and whether it is boolean.

        `hidden`: columns to read in addition to those of `SELECT *`.
        """
        with self.connection.cursor() as cursor:
            asked = ", ".join(["source.*", *map(quoted, hidden)])
            named = self._from if self.config.query else f"{self._from} AS source"
            cursor.execute(f"SELECT {asked} FROM {named} LIMIT 0")
            cursor.fetchall()
            fields = [
                (str(text_of(field[0])), int(field[1]), int(field[3] or 0))
                for field in cursor.description or ()
            ]
            self._numbered = {
                name
                for (name, _, _), flags in zip(fields, self.connection.flags(), strict=True)
                if flags & (FLAG.ENUM | FLAG.SET)
            }
        names.refuse_unusable([name for name, _, _ in fields], self.where)
        # Whether a column is binary is a property of the expression, so no row is needed.
        source = self._from if self.config.query else f"{self._from} AS source"
        asked = ", ".join(f"CHARSET(source.{quoted(name)})" for name, _, _ in fields)
        rows = self._run(f"SELECT {asked} FROM (SELECT 1) AS one LEFT JOIN {source} ON FALSE")
        if not rows:  # an outer join returns one, unless the query has its own limit
            raise partial("the query limits the rows examined", self.where)
        charsets = rows[0]
        return [
            (
                Column(name, WORDS.get(kind, "text")),
                effective(kind, charset),
                is_flag(kind, length),
            )
            for (name, kind, length), charset in zip(fields, charsets, strict=True)
        ]

    def columns(self) -> Sequence[Column]:
        return self._columns

    def primary_key(self) -> Sequence[str]:
        return self._key

    def estimate(self) -> int | None:
        if not self.config.table:
            return None
        with self._translated():
            ((rows,),) = self._run(
                "SELECT MAX(table_rows) FROM information_schema.tables"
                " WHERE table_schema = %s AND table_name = %s",
                (self._schema, self.config.table),
            )
        return None if rows is None else int(rows)

    # Reading

    def latest(self, column: str, not_above: str | None = None) -> str | None:
        compared = self._cursor(column)
        with self._translated():
            rows = self._run(compared.latest(self._from, not_above))
        return str(rows[0][0]) if rows else None

    def _cursor(self, column: str) -> MySQLCursor:
        index = self._index(column)
        name = self._columns[index].name
        return MySQLCursor(
            name, self._kinds[index], name in self._numbered, self.connection.escape, self.where
        )

    def clock(self) -> Clock:
        # The session's timezone is UTC, so the server's own is requested by name.
        with self._translated():
            ((utc, local),) = self._run(
                "SELECT CAST(UTC_TIMESTAMP(6) AS CHAR), CAST(COALESCE(CONVERT_TZ(UTC_TIMESTAMP(6),"
                " '+00:00', @@global.time_zone), UTC_TIMESTAMP(6)) AS CHAR)"
            )
        return Clock(datetime.fromisoformat(utc), datetime.fromisoformat(local))

    def present(self, column: str, value: str) -> str | None:
        zoned = self._kinds[self._index(column)] == FIELD_TYPE.TIMESTAMP
        return self.clock().present(value, zoned=zoned)

    def outgrown(self, column: str, value: str) -> bool:
        compared = self._cursor(column)
        if not (compared.is_text and is_number(value)):
            return False
        with self._translated():
            ((found,),) = self._run(compared.longer_numbers(self._from, len(value)))
        return bool(found == "1")

    def _index(self, column: str) -> int:
        return names.index_of(column, [each.name for each in self._columns], self.where)

    def batches(self, since: Since | None = None, limit: int | None = None) -> Iterator[Batch]:
        total = None if since or limit else self.estimate()
        condition = self._cursor(since.column).condition(since) if since else ""
        yield from self._stream([f"{condition} LIMIT {limit}" if limit else condition], total)

    def _format(self) -> LineFormat:
        return LineFormat(self._lines, self.config.subject, self._key)

    def _stream(self, conditions: Sequence[str], total: int | None) -> Iterator[Batch]:
        """The rows of one statement per condition, numbered consecutively."""
        lines, first = self._format(), 1
        for condition in conditions:
            statement = f"SELECT {line(self._pieces)} FROM {self._from} {condition}"
            for rows in self._blocks(statement, first):
                yield lines.batch(rows, first, total)
                first += len(rows)

    def _blocks(self, statement: str, first: int) -> Iterator[list[bytes]]:
        size = self.batch_size
        with self._translated(), self._abandoned_unless_finished():
            cursor = self.connection.cursor()
            cursor.execute(statement)
            while rows := [row for (row,) in cursor.fetchmany(size)]:
                if None in rows:
                    raise DataError(
                        f"Row {first + rows.index(None)} is larger than max_allowed_packet",
                        where=self.where,
                        hint="Raise max_allowed_packet on the server",
                    )
                yield rows
                first += len(rows)
            self._refuse_partial()

    def _refuse_partial(self) -> None:
        """A limit on examined rows truncates a result with only a warning."""
        if not self.connection.warned():
            return
        said = {int(code): str(text) for _, code, text in self._run("SHOW WARNINGS")}
        if found := [text for code, text in said.items() if code in PARTIAL]:
            raise partial(found[0], self.where)

    @contextlib.contextmanager
    def _abandoned_unless_finished(self) -> Iterator[None]:
        """PyMySQL's cursor fetches the rest of a result when closed: disconnect before that."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def ranges(self) -> Ranges | None:
        version = self._version()
        oldest = (10, 2) if self._is_mariadb() else (8, 0)  # window functions
        if not self._key or self._kinds[0] not in INTEGERS or version < oldest:
            return None
        shape = (self._format().layout.decode(), *self._pieces, self.config.dialect)
        return MySQLRanges(
            self._fetch, self._stream, self._from, self._pieces, self._key[0], shape_of(shape)
        )

    def _fetch(self, statement: str) -> list[tuple[Any, ...]]:
        with self._translated():
            return self._run(statement)

    # Checks

    def server(self) -> ServerFacts:
        with self._translated():
            ((version, user),) = self._run("SELECT VERSION(), CURRENT_USER()")
            product = "MariaDB" if self._is_mariadb() else "MySQL"
            found = ServerFacts({"server": f"{product} {version}", "user": user})
            found.warnings.extend(self._catalog().warnings_of_rights(user))
            replica_facts(self.connection, found)
            tls_facts(self.connection, self.config, found)
        return found
