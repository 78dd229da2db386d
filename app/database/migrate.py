"""Migrate the database to the schema this version needs.

All pending migrations run in one transaction that holds an advisory lock. Any number of hosts
may upgrade at once: one does the work, and a failure changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError

import migrations
from app.database import tables
from app.database.engine import describe
from app.database.errors import translate
from app.database.revision import LOCK, Revision, refuse_newer, revision
from app.database.tables import SCHEMA
from app.errors import DatabaseError
from jobs import tables as job_tables

_SCRIPTS = Path(migrations.__file__).parent


def config(connection: sa.Connection | None = None) -> Config:
    """Alembic's configuration; none of it is read from a file."""
    made = Config()
    # ConfigParser expands "%"
    made.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    made.attributes["metadata"] = [tables.metadata, job_tables.metadata]
    made.attributes["schema"] = SCHEMA
    return made


def upgrade(
    engine: sa.Engine, then: Callable[[sa.Connection], None] = lambda connection: None
) -> Revision:
    """Apply pending migrations; returns the previous revision, whose `pending` lists them.

    `then` runs in the same transaction after migrations were applied. Waits for an upgrade on
    another host. Raises NewerDatabaseError, and DatabaseError if a migration fails; the
    database is then unchanged.
    """
    try:
        with engine.begin() as connection:
            _lock(connection)
            before = revision(connection)
            refuse_newer(before, engine)
            if before.pending:
                connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
                command.upgrade(config(connection), "head")
                then(connection)
    except (DBAPIError, psycopg.Error) as error:
        known = translate(error, describe(engine.url))
        assert known is not None  # it is a database error
        raise DatabaseError(
            f"The upgrade failed: {known.what}",
            where=known.where,
            hint=f"Nothing was changed. {known.hint}; then run `openregister upgrade` again",
        ) from error
    return before


def downgrade(engine: sa.Engine, target: str = "base") -> None:
    """Undo migrations down to `target`, deleting their data. For tests and development."""
    with engine.begin() as connection:
        _lock(connection)
        command.downgrade(config(connection), target)


def _lock(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
