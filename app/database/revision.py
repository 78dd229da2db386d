"""Compare the revision of the database with the one this version needs.

Every command checks this first, without Alembic, whose import takes longer than most commands:
the names of the migrations give their order.
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
"""Advisory lock of upgrades ("oreg"), the same in every version: exclusive for an upgrade, shared
by every writer until the end of its transaction."""

_SHARE = f"SELECT pg_advisory_xact_lock_shared({LOCK})"
_CURRENT = f"SELECT version_num FROM {SCHEMA}.alembic_version"  # noqa: S608  (a constant)

FENCE = f"{_SHARE}; {_CURRENT}"
"""Two statements, so that the second sees what an upgrade committed before the lock was granted."""


RESTART = "Restart it with the new version; it has stopped writing"


class State(StrEnum):
    """The state of the database relative to the code."""

    EMPTY = "empty"
    """It contains none of our tables."""
    BEHIND = "behind"
    """Migrations are pending."""
    CURRENT = "current"
    NEWER = "newer"
    """A newer version migrated it, with migrations unknown to this version."""


@dataclass(frozen=True, slots=True)
class Revision:
    """`current`: revision of the database (None: no tables); `head`: what the code needs."""

    current: str | None
    head: str
    state: State
    pending: Sequence[str] = ()


@cache
def known() -> tuple[str, ...]:
    """The revisions known to this version, oldest first, from the names of their modules."""
    modules = (Path(migrations.__file__).parent / "versions").glob("[0-9]*.py")
    return tuple(sorted(module.name.partition("_")[0] for module in modules))


def revision(connection: sa.Connection) -> Revision:
    """Compare the database with the code, read-only."""
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


def is_bare(connection: sa.Connection) -> bool:
    """Whether the database holds no table, ours or others'."""
    return not connection.scalar(
        sa.text(
            "SELECT EXISTS (SELECT FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relkind IN ('r', 'p', 'v', 'm', 'f')"
            " AND nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_'"
            " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
            " AND d.objid = pg_class.oid AND d.deptype = 'e'))"  # those of extensions
        )
    )


def require_current(engine: sa.Engine) -> None:
    """Raise NotMigratedError or NewerDatabaseError unless the database is at our revision."""
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
    """Bind the transaction to this version: no upgrade has run, and none can until it ends.

    Raises NewerDatabaseError if one has run.
    """
    connection.exec_driver_sql(_SHARE)
    refuse_other(connection.exec_driver_sql(_CURRENT).scalar_one_or_none())


def refuse_other(current: str | None) -> None:
    """Raise NewerDatabaseError unless the database is at this version's revision."""
    head = known()[-1]
    if current != head:
        raise NewerDatabaseError(
            f"The database was upgraded to version {current or 'none'}, "
            f"this process still runs {head}",
            hint=RESTART,
        )


def refuse_newer(found: Revision, engine: sa.Engine) -> None:
    """Raise NewerDatabaseError if a newer version has migrated the database."""
    if found.state is State.NEWER:
        raise NewerDatabaseError(
            f"The database is at version {found.current}, this software knows up to {found.head}",
            where=describe(engine.url),
        )
