"""Oracle and SQL Server through SQLAlchemy; their drivers are extras."""

from __future__ import annotations

import base64
import contextlib
import datetime
import math
import uuid
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from connectors.databases import convert, names, query
from connectors.databases.moments import Clock, less
from connectors.databases.reader import Column, Reader, ServerFacts, Since
from connectors.databases.settings import DEFAULT_PORTS, DatabaseConfig
from connectors.databases.tuples import TupleBatch, TupleColumn, TupleFormat
from connectors.sdk import canonical, redact
from connectors.sdk.connector import Context
from connectors.sdk.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    MissingError,
    RetriableError,
)
from connectors.sdk.net.dial import dial
from connectors.sdk.rows import Batch, JsonValue

_DRIVERS = {"oracle": "oracle+oracledb", "mssql": "mssql+pymssql"}
_PRODUCTS = {"oracle": "Oracle", "mssql": "SQL Server"}


class AlchemyReader(Reader):
    """Any database that SQLAlchemy supports, with its dialect and driver."""

    def __init__(self, config: DatabaseConfig, context: Context) -> None:
        super().__init__(config, context)
        self._engine: sa.Engine | None = None
        self._address = ""
        self._connection: sa.Connection | None = None
        self._columns: list[Column] = []
        self._key: list[str] = []
        self._source: sa.FromClause | None = None

    # Connecting

    def url(self) -> sa.URL:
        config = self.config
        options = {"service_name": config.database} if config.dialect == "oracle" else {}
        return sa.URL.create(
            _DRIVERS[config.dialect],
            username=config.user or None,
            password=config.password.get_secret_value() or None,
            host=self._address or config.host,
            port=config.port or DEFAULT_PORTS[config.dialect],
            database=None if options else config.database,
            query=options,
        )

    def open(self) -> None:
        config = self.config
        redact.remember(config.password.get_secret_value())
        try:
            self._engine = self._create_engine()
            self._reach()
            if self._address:
                self._engine = self._create_engine()
            with self._translated():
                self._connection = self._engine.connect()
                self._begin()
                self._prepare()
        except BaseException:
            self.close()
            raise

    def _create_engine(self) -> sa.Engine:
        try:
            return sa.create_engine(self.url(), poolclass=sa.pool.NullPool)
        except ImportError as error:
            raise ConfigurationError(
                f"The driver for {self.config.dialect} is not installed ({error.name})",
                where=self.where,
                hint=f"pip install 'openregister[{self.config.dialect}]'",
            ) from None

    def _reach(self) -> None:
        """Report clearly what a driver would obscure: unknown host, refused connection, timeout."""
        port = self.config.port or DEFAULT_PORTS[self.config.dialect]
        with dial(self.config.host, port, self.context) as reached:
            if self.context.policy.allow_address is not None:
                # the driver connects to the address that was checked, without resolving again
                self._address = str(reached.getpeername()[0])

    def _begin(self) -> None:
        if self.config.dialect == "oracle":
            self.connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        elif self.config.dialect == "mssql":
            milliseconds = int(self.context.limits.read_timeout * 1000)
            # limits of the login must not truncate a table or a text
            self.connection.exec_driver_sql("SET ROWCOUNT 0")
            self.connection.exec_driver_sql("SET TEXTSIZE 2147483647")
            self.connection.exec_driver_sql(f"SET LOCK_TIMEOUT {milliseconds}")

    def close(self) -> None:
        connection, self._connection = self._connection, None
        engine, self._engine = self._engine, None
        with contextlib.suppress(exc.SQLAlchemyError):
            if connection is not None:
                connection.close()
            if engine is not None:
                engine.dispose()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            raise self._translate(error) from None

    def _translate(self, error: exc.SQLAlchemyError) -> ConnectorError:
        original = getattr(error, "orig", None) or error
        said = redact.shorten(str(original))
        if any(sign in said for sign in ("ORA-01017", "18456", "Login failed")):
            return AuthenticationError(f"The server rejected the user: {said}", where=self.where)
        if isinstance(error, exc.ProgrammingError):
            return ConfigurationError(
                f"The statement is not valid here: {said}",
                where=self.where,
                hint="Check the query, the table and the user's rights",
            )
        if isinstance(error, exc.NoSuchTableError):
            return MissingError(f"There is no table {self.config.subject}", where=self.where)
        return RetriableError(f"The database failed: {said}", where=self.where)

    @property
    def connection(self) -> sa.Connection:
        assert self._connection is not None, "use the reader as a context manager"
        return self._connection

    @property
    def source(self) -> sa.FromClause:
        assert self._source is not None, "use the reader as a context manager"
        return self._source

    # What there is to read

    def _prepare(self) -> None:
        if self.config.table:
            self._source = self._table()
            self._columns = [
                Column(column.name, str(column.type), bool(column.nullable))
                for column in self._source.columns
            ]
        else:
            text = query.checked(self.config.query, self.where)
            with contextlib.closing(self.connection.exec_driver_sql(text)) as result:
                found = list(result.keys())
            self._source = sa.text(text).columns(*map(sa.column, found)).subquery("source")
            self._columns = [Column(name, "") for name in found]
        names.refuse_unusable([column.name for column in self._columns], self.where)

    def _table(self) -> sa.Table:
        config = self.config
        inspector = sa.inspect(self.connection)
        schema = config.schema_name or None
        known = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
        if config.table not in known:
            raise MissingError(
                f"There is no table or view {config.subject}",
                where=self.where,
                hint=names.near(config.table, known),
            )
        table = sa.Table(config.table, sa.MetaData(), schema=schema, autoload_with=self.connection)
        self._key = [column.name for column in table.primary_key.columns]
        return table

    def columns(self) -> Sequence[Column]:
        return self._columns

    def primary_key(self) -> Sequence[str]:
        return self._key

    def estimate(self) -> int | None:
        return None

    # Reading

    def _column(self, name: str) -> sa.ColumnElement[Any]:
        known = [column.name for column in self._columns]
        return self.source.columns[known[names.index_of(name, known, self.where)]]

    def latest(self, column: str, not_above: str | None = None) -> str | None:
        found = self._column(column)
        query = sa.select(sa.func.max(found))
        if not_above is not None:
            query = query.where(found <= _cursor_value(Since(column, not_above), self.where))
        with self._translated():
            value = self.connection.execute(query).scalar()
        return None if value is None else _cursor_text(value, column, self.where)

    def clock(self) -> Clock:
        with self._translated():
            now = self.connection.execute(sa.select(sa.func.current_timestamp())).scalar()
        utc = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        if isinstance(now, datetime.datetime):  # of the server, in its own or the session's zone
            return Clock(utc, now.replace(tzinfo=None))
        return Clock(utc, utc)

    def present(self, column: str, value: str) -> str | None:
        kind, _, text = value.partition(" ")
        if kind not in ("datetime", "date", "text"):
            return None
        found = self.clock().present(text)
        return None if found is None else f"{kind} {found}"

    def _since(self, since: Since) -> sa.ColumnElement[bool]:
        column = self._column(since.column)
        value = _cursor_value(since, self.where)
        # A row without a value in the cursor column may be new, so it is always read.
        return sa.or_(column >= value, column.is_(None))

    def batches(self, since: Since | None = None, limit: int | None = None) -> Iterator[Batch]:
        select = sa.select(self.source)
        if since:
            select = select.where(self._since(since))
        if limit:
            select = select.limit(limit)
        form = TupleFormat(
            [TupleColumn(column.name, column.type, value) for column in self._columns],
            self.config.subject,
            self._key,
        )
        first, size = 1, self.batch_size
        with self._translated():
            streaming = self.connection.execution_options(stream_results=True)
            with contextlib.closing(streaming.execute(select)) as result:
                while items := [tuple(row) for row in result.fetchmany(size)]:
                    yield TupleBatch(format=form, items=items, first=first, layout=form.layout)
                    first += len(items)

    # Checks

    def server(self) -> ServerFacts:
        version = ".".join(str(part) for part in self.connection.dialect.server_version_info or ())
        product = _PRODUCTS.get(self.config.dialect, self.config.dialect)
        return ServerFacts({"server": f"{product} {version}".rstrip(), "user": self.config.user})


