"""The errors of the application, each with an exit code.

The root class and the errors of sources come from the connector SDK. Scripts rely on the exit codes
in `EXIT_CODES`.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from enum import IntEnum
from typing import ClassVar

from connectors.sdk.errors import ConfigurationError, ConnectorError, OpenRegisterError

__all__ = [
    "AlreadyRunningError",
    "ChangedError",
    "ConfigurationError",
    "ConflictError",
    "ConnectorError",
    "DatabaseBusyError",
    "DatabaseError",
    "DatabaseUnreachableError",
    "DatabaseVersionError",
    "EmbeddedServerError",
    "ExistsError",
    "ExitCode",
    "HeldError",
    "InUseError",
    "IntegrityError",
    "InternalError",
    "InvalidObjectError",
    "LostRunError",
    "NewerDatabaseError",
    "NotFoundError",
    "NotMigratedError",
    "OpenRegisterError",
    "OwnedError",
    "PartialError",
    "PlanChangedError",
    "SecretKeyError",
    "SettingsError",
    "StoredObjectsError",
    "UnusableValueError",
    "UsageError",
    "expected",
]

_log = logging.getLogger(__name__)

_TOLD = "openregister_internal_error"


class ExitCode(IntEnum):
    """Exit codes of commands; scripts rely on these numbers."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    RUNNING = 4
    HELD = 5


EXIT_CODES: dict[int, str] = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed: unreachable source, database error, lost run",
    ExitCode.USAGE: "wrong usage or invalid configuration",
    ExitCode.PARTIAL: "finished, but with row errors (`partial`)",
    ExitCode.RUNNING: "already running elsewhere",
    ExitCode.HELD: "held for approval",
}
"""The meaning of each exit code."""


class UsageError(OpenRegisterError):
    """The request is not valid."""

    exit_code: ClassVar[int] = ExitCode.USAGE


class NotFoundError(UsageError):
    """There is nothing with that name or id."""


class ExistsError(UsageError):
    """The name is already in use."""

    default_hint: ClassVar[str] = "Choose another name, or change the existing one"


class InUseError(UsageError):
    """Something else still depends on it."""


class OwnedError(UsageError):
    """The source that owns the object would overwrite the change with its next sync."""

    default_hint: ClassVar[str] = (
        "Change it at the source, or add the field to the source's `local_fields`"
    )


class InvalidObjectError(ConfigurationError):
    """The object does not satisfy its schema; `faults` lists every invalid property."""


class SettingsError(ConfigurationError):
    """The settings of this installation are not valid; `faults` lists them."""


class DatabaseError(OpenRegisterError):
    """The database cannot be reached, or is not in the state that this version needs.

    `retry_after`: seconds after which a retry may succeed, or None if a user must act.
    """

    retry_after: ClassVar[float | None] = None


class DatabaseBusyError(DatabaseError):
    """The database is temporarily unavailable: a restart, a lock, no free connection."""

    retry_after: ClassVar[float | None] = 5.0


class DatabaseUnreachableError(DatabaseError):
    """There is no connection to the database server."""

    retry_after: ClassVar[float | None] = 30.0
    default_hint: ClassVar[str] = (
        "Check OPENREGISTER_DATABASE_URL, that the server is running and that it accepts this host"
    )


class DatabaseVersionError(DatabaseError):
    """The database server is too old, or its database has unsuitable settings."""


class NotMigratedError(DatabaseError):
    """The tables are missing, or older than this version of the software."""

    default_hint: ClassVar[str] = "Run `openregister upgrade`"


class NewerDatabaseError(DatabaseError):
    """A newer version of the software has migrated the database."""

    default_hint: ClassVar[str] = "Install that version here too; nothing was changed"


class EmbeddedServerError(DatabaseError):
    """The embedded PostgreSQL could not be created, started, used or stopped."""


class SecretKeyError(OpenRegisterError):
    """The key for stored secrets is missing, unsafe or not the one they were encrypted with."""


class UnusableValueError(UsageError):
    """The database cannot store a value."""

    default_hint: ClassVar[str] = "Shorten or change the value, then try again"


class ConflictError(OpenRegisterError):
    """Another user changed it in the meantime."""

    default_hint: ClassVar[str] = "Reload it, then retry the change"


class ChangedError(ConflictError):
    """It is no longer as it was when the change was prepared.

    `by`: who changed it last, empty if nobody knows. `at`: when.
    """

    def __init__(self, what: str, *, by: str, at: datetime) -> None:
        self.by, self.at = by, at
        who = f" by {by}" if by else ""
        super().__init__(f"{what} was changed{who} at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")


class PlanChangedError(ConflictError):
    """A run would now do something other than planned."""

    default_hint: ClassVar[str] = (
        "Nothing was written; review the new plan with `source:run NAME --dry-run`"
    )


class LostRunError(OpenRegisterError):
    """The run was taken over from this process: its lease expired or it was repaired."""

    default_hint: ClassVar[str] = "Nothing is lost: the next run continues where this one stopped"


class IntegrityError(OpenRegisterError):
    """Stored figures contradict each other and cannot be relied on."""


class InternalError(OpenRegisterError):
    """An error that this software did not expect; the log has it under the same reference."""


class PartialError(OpenRegisterError):
    """The run finished, but some rows could not be written."""

    exit_code: ClassVar[int] = ExitCode.PARTIAL
    default_hint: ClassVar[str] = "`openregister source:errors NAME` shows the rejected rows"


class AlreadyRunningError(OpenRegisterError):
    """Another process is already doing it."""

    exit_code: ClassVar[int] = ExitCode.RUNNING
    default_hint: ClassVar[str] = "Wait until it has finished, or stop it with source:cancel"


class HeldError(OpenRegisterError):
    """Stopped before a drastic change until a user approves it."""

    exit_code: ClassVar[int] = ExitCode.HELD
    default_hint: ClassVar[str] = "`openregister source:deletes NAME` lists what waits for approval"


class StoredObjectsError(HeldError):
    """Stored objects would not satisfy the new schema; `faults` lists the first of them."""

    default_hint: ClassVar[str] = (
        "Nothing was saved; use --force to save it anyway; the objects are unchanged"
    )

    def __init__(self, what: str, *, where: str = "", faults: dict[str, str]) -> None:
        super().__init__(what, where=where)
        self.faults = faults


def expected(error: BaseException) -> OpenRegisterError:
    """The error as shown to users.

    An expected error says what failed and how to fix it. Any other is shown as internal; the
    exception and its traceback are logged under a reference.
    """
    if isinstance(error, OpenRegisterError):
        return error
    if isinstance(error, MemoryError):
        return OpenRegisterError(
            "Out of memory",
            hint="A row or a response is very large: remove fields, or give it more memory",
        )
    if isinstance(told := getattr(error, _TOLD, None), InternalError):
        return told  # it passes several places on its way to the user
    reference = secrets.token_hex(4)
    # without a handler of ours `logging` would print the secrets of a traceback as well
    trace = error if logging.root.handlers else None
    _log.error("Internal error %s", reference, exc_info=trace)
    known = InternalError(
        "Internal error", hint=f"Look for {reference} in the log, and report what it says there"
    )
    with suppress(AttributeError):
        setattr(error, _TOLD, known)
    return known
