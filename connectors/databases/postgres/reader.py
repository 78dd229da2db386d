"""PostgreSQL: one snapshot, rows as COPY lines."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, LiteralString

import certifi
import psycopg
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from connectors.databases import convert, names, network, query
from connectors.databases.lines import LineColumn, LineFormat
from connectors.databases.moments import Clock, is_number
from connectors.databases.postgres import catalog, copying, digests, rights
from connectors.databases.postgres.cursors import PostgresCursor
from connectors.databases.postgres.errors import translate
from connectors.databases.postgres.ranges import OLDEST_SERVER, PostgresRanges
from connectors.databases.ranges import Ranges, shape_of
from connectors.databases.reader import Column, Reader, ServerFacts, Since
from connectors.databases.settings import DEFAULT_PORTS, DatabaseConfig
from connectors.sdk import redact
from connectors.sdk.connector import Context
from connectors.sdk.errors import ConfigurationError, MissingError
from connectors.sdk.net.tls import certificate_facts, expiry_warnings, pem_text
from connectors.sdk.rows import Batch

_NO_FILE = f"{os.devnull}/none"
"""A path at which no file exists."""


class PostgresReader(Reader):
    """A repeatable-read, read-only transaction: everything is read from one snapshot."""

    def __init__(self, config: DatabaseConfig, context: Context) -> None:
        super().__init__(config, context)
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._address = ""
        self._table: tuple[int, str] | None = None
        self._columns: list[Column] = []
        self._types: list[str] = []  # pg_catalog names, "" for types read as text
        self._kinds: list[str] = []  # the same for the base types of domains
        self._lines: list[LineColumn] = []
        self._key: list[str] = []
        self._from: sql.Composable = sql.SQL("")

    # Connecting

    def open(self) -> None:
        config, limits = self.config, self.context.limits
        redact.remember(config.password.get_secret_value())
        files = tempfile.mkdtemp(prefix="openregister-tls-") if config.tls.required else None
        try:
            with self._translated():
                self._connection = psycopg.connect(self._conninfo(files))
                self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                self._connection.read_only = True
                # A pooler may reuse the session, so nothing must remain in it.
                self._connection.prepare_threshold = None
                settings = {
                    **catalog.SETTINGS,
                    "statement_timeout": str(int(self.statement_timeout * 1000)),
                    "lock_timeout": str(int(limits.read_timeout * 1000)),
                }
                self._fetch(
                    "SELECT set_config(name, value, true) FROM unnest(%s::text[], %s::text[])"
                    " AS settings(name, value)",
                    (list(settings), list(settings.values())),
                )
                self._prepare()
        except BaseException:
            self.close()
            raise
        finally:
            if files:
                shutil.rmtree(files, ignore_errors=True)

    def _conninfo(self, files: str | None) -> str:
        config, limits = self.config, self.context.limits
        port = config.port or DEFAULT_PORTS["postgresql"]
        given: dict[str, Any] = {
            "host": config.host,
            "port": port,
            "dbname": config.database,
            "user": config.user or None,
            # Never use the password file or certificates of the account running this process.
            "password": config.password.get_secret_value(),
            "passfile": _NO_FILE,
            "gssencmode": "disable",
            "client_encoding": "UTF8",
            "application_name": "openregister",
            "connect_timeout": max(2, round(limits.connect_timeout)),
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": int(limits.read_timeout * 1000),
            "sslmode": "disable" if config.tls.mode == "off" else "prefer",
        }
        if config.host.startswith("/"):  # a Unix socket's directory
            if self.context.policy.allow_address is not None:
                raise ConfigurationError(
                    "This source may not use a local socket", where=self.where, hint="Give a host"
                )
        else:
            found = network.addresses(config.host, port, self.context)
            given["hostaddr"] = ",".join(found)
            given["host"] = ",".join([config.host] * len(found))
            self._address = found[0]
        if files:
            given.update(self._tls_files(Path(files)))
        return make_conninfo(**given)

    def _tls_files(self, folder: Path) -> dict[str, str]:
        """libpq reads certificates from files, which exist only while connecting."""
        tls, policy = self.config.tls, self.context.policy
        given = {"sslmode": "verify-full" if tls.verify else "require"}
        texts = {
            "sslrootcert": (tls.ca_file, "tls.ca_file"),
            "sslcert": (tls.client_cert, "tls.client_cert"),
            "sslkey": (tls.client_key.get_secret_value(), "tls.client_key"),
        }
        for name, (text, field) in texts.items():
            if text:
                path = folder / name
                path.touch(mode=0o600)
                path.write_text(pem_text(text, policy, field))
                given[name] = str(path)
        if tls.verify and not tls.ca_file:
            given["sslrootcert"] = certifi.where()
        return given

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                if connection.info.transaction_status == pq.TransactionStatus.INTRANS:
                    connection.rollback()  # poolers discard sessions in a transaction
                connection.close()

    @contextlib.contextmanager
    def _translated(self, text: str = "") -> Iterator[None]:
        """psycopg's errors as ours; `text` is the user's query if it may be the cause."""
        try:
            yield
        except psycopg.Error as error:
            raise translate(error, self.config, self.where, text) from None

    @property
    def connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        assert self._connection is not None, "use the reader as a context manager"
        return self._connection

    def _fetch(
        self, statement: LiteralString | sql.Composed, params: Any = None
    ) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, params).fetchall()

    # What there is to read

    def _prepare(self) -> None:
        if self.config.table:
            self._table = self._find_table()
            oid, schema = self._table
            self._from = sql.Identifier(schema, self.config.table)
            described = self._describe(sql.SQL("SELECT * FROM {}").format(self._from))
            self._key = [name for (name,) in self._fetch(catalog.PRIMARY_KEY, (oid,))]
        else:
            text = query.checked(self.config.query, self.where)
            with self._translated(text):
                # Parsed alone it is one complete statement, so it cannot escape the parentheses
                # added below, within which only a SELECT is grammatical.
                described = self._describe(_verbatim(text))
            self._from = sql.SQL("(\n{}\n) AS source").format(_verbatim(text))
            self._describe(sql.SQL("SELECT * FROM {}").format(self._from))
        self._settle_columns(described)

    def _describe(self, statement: sql.Composable) -> list[tuple[str, int, int]]:
        """Name, type and type modifier of every column, without running the statement.

        Uses the extended protocol, which rejects text with more than one statement.
        """
        pgconn = self.connection.pgconn
        for answer in (
            pgconn.prepare(b"", statement.as_bytes(self.connection)),
            pgconn.describe_prepared(b""),
        ):
            if answer.status != pq.ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(answer, encoding="utf-8")
        return [
            ((answer.fname(index) or b"").decode(), answer.ftype(index), answer.fmod(index))
            for index in range(answer.nfields)
        ]

    def _find_table(self) -> tuple[int, str]:
        config = self.config
        rows = self._fetch(
            catalog.FIND_TABLE, {"table": config.table, "schema": config.schema_name}
        )
        if rows:
            return rows[0]
        tables = [name for (name,) in self._fetch(catalog.TABLE_NAMES)]
        raise MissingError(
            f"There is no table or view {config.subject}",
            where=self.where,
            hint=names.near(config.subject, tables),
        )

    def _settle_columns(self, described: Sequence[tuple[str, int, int]]) -> None:
        names.refuse_unusable([name for name, _, _ in described], self.where)
        # The key first: it is extracted from every line, the rest only from changed lines.
        described = sorted(
            described,
            key=lambda column: self._key.index(column[0]) if column[0] in self._key else 1000,
        )
        oids = [oid for _, oid, _ in described]
        found = {row[0]: row for row in self._fetch(catalog.DESCRIBE, {"oids": oids})}
        formatted = self._fetch(
            catalog.FORMATTED, (oids, [modifier for _, _, modifier in described])
        )

        def converter(oid: int) -> convert.Convert | None:
            _, name, element, delimiter, base = found[oid]
            if element is not None:
                return convert.array(converter(element), delimiter)
            return converter(base) if base else catalog.CONVERTERS.get(name)

        def kind(oid: int) -> str:
            _, name, element, _, base = found[oid]
            return kind(base) if base else (name or "") if element is None else ""

        for (column, oid, _), (type_name,) in zip(described, formatted, strict=True):
            _, name, element, _, _ = found[oid]
            self._lines.append(LineColumn(column, type_name, converter(oid)))
            self._columns.append(Column(column, type_name))
            self._types.append((name or "") if element is None else "")
            self._kinds.append(kind(oid))

    def columns(self) -> Sequence[Column]:
        return self._columns

    def primary_key(self) -> Sequence[str]:
        return self._key

    def estimate(self) -> int | None:
        with self._translated():
            statement = sql.SQL("EXPLAIN (FORMAT JSON) SELECT * FROM {}").format(self._from)
            ((plan,),) = self._fetch(statement)
        return int(plan[0]["Plan"]["Plan Rows"])

    # Reading

    def latest(self, column: str, not_above: str | None = None) -> str | None:
        compared = self._cursor(column)
        version = self.connection.info.server_version
        try:
            rows = self._fetch(compared.latest(self._from, not_above, version))
        except psycopg.errors.UndefinedFunction:
            raise compared.without_order() from None
        except psycopg.Error as error:
            raise translate(error, self.config, self.where) from None
        return rows[0][0] if rows else None

    def _cursor(self, column: str) -> PostgresCursor:
        index = self._index(column)
        return PostgresCursor(column, self._kinds[index], self._columns[index].type, self.where)

    def clock(self) -> Clock:
        with self._translated():
            ((utc, local),) = self._fetch(catalog.CLOCK)
        return Clock(utc, local)

    def present(self, column: str, value: str) -> str | None:
        return self.clock().present(value.removesuffix("+00"), zoned=value.endswith("+00"))

    def outgrown(self, column: str, value: str) -> bool:
        compared = self._cursor(column)
        if not (compared.is_text and is_number(value)):
            return False
        with self._translated():
            ((found,),) = self._fetch(compared.longer_numbers(self._from, len(value)))
        return bool(found)

    def _index(self, column: str) -> int:
        return names.index_of(column, [each.name for each in self._columns], self.where)

    def _since(self, since: Since) -> sql.Composable:
        return self._cursor(since.column).condition(since)

    def _select(self, condition: sql.Composable, limit: int | None = None) -> sql.Composable:
        fields = [
            sql.SQL("{}::numeric" if kind == "money" else "{}").format(sql.Identifier(column.name))
            for column, kind in zip(self._columns, self._types, strict=True)
        ]
        return sql.SQL("SELECT {} FROM {} {} {}").format(
            sql.SQL(", ").join(fields),
            self._from,
            condition,
            sql.SQL("LIMIT {}").format(sql.Literal(limit)) if limit else sql.SQL(""),
        )

    def batches(self, since: Since | None = None, limit: int | None = None) -> Iterator[Batch]:
        total = None if since or limit else self.estimate()
        condition = self._since(since) if since else sql.SQL("")
        yield from self._copy(self._select(condition, limit), total)

    def _format(self) -> LineFormat:
        return LineFormat(self._lines, self.config.subject, self._key)

    def _copy(self, select: sql.Composable, total: int | None) -> Iterator[Batch]:
        lines = self._format()
        statement = sql.SQL("COPY ({}) TO STDOUT").format(select)
        first = 1
        with (
            self._translated(),
            contextlib.closing(
                copying.lines(self.connection, statement, self.batch_size)
            ) as blocks,
        ):
            for rows in blocks:
                yield lines.batch(rows, first, total)
                first += len(rows)

    def ranges(self) -> Ranges | None:
        version = self.connection.info.server_version
        encoding = self.connection.info.parameter_status("server_encoding")
        if not self._key or version < OLDEST_SERVER:
            return None
        if not PostgresRanges.can(self._types[0], encoding):
            return None
        columns = [(c.name, kind) for c, kind in zip(self._columns, self._types, strict=True)]
        shape = (
            self._format().layout.decode(),
            *self._types,
            str(version // 10000),
            digests.VERSION,
        )

        def fetch(statement: sql.Composed) -> list[tuple[Any, ...]]:
            with self._translated():
                return self._fetch(statement)

        return PostgresRanges(
            fetch,
            lambda where, total: self._copy(self._select(where), total),
            self._from,
            columns,
            self._key,
            shape_of(shape),
        )

    # Checks

    def server(self) -> ServerFacts:
        with self._translated():
            return self._server()

    def _server(self) -> ServerFacts:
        ((version, user),) = self._fetch(
            "SELECT current_setting('server_version'), current_user::text"
        )
        found = ServerFacts({"server": f"PostgreSQL {version}", "user": user})
        found.warnings += rights.of_role(self._fetch, self._table[0] if self._table else None)
        if hidden := rights.hidden_rows(self.connection, self._from, user):
            found.warnings.append(hidden)
        facts, warnings = rights.of_standby(self._fetch)
        found.facts.update(facts)
        found.warnings.extend(warnings)
        self._tls_facts(found)
        return found

    def _tls_facts(self, found: ServerFacts) -> None:
        config = self.config
        if not self.connection.pgconn.ssl_in_use:
            found.facts["tls"] = "no"
            found.warnings.extend(network.plain_text_warnings(config.host))
            return
        rows = self._fetch("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        found.facts["tls"] = rows[0][0] if rows else "yes"
        if not (config.tls.required and config.tls.verify):
            found.warnings.append(network.UNVERIFIED)
        der = network.postgres_certificate(
            self._address,
            config.port or DEFAULT_PORTS["postgresql"],
            config.host,
            self.context.limits.connect_timeout,
        )
        if der:
            found.facts.update(certificate_facts(der))
            found.warnings.extend(expiry_warnings(der))


def _verbatim(text: str) -> sql.SQL:
    """The source's query, or the server's type name, for use in a statement."""
    return sql.SQL(text)
