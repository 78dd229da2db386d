"""Translate errors of MySQL, MariaDB and PyMySQL, with a hint how to fix them."""

from __future__ import annotations

import pymysql
from pymysql.constants import CR, ER

from connectors.databases.settings import DatabaseConfig
from connectors.sdk import redact
from connectors.sdk.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    DataError,
    FatalError,
    MissingError,
    RetriableError,
    ThrottledError,
    TrustError,
    UnreachableError,
)
from connectors.sdk.net.dial import of_exception

_STATEMENT_TIMEOUT = frozenset({1969, 3024, 1317})
"""MariaDB's ER_STATEMENT_TIMEOUT; MySQL's ER_QUERY_TIMEOUT and ER_QUERY_INTERRUPTED."""
_FULL = frozenset({ER.CON_COUNT_ERROR, ER.TOO_MANY_USER_CONNECTIONS, ER.USER_LIMIT_REACHED})
PARTIAL = frozenset({1931})
"""MariaDB's warning ER_QUERY_RESULT_INCOMPLETE: the result was cut off."""
_BROKEN = frozenset(
    {
        CR.CR_SERVER_GONE_ERROR,
        CR.CR_SERVER_LOST,
        ER.SERVER_SHUTDOWN,
        ER.LOCK_WAIT_TIMEOUT,
        ER.LOCK_DEADLOCK,
        1927,  # MariaDB's ER_CONNECTION_KILLED
    }
)
_DENIED = frozenset(
    {
        ER.TABLEACCESS_DENIED_ERROR,
        ER.COLUMNACCESS_DENIED_ERROR,
        ER.SPECIFIC_ACCESS_DENIED_ERROR,
        1356,  # ER_VIEW_INVALID: a view whose definer lacks a privilege
    }
)


def partial(said: str, where: str) -> DataError:
    """The error for a truncated result, for which the server only issues a warning."""
    return DataError(
        f"The database truncated the result: {said}",
        where=where,
        hint="Remove LIMIT ROWS EXAMINED from the query; the rows read so far are kept",
    )


def translate(
    error: pymysql.MySQLError, config: DatabaseConfig, where: str, text: str = ""
) -> ConnectorError:
    """The error for a failed statement or connection; `text` is the user's query, if any."""
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    said = redact.shorten(str(error.args[1] if len(error.args) > 1 else error))
    if code == CR.CR_CONN_HOST_ERROR:
        return _of_connection(error, config, where)
    if code == CR.CR_SSL_CONNECTION_ERROR:
        return TrustError(
            f"{config.host} does not offer TLS",
            where=where,
            hint="Set up TLS on the server, or set tls.mode to prefer and accept plain text",
        )
    if code in _STATEMENT_TIMEOUT:
        return RetriableError(
            f"The database stopped the statement: {said}",
            where=where,
            hint="Raise timeout, or read less with a query or a cursor column",
        )
    if code in _FULL:
        return ThrottledError(f"The database has no free connection: {said}", where=where)
    if code in _BROKEN or isinstance(error, pymysql.err.InterfaceError):
        return RetriableError(f"The database ended the connection: {said}", where=where)
    return _of_statement(error, code, said, config, where, text)


def _of_statement(
    error: pymysql.MySQLError,
    code: int,
    said: str,
    config: DatabaseConfig,
    where: str,
    text: str,
) -> ConnectorError:
    if code == ER.ACCESS_DENIED_ERROR:
        return AuthenticationError(f"The server rejected the user: {said}", where=where)
    if code == 1130:  # ER_HOST_NOT_PRIVILEGED
        return AccessDeniedError(
            f"The server does not allow connections from this machine: {said}",
            where=where,
            hint="Ask its administrator to create the user for this machine's address",
        )
    if code == ER.DBACCESS_DENIED_ERROR or code in _DENIED:
        return AccessDeniedError(
            f"The user {config.user} may not read this: {said}",
            where=where,
            hint="Ask the database's administrator for SELECT on it; the database's name may also "
            "be wrong",
        )
    if code == ER.BAD_DB_ERROR:
        return MissingError(
            f"There is no database {config.database}", where=where, hint="Check its name"
        )
    if code == 1792:  # ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
        return ConfigurationError(
            f"The query tries to change data: {said}", where=where, hint="A source only reads"
        )
    if text and isinstance(error, (pymysql.ProgrammingError, pymysql.OperationalError)):
        return ConfigurationError(
            f"The query is not valid: {said}",
            where=where,
            hint="Run the query in a database client as the same user",
        )
    if code == ER.NO_SUCH_TABLE:
        return MissingError(f"The table no longer exists: {said}", where=where)
    if isinstance(error, pymysql.DataError):
        return DataError(f"The database could not compute a row: {said}", where=where)
    return FatalError(
        f"The database reported an error ({code}): {said}",
        where=where,
        hint="Check the log of the database, or run the query in a database client",
    )


def of_greeting(error: pymysql.MySQLError, config: DatabaseConfig, where: str) -> ConnectorError:
    """The error for a failure before the session was established."""
    code = error.args[0] if error.args else 0
    if code in (CR.CR_SERVER_LOST, CR.CR_SERVER_GONE_ERROR):
        return UnreachableError(
            f"{config.host} accepted the connection, but did not respond like a database",
            where=where,
            hint="Check the host and port, and any firewalls in between",
        )
    if isinstance(error, pymysql.InternalError) and not isinstance(code, int):
        return UnreachableError(
            f"The server at {config.host} is not MySQL or MariaDB",
            where=where,
            hint="Check the port",
        )
    return translate(error, config, where)


def _of_connection(error: pymysql.MySQLError, config: DatabaseConfig, where: str) -> ConnectorError:
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, OSError):  # includes TLS errors
        return of_exception(cause, config.host, where)
    return UnreachableError(
        f"No connection to {config.host}: {redact.shorten(str(error))}", where=where
    )
