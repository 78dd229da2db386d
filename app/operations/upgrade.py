"""Bringing the database up to date: its tables, and the reporting views that follow from them."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from app.database import migrate
from app.database.revision import Revision
from app.reporting import roles, views

_log = logging.getLogger(__name__)


def upgrade(engine: sa.Engine) -> Revision:
    """Apply pending migrations and refresh the views, in one transaction.

    Returns and raises what `migrate.upgrade` does.
    """
    return migrate.upgrade(engine, then=_refresh)


def _refresh(connection: sa.Connection) -> None:
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
