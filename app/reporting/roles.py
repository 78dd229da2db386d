"""Roles that may read the views: `openregister_reader`, and grants for single registers.

Roles belong to the whole server, so its databases share `openregister_reader`, and another
database may create or drop it at the same moment. Privileges are granted per database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects.postgresql import insert

from app.database.tables import REPORTING_SCHEMA as SCHEMA
from app.database.tables import reporting_grants
from app.errors import DatabaseError, NotFoundError, UsageError
from app.reporting import views
from app.reporting.views import READER

_ATTEMPTS = 5


def may_create(connection: sa.Connection) -> bool:
    """Whether the role exists, or this database user can create it."""
    query = "SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"
    return _exists(connection, READER) or bool(connection.scalar(sa.text(query)))


def ensure_reader(connection: sa.Connection) -> bool:
    """Create the role if it is missing, and let it read every view; whether it was created.

    Raises DatabaseError if the role is missing and this database user cannot create it.
    """
    driver = views.locked(connection)
    made = False
    for attempt in range(_ATTEMPTS):
        try:
            with driver.transaction():  # a savepoint: another database may create it first
                if not _exists(connection, READER):
                    driver.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(READER)))
                    made = True
                # once it holds a grant, the role cannot be dropped until we are done
                _grant_on(driver, READER, views.names(connection))
            break
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseError(
                f"The role {READER} cannot be set up: {error.diag.message_primary}",
                hint=f"Let an administrator of the server run: CREATE ROLE {READER} NOLOGIN; "
                "then try again. Nothing was changed",
            ) from None
        except (
            psycopg.errors.UniqueViolation,
            psycopg.errors.DuplicateObject,
            psycopg.errors.UndefinedObject,
        ):
            made = False
            if attempt == _ATTEMPTS - 1:
                raise
    return made


def ensure_readers_of_registers(connection: sa.Connection) -> None:
    """Restore the privileges of the roles of single registers, for roles that exist.

    A dump restored without privileges still lists these roles.
    """
    driver = views.locked(connection)
    named = list(connection.scalars(sa.select(reporting_grants.c.role).distinct()))
    existing = views.existing_roles(driver, named)
    query = sa.select(reporting_grants).where(reporting_grants.c.role.in_(existing))
    for row in connection.execute(query).all():
        _grant_on(driver, row.role, views.names(connection, register_id=row.register_id))


def grant(connection: sa.Connection, role: str, *, register_id: int | None = None) -> list[str]:
    """Let a role read every view, or the views of one register; returns the view names.

    Raises NotFoundError for the role, UsageError for an unsuitable role, DatabaseError if this
    database user lacks the privilege.
    """
    driver = views.locked(connection)
    _check(connection, role)
    if register_id is None:
        ensure_reader(connection)
        statement = sql.SQL("GRANT {} TO {}").format(sql.Identifier(READER), sql.Identifier(role))
        with _allowed(connection, driver, statement):
            driver.execute(statement)
        return views.names(connection)
    connection.execute(
        insert(reporting_grants).values(register_id=register_id, role=role).on_conflict_do_nothing()
    )
    views.refresh(connection, register_id=register_id)
    names = views.names(connection, register_id=register_id)
    _grant_on(driver, role, names)
    return names


def revoke(connection: sa.Connection, role: str, *, register_id: int | None = None) -> list[str]:
    """Revoke what `grant` granted; returns the view names. Raises the same errors."""
    driver = views.locked(connection)
    _check(connection, role)
    if register_id is None:
        statement = sql.SQL("REVOKE {} FROM {}").format(
            sql.Identifier(READER), sql.Identifier(role)
        )
        if _exists(connection, READER):
            with _allowed(connection, driver, statement):
                driver.execute(statement)
        return views.names(connection)
    connection.execute(
        sa.delete(reporting_grants).where(
            reporting_grants.c.register_id == register_id, reporting_grants.c.role == role
        )
    )
    names = views.names(connection, register_id=register_id)
    for name in names:
        driver.execute(
            sql.SQL("REVOKE SELECT ON {} FROM {}").format(
                views.qualified(name), sql.Identifier(role)
            )
        )
    if not connection.scalar(sa.select(sa.exists().where(reporting_grants.c.role == role))):
        driver.execute(
            sql.SQL("REVOKE USAGE ON SCHEMA {} FROM {}").format(
                sql.Identifier(SCHEMA), sql.Identifier(role)
            )
        )
    views.refresh(connection, register_id=register_id)
    return names


def _grant_on(driver: psycopg.Connection[Any], role: str, names: list[str]) -> None:
    to = sql.Identifier(role)
    driver.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(SCHEMA), to))
    if names:
        listed = sql.SQL(", ").join(map(views.qualified, names))
        driver.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(listed, to))


def _check(connection: sa.Connection, role: str) -> None:
    if role == READER:
        raise UsageError(
            f"{READER} already reads every view", hint="Name the role of a user or a program"
        )
    if not _exists(connection, role):
        raise NotFoundError(
            f"The database server has no role {role!r}",
            hint=f"Create it first, as an administrator of the server: CREATE ROLE {role} LOGIN "
            "PASSWORD '…'",
        )


def _exists(connection: sa.Connection, role: str) -> bool:
    query = sa.text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")
    return bool(connection.scalar(query, {"role": role}))


@contextmanager
def _allowed(
    connection: sa.Connection, driver: psycopg.Connection[Any], statement: sql.Composed
) -> Iterator[None]:
    text = statement.as_string(driver)
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"This database user lacks the privilege: {error.diag.message_primary}",
            hint=f"Let an administrator of the server run: {text}. Nothing was changed",
        ) from None
