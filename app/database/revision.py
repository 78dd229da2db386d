"""Which form the database has, and which one this version of the software needs.

Every command asks this first, so it is answered without Alembic, whose import would cost more
than most commands: the names of the migrations are their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import sqlalchemy as sa

import migrations
from app.database.engine import describe
from app.database.tables import SCHEMA
from app.errors import NewerDatabaseError, NotMigratedError

LOCK = 0x6F72_6567_0001
"""The advisory lock of upgrades ("oreg"), the same in every version: an upgrade takes it alone,
everybody who writes shares it until the end of the transaction."""

_SHARE = f"SELECT pg_advisory_xact_lock_shared({LOCK})"
_CURRENT = f"SELECT version_num FROM {SCHEMA}.alembic_version"  # noqa: S608  (a constant)

FENCE = f"{_SHARE}; {_CURRENT}"
"""Two statements, in this order: the second sees what an upgrade committed before the lock came."""


RESTART = "Restart it with the new version; it has written nothing more"


class State(StrEnum):
    """How the database compares to the code."""

    EMPTY = "empty"
    """It has none of our tables."""
    BEHIND = "behind"
    """Migrations are pending."""
    CURRENT = "current"
    NEWER = "newer"
    """It was migrated by a newer version, whose migrations are unknown here."""


@dataclass(frozen=True, slots=True)
class Revision:
    """`current` is what the database has (None: nothing), `head` what the code needs."""

    current: str | None
    head: str
    state: State
    pending: Sequence[str] = ()


@cache
def known() -> tuple[str, ...]:
    """The revisions this version knows, oldest first: their modules' names begin with them."""
    modules = (Path(migrations.__file__).parent / "versions").glob("[0-9]*.py")
    return tuple(sorted(module.name.partition("_")[0] for module in modules))


def revision(connection: sa.Connection) -> Revision:
    """Compare the database to the code; writes nothing."""
    line = known()
    head = line[-1]
    table = f"{SCHEMA}.alembic_version"
    current: str | None = None
    if connection.scalar(sa.text("SELECT to_regclass(:name)"), {"name": table}) is not None:
        current = connection.scalar(sa.text(f"SELECT version_num FROM {table}"))  # noqa: S608 - a name of ours
    if current is None:
        return Revision(None, head, State.EMPTY, line)
    if current not in line:
        return Revision(current, head, State.NEWER)
    pending = line[line.index(current) + 1 :]
    return Revision(current, head, State.BEHIND if pending else State.CURRENT, pending)


def require_current(engine: sa.Engine) -> None:
    """Raise NotMigratedError or NewerDatabaseError unless code and database fit together."""
    with engine.connect() as connection:
        found = revision(connection)
    refuse_newer(found, engine)
    if found.state is State.EMPTY:
        raise NotMigratedError(
            "The database has no Open Register tables yet", where=describe(engine.url)
        )
    if found.state is State.BEHIND:
        raise NotMigratedError(
            f"The database is at version {found.current}, this software needs {found.head}",
            where=describe(engine.url),
        )


def fence(connection: sa.Connection) -> None:
    """Make the transaction one of this version: no upgrade runs or has run, none until its end.

    Raises NewerDatabaseError when one has.
    """
    connection.exec_driver_sql(_SHARE)
    refuse_other(connection.exec_driver_sql(_CURRENT).scalar_one_or_none())


def refuse_other(current: str | None) -> None:
    """Raise NewerDatabaseError unless the database is at this version's own revision."""
    head = known()[-1]
    if current != head:
        raise NewerDatabaseError(
            f"The database was upgraded to version {current or 'none'}, "
            f"this process still runs {head}",
            hint=RESTART,
        )


def refuse_newer(found: Revision, engine: sa.Engine) -> None:
    """Raise NewerDatabaseError when a newer version has migrated the database."""
    if found.state is State.NEWER:
        raise NewerDatabaseError(
            f"The database is at version {found.current}, this software knows up to {found.head}",
            where=describe(engine.url),
        )
