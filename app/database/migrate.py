"""Bring the database to the form this version of the software needs.

All pending migrations run in one transaction that holds an advisory lock: any number of hosts
may upgrade at once, one of them does the work, and a failure leaves everything as it was.
"""

from __future__ import annotations

import logging
from pathlib import Path

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError

import migrations
from app.database.engine import describe
from app.database.errors import translate
from app.database.revision import LOCK, Revision, refuse_newer, revision
from app.database.tables import SCHEMA
from app.errors import DatabaseError
from app.reporting import roles, views

_log = logging.getLogger(__name__)
_SCRIPTS = Path(migrations.__file__).parent


def config(connection: sa.Connection | None = None) -> Config:
    """What Alembic needs to know; nothing of it is read from a file."""
    made = Config()
    # ConfigParser expands "%"
    made.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def upgrade(engine: sa.Engine) -> Revision:
    """Apply what is pending; the revision before, whose `pending` is what was applied.

    Waits for an upgrade that runs elsewhere. Raises NewerDatabaseError, and DatabaseError when
    a migration fails; nothing is changed then.
    """
    try:
        with engine.begin() as connection:
            _lock(connection)
            before = revision(connection)
            refuse_newer(before, engine)
            if before.pending:
                connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
                command.upgrade(config(connection), "head")
                _report(connection)
    except (DBAPIError, psycopg.Error) as error:
        known = translate(error, describe(engine.url))
        assert known is not None  # one of the database's
        raise DatabaseError(
            f"The upgrade failed: {known.what}",
            where=known.where,
            hint=f"Nothing was changed. {known.hint}; then run `openregister upgrade` again",
        ) from error
    return before


def downgrade(engine: sa.Engine, target: str = "base") -> None:
    """Undo migrations down to `target`, with the data in their tables. For tests and developers."""
    with engine.begin() as connection:
        _lock(connection)
        command.downgrade(config(connection), target)


def _report(connection: sa.Connection) -> None:
    """Views of the schemas that are there, by today's rules, and the role that reads them."""
    views.refresh(connection)
    if roles.may_create(connection):
        roles.ensure_reader(connection)
    else:
        _log.warning(
            "The role %s is missing and this database user may not create it; "
            "`openregister reporting:refresh` says what to do",
            views.READER,
        )


def _lock(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
