"""The errors of the application: one root, and an exit code each.

The root and the errors of sources come from the connector SDK. What the exit codes mean to a
script is fixed, see `EXIT_CODES`.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from enum import IntEnum
from typing import ClassVar

from connectors.sdk.errors import ConfigurationError, ConnectorError, OpenRegisterError

__all__ = [
    "AlreadyRunningError",
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
    """What a command ends with; scripts rely on the numbers."""

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
"""What each exit code of a command means to a script."""


class UsageError(OpenRegisterError):
    """What was asked for makes no sense as it stands."""

    exit_code: ClassVar[int] = ExitCode.USAGE


class NotFoundError(UsageError):
    """Nothing here has that name or number."""


class ExistsError(UsageError):
    """The name is taken."""

    default_hint: ClassVar[str] = "Choose another name, or change the one that exists"


class InUseError(UsageError):
    """Something else still depends on it."""


class OwnedError(UsageError):
    """The source that owns the object would write over the change with its next sync."""

    default_hint: ClassVar[str] = (
        "Change it at the source, or name the field in the source's `local_fields`"
    )


class InvalidObjectError(ConfigurationError):
    """The object does not satisfy its schema; `faults` names every faulty property."""


class SettingsError(ConfigurationError):
    """The settings of this installation are not valid; `faults` names every one of them."""


class DatabaseError(OpenRegisterError):
    """The database cannot be reached, or is not in the state that this version needs.

    `retry_after`: seconds after which the same may succeed, or None where somebody has to act.
    """

    retry_after: ClassVar[float | None] = None


class DatabaseBusyError(DatabaseError):
    """The database cannot do it at this moment: a restart, a lock, no free connection."""

    retry_after: ClassVar[float | None] = 5.0


class DatabaseUnreachableError(DatabaseError):
    """There is no connection to the database server."""

    retry_after: ClassVar[float | None] = 30.0
    default_hint: ClassVar[str] = (
        "Check OPENREGISTER_DATABASE_URL, that the server runs and that it lets this host in"
    )


class DatabaseVersionError(DatabaseError):
    """The database server is too old, or its database is not set up in a way we can use."""


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
    """A value was given that the database cannot hold."""

    default_hint: ClassVar[str] = "Shorten or change the value, then try again"


class ConflictError(OpenRegisterError):
    """Somebody else changed it in the meantime."""

    default_hint: ClassVar[str] = "Look at it again, then repeat the change"


class PlanChangedError(ConflictError):
    """What a run would do now is not what was planned."""

    default_hint: ClassVar[str] = (
        "Nothing was written; look at the new plan with `source:run NAME --dry-run`"
    )


class LostRunError(OpenRegisterError):
    """The run was taken away from this process: its lease ran out or it was repaired."""

    default_hint: ClassVar[str] = "Nothing is lost: the next run carries on where this one stopped"


class IntegrityError(OpenRegisterError):
    """Stored figures contradict each other; nothing may be built on them."""


class InternalError(OpenRegisterError):
    """An error that this software did not expect; the log has it under the same reference."""


class PartialError(OpenRegisterError):
    """The run finished, but some rows could not be written."""

    exit_code: ClassVar[int] = ExitCode.PARTIAL
    default_hint: ClassVar[str] = "`openregister source:errors NAME` shows the rejected rows"


class AlreadyRunningError(OpenRegisterError):
    """Another process is doing it right now."""

    exit_code: ClassVar[int] = ExitCode.RUNNING
    default_hint: ClassVar[str] = "Wait until it has finished, or stop it with source:cancel"


class HeldError(OpenRegisterError):
    """Stopped short of something drastic until a person says yes."""

    exit_code: ClassVar[int] = ExitCode.HELD
    default_hint: ClassVar[str] = "`openregister source:deletes NAME` shows what waits for approval"


class StoredObjectsError(HeldError):
    """Stored objects would not satisfy the new schema; `faults` names the first of them."""

    default_hint: ClassVar[str] = (
        "Nothing was saved; pass --force to save it all the same: the objects stay as they are"
    )

    def __init__(self, what: str, *, where: str = "", faults: dict[str, str]) -> None:
        super().__init__(what, where=where)
        self.faults = faults


def expected(error: BaseException) -> OpenRegisterError:
    """The error as people may see it.

    One that was raised on purpose says what failed and how to fix it. Of any other, people learn
    that it is internal; what was raised and where goes to the log, under a reference.
    """
    if isinstance(error, OpenRegisterError):
        return error
    if isinstance(error, MemoryError):
        return OpenRegisterError(
            "The memory was not enough",
            hint="A row or an answer is very large: leave out fields, or give the process more",
        )
    if isinstance(told := getattr(error, _TOLD, None), InternalError):
        return told  # on its way to people it passes several places that ask
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
