"""Translate errors of PostgreSQL, psycopg and SQLAlchemy to ours, with a hint how to fix them.

Commands, pages, the API, runs, jobs and the log all use `translate`. The sentences are fixed, so
that pages can translate them; the server's own message follows in `where`.
Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa

from app.errors import (
    ConflictError,
    DatabaseBusyError,
    DatabaseError,
    DatabaseUnreachableError,
    DatabaseVersionError,
    OpenRegisterError,
    UnusableValueError,
)
from connectors.sdk.redact import shorten

AGAIN = "Background jobs try again automatically; repeat a command once the server is back"
POOLER = "Set OPENREGISTER_DATABASE_POOLER=transaction: docs/install.md, Through a pooler"


@dataclass(frozen=True, slots=True)
class Words:
    """The message for a kind of error. Without a `hint`, the default of `kind` applies."""

    what: str
    hint: str = ""
    kind: type[OpenRegisterError] = DatabaseError


_SHUTDOWN = Words(
    "The database server is shutting down, or an administrator ended the connection",
    AGAIN,
    DatabaseBusyError,
)
_STARTING = Words("The database server is starting up or recovering", AGAIN, DatabaseBusyError)
_LOST = Words("The connection to the database broke off", AGAIN, DatabaseBusyError)
_FULL_OF_CLIENTS = Words(
    "The database server has no free connection",
    "Raise max_connections on the server, run fewer processes, or put a pooler in between",
    DatabaseBusyError,
)
_REFUSED = Words(
    "Nothing accepts connections at the database's address", "", DatabaseUnreachableError
)
_CREDENTIALS = Words(
    "The database server rejected the user or password",
    "Check the user and password in OPENREGISTER_DATABASE_URL",
    DatabaseUnreachableError,
)
_POOLED = Words("A pooler in transaction mode stands before the database", POOLER)

_OTHER_TABLES = Words(
    "The tables in the database are not those of this version",
    "`openregister status` compares both; `openregister upgrade` brings the database up to date",
    DatabaseVersionError,
)

_BY_STATE: dict[str, Words] = {
    **dict.fromkeys(("42P01", "42703", "42883", "42704", "3F000"), _OTHER_TABLES),
    "57P01": _SHUTDOWN,
    "57P02": _SHUTDOWN,
    "57P03": _STARTING,
    "57P05": _LOST,
    "25P03": _LOST,
    "25P04": _LOST,
    "57014": Words(
        "The database stopped a statement that took too long",
        "Narrow what is asked for, or raise statement_timeout for the database role",
        DatabaseBusyError,
    ),
    "55P03": Words(
        "Another session holds a lock on what was to be changed",
        "Try again; pg_stat_activity shows the session that waits longest",
        DatabaseBusyError,
    ),
    "40001": Words("Several sessions changed the same rows", "Try again", DatabaseBusyError),
    "40P01": Words("Several sessions waited for each other", "Try again", DatabaseBusyError),
    "53100": Words(
        "The disk of the database server is full",
        "Free or add disk space there; what was committed is safe, the rest was rolled back",
    ),
    "53200": Words(
        "The database server ran out of memory",
        "Give it more memory, or lower work_mem and max_connections",
    ),
    "53300": _FULL_OF_CLIENTS,
    "25006": Words(
        "The database accepts no changes: it is a standby, or set to read-only",
        "Name the primary server in OPENREGISTER_DATABASE_URL; with several hosts add "
        "target_session_attrs=read-write",
    ),
    "42501": Words(
        "The database role has no right to do this",
        "Make it the owner of the database: docs/install.md, PostgreSQL",
    ),
    "26000": _POOLED,
    "42P05": _POOLED,
    "3D000": Words("The database does not exist", "Create it: docs/install.md, PostgreSQL",
                   DatabaseUnreachableError),
    "23505": Words(
        "Another session stored the same thing a moment earlier", "Try again", ConflictError
    ),
    "23503": Words(
        "What this refers to was removed a moment earlier, or is still in use", "", ConflictError
    ),
}  # fmt: skip

_BY_CLASS: dict[str, Words] = {
    "08": _LOST,
    "22": Words("A value is not one that the database can hold", "", UnusableValueError),
    "28": _CREDENTIALS,
    "40": _BY_STATE["40001"],
    "54": Words("A value is too large for the database", "", UnusableValueError),
    "58": Words(
        "The database server cannot read or write its files",
        "Look into the server's log and at its disks",
    ),
    "XX": Words("The database server reports an internal error", "Look into the server's log"),
}

_PARAMETER = Words(
    "The pooler before the database refuses a setting of the connection",
    "Take `options` out of OPENREGISTER_DATABASE_URL, or add the parameter to "
    "ignore_startup_parameters of pgbouncer",
    DatabaseUnreachableError,
)
_KEPT_OUT = Words(
    "The database server does not let this host in",
    "Allow this host, role and database in pg_hba.conf",
    DatabaseUnreachableError,
)
_TLS = Words(
    "The encrypted connection to the database failed",
    "Check sslmode and sslrootcert in OPENREGISTER_DATABASE_URL",
    DatabaseUnreachableError,
)
_NO_SUCH_HOST = Words(
    "The name of the database server is not known",
    "Check the host in OPENREGISTER_DATABASE_URL",
    DatabaseUnreachableError,
)
_SILENT = Words("The database server did not answer in time", "", DatabaseUnreachableError)

_TEXTS: dict[str, Words] = {
    "unsupported startup parameter": _PARAMETER,
    "password authentication failed": _CREDENTIALS,
    "no password supplied": _CREDENTIALS,
    "role .* does not exist": _CREDENTIALS,
    "SASL authentication failed": _CREDENTIALS,
    "no such user": _CREDENTIALS,
    "pg_hba": _KEPT_OUT,
    "database .* does not exist": _BY_STATE["3D000"],
    "no such database": _BY_STATE["3D000"],
    "too many (clients|connections)": _FULL_OF_CLIENTS,
    "connection slots are reserved": _FULL_OF_CLIENTS,
    "no more connections allowed": _FULL_OF_CLIENTS,
    "query_wait_timeout": _FULL_OF_CLIENTS,
    "starting up|in recovery|not yet accepting": _STARTING,
    "shutting down|administrator command": _SHUTDOWN,
    "session is read-only|not in hot standby": _BY_STATE["25006"],
    "certificate|SSL|TLS": _TLS,
    "could not translate host name|failed to resolve|Name or service": _NO_SUCH_HOST,
    "refused|No such file|could not connect|server login (has been )?fail": _REFUSED,
    "timeout|timed out": _SILENT,
    "prepared statement": _POOLED,
}
"""By the messages of libpq and poolers before a session exists; the first match counts."""

_BY_TEXT = tuple((re.compile(text, re.IGNORECASE), words) for text, words in _TEXTS.items())

_CROWDED = Words(
    "All connections of this process to the database are in use",
    "Try again in a moment; if it stays so, another process holds locks: see pg_stat_activity",
    DatabaseBusyError,
)
_OTHER = Words(
    "The database refused a statement",
    "Look into the server's log; report it if the database was not changed by hand",
)


def translate(error: BaseException, where: str = "") -> OpenRegisterError | None:
    """Our error for a database error, with `where` naming the database; None for others."""
    if isinstance(error, OpenRegisterError):
        return error
    if isinstance(error, sa.exc.TimeoutError):
        return _made(_CROWDED, "", where)
    original: Any = error.orig if isinstance(error, sa.exc.StatementError) else error
    if not isinstance(original, psycopg.Error):
        return None
    return _made(_words(original), _said(original), where)


def retry_in(error: BaseException) -> float | None:
    """Seconds after which a retry may succeed; None if the error is permanent."""
    found = translate(error)
    return found.retry_after if isinstance(found, DatabaseError) else None


def is_lost(error: BaseException) -> bool:
    """Whether the connection is lost, and its transaction with it."""
    original: Any = error.orig if isinstance(error, sa.exc.StatementError) else error
    if not isinstance(original, psycopg.Error):
        return False
    state = original.sqlstate or ""
    return state in ("57P01", "57P02", "57P03", "57P05", "25P03", "25P04") or (
        isinstance(original, psycopg.OperationalError) and state[:2] in ("", "08")
    )


def _made(words: Words, said: str, where: str) -> OpenRegisterError:
    place = ": ".join(part for part in (where, said) if part)
    return words.kind(words.what, where=place, hint=words.hint)


def _words(error: psycopg.Error) -> Words:
    state = error.sqlstate
    if state is not None and (found := _BY_STATE.get(state) or _BY_CLASS.get(state[:2])):
        # poolers report their own errors with the codes of a broken connection
        if state[:2] in ("08", "28"):
            return _by_text(error) or found
        return found
    if state is None and isinstance(error, psycopg.OperationalError):
        return _by_text(error) or _LOST
    if isinstance(error, psycopg.DataError):  # a value the driver itself cannot send
        return _BY_CLASS["22"]
    return _OTHER


def _by_text(error: psycopg.Error) -> Words | None:
    text = str(error)
    return next((words for pattern, words in _BY_TEXT if pattern.search(text)), None)


def _said(error: psycopg.Error) -> str:
    """The server's message; never a statement with its values."""
    text = error.diag.message_primary or str(error).partition("\n")[0]
    if not error.sqlstate:
        text = str(error)  # one line per address tried
    state = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
    return f"{shorten(text).rstrip('.')}{state}"
