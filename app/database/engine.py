"""The SQLAlchemy engine: PostgreSQL with psycopg 3, sessions in UTC, exact JSON numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from app.database.errors import translate
from app.errors import DatabaseError, DatabaseVersionError, SettingsError
from connectors.sdk import canonical
from connectors.sdk.redact import shorten

OLDEST_VERSION = 14
"""The oldest PostgreSQL major version that is still supported and tested."""

_DRIVER = "postgresql+psycopg"


@dataclass(frozen=True, slots=True)
class Server:
    """The server behind an engine. `version` is for display: "18.0"."""

    version: str
    major: int
    database: str


def parse_url(url: str) -> URL:
    """The URL with our driver; accepts `postgres://`. Raises SettingsError."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError(
            "The database URL is not valid", hint="Write postgresql://user:password@host/database"
        ) from None
    if parsed.drivername not in ("postgres", "postgresql", _DRIVER):
        raise SettingsError(
            f"The database URL names {parsed.drivername}; only PostgreSQL is supported",
            hint="Write postgresql://user:password@host/database",
        )
    return parsed.set(drivername=_DRIVER)


Pooler = Literal["session", "transaction"]
"""How a pooler in front of the database assigns connections."""

_POOLER = "openregister_pooler"


def create(
    url: str | URL,
    *,
    application_name: str = "openregister",
    pool_size: int = 5,
    pooler: Pooler | None = None,
) -> sa.Engine:
    """An engine, not yet connected. `application_name` appears in pg_stat_activity.

    Behind a `pooler` in transaction mode nothing is prepared, because each transaction may use
    another session. Nothing else depends on it: the only session setting is one that poolers
    preserve (the timezone); all others are set in the transaction that needs them.

    Broken connections are detected and replaced when they are checked out of the pool, so a
    restart of the database fails only the transactions in progress.
    """
    parsed = parse_url(url) if isinstance(url, str) else url
    # Poolers reject `options`, so only those in the URL are sent, never PGOPTIONS.
    options = " ".join(_as_texts(parsed.query.get("options")))
    connect_args: dict[str, Any] = {"options": options, "application_name": application_name}
    if pooler == "transaction":
        connect_args["prepare_threshold"] = None
    if "connect_timeout" not in parsed.query:
        connect_args["connect_timeout"] = 10
    if parsed.host is not None:
        # an unreachable peer is given up after about ninety seconds
        connect_args |= {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 3}
    engine = sa.create_engine(
        parsed.difference_update_query(["options"]),
        connect_args=connect_args,
        pool_size=pool_size,
        max_overflow=10,
        pool_pre_ping=True,
        pool_recycle=1800,
        json_serializer=dump_json,
        json_deserializer=canonical.parse,
        hide_parameters=True,  # statements contain rows and encrypted secrets; logs must not
        execution_options={_POOLER: pooler},
    )
    sa.event.listen(engine, "connect", _in_utc)
    return engine


_LIMITED = """
    SELECT set_config('statement_timeout', least(nullif(setting::int, 0), %s)::text, %s)
    FROM pg_settings WHERE name = 'statement_timeout'
"""
"""A lower limit of the server, the role or the URL stays."""


def limit_statements(engine: sa.Engine, seconds: int) -> None:
    """End every statement of this engine after so many seconds; 0 leaves that to the server.

    Its connections are replaced. Behind a transaction pooler every transaction sets the timeout.
    """
    if not seconds:
        return

    def limit(connection: psycopg.Connection[Any], local: bool) -> None:
        connection.execute(_LIMITED, (seconds * 1000, local))

    def connected(connection: psycopg.Connection[Any], _record: object) -> None:
        limit(connection, local=False)
        connection.commit()

    def begun(connection: sa.Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        limit(driver, local=True)

    if keeps_sessions(engine):
        sa.event.listen(engine, "connect", connected)
        engine.dispose()
    else:
        sa.event.listen(engine, "begin", begun)


def keeps_sessions(engine: sa.Engine) -> bool:
    """Whether a connection keeps its server session, so that it can LISTEN."""
    return engine.get_execution_options().get(_POOLER) != "transaction"


def _in_utc(connection: psycopg.Connection[Any], _record: object) -> None:
    """Set the timezone, which poolers report and preserve; PostgreSQL's default may differ."""
    if connection.info.parameter_status("TimeZone") != "UTC":
        connection.execute("SET timezone TO 'UTC'")
        connection.commit()


def check_server(engine: sa.Engine) -> Server:
    """Connect and check the server.

    Raises DatabaseError, with the reason, if it cannot be reached, and DatabaseVersionError if
    it is older than PostgreSQL 14 or the database encoding is not UTF-8.
    """
    where = describe(engine.url)
    try:
        with engine.connect() as connection:
            number, version, encoding, database = connection.execute(
                sa.text(
                    "SELECT current_setting('server_version_num')::int,"
                    " current_setting('server_version'),"
                    " current_setting('server_encoding'), current_database()"
                )
            ).one()
    except SQLAlchemyError as error:
        raise (
            translate(error, where)
            or DatabaseError(
                f"The server is not PostgreSQL: {shorten(str(error))}",
                where=where,
            )
        ) from None  # the chain would show the connection parameters
    require_version(number, version, where=where)
    if encoding != "UTF8":
        raise DatabaseVersionError(
            f"The database encoding is {encoding}, not UTF-8",
            where=where,
            hint="Create it again: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
        )
    return Server(version=version, major=number // 10000, database=database)


def require_version(number: int, version: str, *, where: str) -> None:
    """Raise DatabaseVersionError for a `server_version_num` below PostgreSQL 14."""
    if number < OLDEST_VERSION * 10000:
        raise DatabaseVersionError(
            f"PostgreSQL {version} is too old",
            where=where,
            hint=f"Use PostgreSQL {OLDEST_VERSION} or newer, or unset OPENREGISTER_DATABASE_URL "
            "to use the embedded one",
        )


def describe(url: URL) -> str:
    """Where the database is, for messages, without password or options."""
    host = url.host or ", ".join(_as_texts(url.query.get("host"))) or "local socket"
    port = f":{url.port}" if url.port else ""
    user = f"{url.username}@" if url.username else ""
    return f"{user}{host}{port}/{url.database or ''}"


def _as_texts(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def dump_json(value: Any) -> str:
    """JSON text for json and jsonb columns, with exact numbers and members in order.

    Raises TypeError for a value that is not valid JSON.
    """
    return canonical.dumps_in_order(value).decode()
