"""Translate errors of PostgreSQL and libpq, with a hint how to fix them."""

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
"""Serialization, deadlock, lock timeout, server starting or stopping, session ended."""

_RETRIABLE_CLASSES = frozenset({"08", "53", "58", "XX"})
"""Connection, resources, server I/O, internal."""


def translate(
    error: psycopg.Error, config: DatabaseConfig, where: str, text: str = ""
) -> ConnectorError:
    """The error for a failed statement or connection; `text` is the user's query, if any."""
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
        return ThrottledError(f"The database has no free connection: {message}", where=where)
    if state in _RETRIABLE or state[:2] in _RETRIABLE_CLASSES:
        return RetriableError(f"The database ended the connection: {message}", where=where)
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
        return MissingError(f"The table no longer exists: {message}", where=where)
    return FatalError(
        f"The database reported an error ({state}): {message}",
        where=where,
        hint="Check the log of the database, or run the query in a database client",
    )


def _refused(message: str, config: DatabaseConfig, where: str) -> ConnectorError:
    if "pg_hba.conf" in message:
        return AccessDeniedError(
            f"The server does not allow connections from this machine: {message}",
            where=where,
            hint="Ask its administrator to allow this user, database and address in pg_hba.conf; "
            "if the message says 'no encryption', set tls.mode to require",
        )
    return AuthenticationError(f"The server rejected the user: {message}", where=where)


def _bad_query(error: psycopg.Error, message: str, where: str, text: str) -> ConfigurationError:
    position = error.diag.statement_position
    at = f" at {query.place(text, int(position) - 1)}" if position else ""
    return ConfigurationError(
        f"The query is not valid{at}: {message}",
        where=where,
        hint=error.diag.message_hint or "Run the query in a database client as the same user",
    )


def _of_connection(error: psycopg.Error, config: DatabaseConfig, where: str) -> ConnectorError:
    """libpq reports errors outside the protocol only as text."""
    said = redact.shorten(str(error))
    text = said.lower()
    host = config.host
    if "password authentication failed" in text or "no password supplied" in text:
        return AuthenticationError(f"{host} rejected the user or password", where=where)
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
            f"{host} could not prove its identity: {said}",
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
            hint="Check the host and port, and any firewalls in between",
        )
    return UnreachableError(f"The connection failed: {said}", where=where)


def _startup_refusal(text: str, said: str, config: DatabaseConfig, where: str) -> ConnectorError:
    if 'database "' in text and "does not exist" in text:
        return MissingError(
            f"There is no database {config.database}", where=where, hint="Check its name"
        )
    if 'role "' in text and "does not exist" in text:
        return AuthenticationError(f"{config.host} has no user {config.user}", where=where)
    return _refused(said, config, where)
