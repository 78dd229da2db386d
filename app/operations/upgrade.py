"""Upgrade the database: its tables, and the reporting views derived from them."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from app.database import migrate
from app.database.revision import Revision
from app.reporting import roles, views

_log = logging.getLogger(__name__)


def upgrade(engine: sa.Engine) -> Revision:
    """Apply pending migrations and refresh the views, in one transaction.

    Returns and raises the same as `migrate.upgrade`.
    """
    return migrate.upgrade(engine, then=_refresh)


def _refresh(connection: sa.Connection) -> None:
    """Update the views of existing schemas by the current rules, and their reader role."""
    views.refresh(connection)
    if roles.may_create(connection):
        roles.ensure_reader(connection)
    else:
        _log.warning(
            "The role %s is missing and this database user may not create it; "
            "`openregister reporting:refresh` says what to do",
            views.READER,
        )
