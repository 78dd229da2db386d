"""Reporting by SQL: keep the views in sync, and manage who may read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.application import Application
from app.registers import register_store
from app.reporting import roles
from app.reporting import views as reporting_views
from app.reporting.views import View


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What was done to the views, and whether the reader role was created."""

    views: Sequence[View]
    fixed: Sequence[str]
    role: str
    role_created: bool


@dataclass(frozen=True, slots=True)
class Granted:
    """Which views a role may, or may no longer, read; `register` is None for all of them."""

    role: str
    register: str | None
    views: Sequence[str]


def refresh(app: Application) -> Refreshed:
    """Update every view to match its schema, and restore read privileges.

    Views follow their schemas automatically; this is for a database that was restored or changed
    manually. All or nothing. Raises InUseError if another view depends on one, DatabaseError if
    the role is missing and cannot be created.
    """
    with app.engine.begin() as connection:
        views = reporting_views.refresh(connection)
        created = roles.ensure_reader(connection)
        roles.ensure_readers_of_registers(connection)
    return Refreshed(views, reporting_views.FIXED, reporting_views.READER, created)


def grant(app: Application, role: str, *, register: str | None = None) -> Granted:
    """Let a role of the server read the views: all of them, or those of one register.

    Raises NotFoundError for the role or the register, UsageError, DatabaseError if this database
    user may not grant it.
    """
    with app.engine.begin() as connection:
        number = None if register is None else register_store.get(connection, register).id
        views = roles.grant(connection, role, register_id=number)
    return Granted(role, register, views)


def revoke(app: Application, role: str, *, register: str | None = None) -> Granted:
    """Revoke what `grant` granted. Raises the same errors."""
    with app.engine.begin() as connection:
        number = None if register is None else register_store.get(connection, register).id
        views = roles.revoke(connection, role, register_id=number)
    return Granted(role, register, views)
