"""What PostgreSQL and libpq say, as errors that tell what to do."""

from __future__ import annotations

import psycopg

from connectors.databases import query
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

_RETRIABLE = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "57P05"})
"""Serialization, deadlock, lock timeout, server going down or coming up, session ended."""

_RETRIABLE_CLASSES = frozenset({"08", "53", "58", "XX"})
"""Connection, resources, input and output of the server, internal."""


def translate(
    error: psycopg.Error, config: DatabaseConfig, where: str, text: str = ""
) -> ConnectorError:
    """The error for a failed statement or connection; `text` is the user's query, if it is one."""
    state = error.sqlstate
    message = redact.shorten(error.diag.message_primary or str(error))
    if state is None:
        return _of_connection(error, config, where)
    if state == "57014":
        return RetriableError(
            f"The database stopped the statement: {message}",
            where=where,
            hint="Raise timeout, or read less with a query or a cursor column",
        )
    if state in ("53300", "53400"):
        return ThrottledError(f"The database has no connection to spare: {message}", where=where)
    if state in _RETRIABLE or state[:2] in _RETRIABLE_CLASSES:
        return RetriableError(f"The database broke off: {message}", where=where)
    if state[:2] == "28":
        return _refused(message, config, where)
    if state == "3D000":
        return MissingError(
            f"There is no database {config.database}", where=where, hint="Check its name"
        )
    if state == "42501":
        return AccessDeniedError(
            f"The user {config.user or '(default)'} may not read this: {message}",
            where=where,
            hint="Ask the database's administrator for SELECT on it",
        )
    if state == "25006":
        return ConfigurationError(
            f"The query tries to change data: {message}", where=where, hint="A source only reads"
        )
    if state[:2] in ("42", "0A", "26") and text:
        return _bad_query(error, message, where, text)
    if state[:2] == "22":
        return DataError(f"The database could not compute a row: {message}", where=where)
    if state == "42P01":
        return MissingError(f"The table is gone: {message}", where=where)
    return FatalError(
        f"The database refused ({state}): {message}",
        where=where,
        hint="Look into the database's own log, or try the same in a database client",
    )


def _refused(message: str, config: DatabaseConfig, where: str) -> ConnectorError:
    if "pg_hba.conf" in message:
        return AccessDeniedError(
            f"The server does not let us in from here: {message}",
            where=where,
            hint="Its administrator can allow this user, database and address in pg_hba.conf; "
            "'no encryption' in the message means: set tls.mode to require",
        )
    return AuthenticationError(f"The server refused the user: {message}", where=where)


def _bad_query(error: psycopg.Error, message: str, where: str, text: str) -> ConfigurationError:
    position = error.diag.statement_position
    at = f" at {query.place(text, int(position) - 1)}" if position else ""
    return ConfigurationError(
        f"The query is not valid{at}: {message}",
        where=where,
        hint=error.diag.message_hint or "Try the query in a database client with the same user",
    )


def _of_connection(error: psycopg.Error, config: DatabaseConfig, where: str) -> ConnectorError:
    """libpq reports what happens before or beside the protocol as text only."""
    said = redact.shorten(str(error))
    text = said.lower()
    host = config.host
    if "password authentication failed" in text or "no password supplied" in text:
        return AuthenticationError(f"{host} refused the user and password", where=where)
    if "pg_hba.conf" in text or "does not exist" in text:
        return _startup_refusal(text, said, config, where)
    if "refused" in text:
        return UnreachableError(
            f"{host} refused the connection",
            where=where,
            hint="Check the port, that the server runs and that it listens on this address",
        )
    if "certificate" in text:
        return TrustError(
            f"{host} could not prove who it is: {said}",
            where=where,
            hint="Name the authority's certificate (PEM) in tls.ca_file, and use the host name "
            "that the server's certificate was issued for",
        )
    if "does not support ssl" in text or "sslmode value" in text:
        return TrustError(
            f"{host} does not offer TLS",
            where=where,
            hint="Set up TLS on the server, or set tls.mode to prefer and accept plain text",
        )
    if "timeout" in text or "timed out" in text:
        return UnreachableError(
            f"{host} did not answer in time",
            where=where,
            hint="Check the host and port, and the firewalls between here and there",
        )
    return UnreachableError(f"The connection failed: {said}", where=where)


def _startup_refusal(text: str, said: str, config: DatabaseConfig, where: str) -> ConnectorError:
    if 'database "' in text and "does not exist" in text:
        return MissingError(
            f"There is no database {config.database}", where=where, hint="Check its name"
        )
    if 'role "' in text and "does not exist" in text:
        return AuthenticationError(f"{config.host} knows no user {config.user}", where=where)
    return _refused(said, config, where)
