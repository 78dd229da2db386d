"""The errors of SQLite as errors of connectors."""

from __future__ import annotations

import sqlite3

from connectors.sdk import redact
from connectors.sdk.errors import (
    AccessDeniedError,
    ConfigurationError,
    ConnectorError,
    DataError,
    FatalError,
    RetriableError,
)


def translate(error: sqlite3.Error, where: str, text: str = "") -> ConnectorError:
    """What SQLite raised in our words; `text` is the user's query if it may be the cause."""
    said = redact.shorten(str(error))
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return RetriableError(f"The database is in use by a writer: {said}", where=where)
    if code == sqlite3.SQLITE_INTERRUPT:
        return RetriableError(
            "The statement took longer than the timeout",
            where=where,
            hint="Raise timeout, or read less with a query or a cursor column",
        )
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return DataError(f"The file is not a valid SQLite database: {said}", where=where)
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
        return AccessDeniedError(
            f"The file cannot be read: {said}",
            where=where,
            hint="Check the permissions of the file and its directory",
        )
    if text and code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH):
        return ConfigurationError(
            f"The query is not valid: {said}",
            where=where,
            hint="Try the query with the sqlite3 shell",
        )
    return FatalError(
        f"SQLite refused: {said}", where=where, hint="Try the same with the sqlite3 shell"
    )