def value(item: Any) -> JsonValue:
    """A driver's Python value as JSON. Raises ValueError if it has none."""
    if isinstance(item, (str, bool, int)):
        return item
    if isinstance(item, (float, Decimal)):
        return canonical.number(item)
    if isinstance(item, datetime.datetime):
        if item.tzinfo is None:
            return convert.timestamp(item.isoformat())
        return convert.utc(item.astimezone(datetime.UTC).replace(tzinfo=None).isoformat())
    if isinstance(item, datetime.date):
        return item.isoformat()
    if isinstance(item, datetime.time):
        return convert.time(item.isoformat())
    if isinstance(item, datetime.timedelta):
        return duration(item)
    if isinstance(item, uuid.UUID):
        return str(item)
    if isinstance(item, (bytes, bytearray, memoryview)):
        return base64.b64encode(item).decode("ascii")
    if isinstance(item, (list, tuple)):
        return [None if each is None else value(each) for each in item]
    if isinstance(item, dict):
        return {str(name): None if each is None else value(each) for name, each in item.items()}
    raise ValueError(f"A value of type {type(item).__name__} has no JSON form")


def duration(span: datetime.timedelta) -> str:
    """An ISO 8601 duration, formatted like a PostgreSQL interval."""
    sign = "-" if span < datetime.timedelta(0) else ""
    rest = abs(span)
    minutes, seconds = divmod(rest.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    exact = f"{seconds}.{rest.microseconds:06}".rstrip("0").rstrip(".")
    clock = "".join(
        f"{sign}{amount}{unit}"
        for amount, unit in ((str(hours), "H"), (str(minutes), "M"), (exact, "S"))
        if amount != "0"
    )
    days = f"{sign}{rest.days}D" if rest.days else ""
    if not days and not clock:
        return "PT0S"
    return f"P{days}T{clock}" if clock else f"P{days}"


def _cursor_text(item: Any, column: str, where: str) -> str:
    if isinstance(item, datetime.datetime):
        return f"datetime {item.isoformat()}"
    if isinstance(item, datetime.date):
        return f"date {item.isoformat()}"
    if isinstance(item, str):
        return f"text {item}"
    if isinstance(item, (bytes, bytearray, memoryview)):  # a rowversion of SQL Server, for one
        return f"bytes {bytes(item).hex()}"
    if isinstance(item, float):
        return f"float {item!r}"
    if isinstance(item, (int, Decimal)) and Decimal(item).is_finite():
        return f"number {item}"
    raise ConfigurationError(
        f"{column} cannot be a cursor: {type(item).__name__} has no known order",
        where=where,
        hint="Choose a column that increases with every change: a time, a number or a text",
    )


def _cursor_value(since: Since, where: str) -> Any:
    kind, _, text = since.value.partition(" ")
    lag = since.lag
    if kind == "datetime":
        return datetime.datetime.fromisoformat(text) - datetime.timedelta(seconds=float(lag))
    if kind == "date":
        return datetime.date.fromisoformat(text) - datetime.timedelta(days=math.ceil(lag))
    if kind == "float":  # one step lower: rounding may have made the float larger
        return math.nextafter(float(text) - float(lag), -math.inf)
    if kind == "number":
        return Decimal(text) - lag
    if not lag:
        return text if kind == "text" else bytes.fromhex(text)
    found = less(text, lag) if kind == "text" else None
    if found is None:
        raise ConfigurationError(
            f"A lag needs a number or a time, and {since.column} is neither",
            where=where,
            hint="Remove lag, or choose another cursor column",
        )
    return found
