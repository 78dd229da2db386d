"""Create, change and drop the views in `openregister_reporting` along with the schemas.

Everything happens in the caller's transaction, under one lock of this database. Names and
comments come from users, so every statement is composed with psycopg's `sql`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

from app.database.tables import REPORTING_SCHEMA as SCHEMA
from app.database.tables import register_schemas, registers, reporting_grants, schemas
from app.database.tables import reporting_views as kept
from app.errors import DatabaseError, InUseError
from app.reporting import columns as rules
from app.reporting.columns import Column, Kind

READER = "openregister_reader"
"""The role that can read every view and nothing else."""

FIXED = ("audit", "jobs", "objects", "quarantine", "runs", "sources")
"""The views created by a migration."""

_LOCK = 0x6F72_6567_0002  # advisory: one transaction changes views at a time
_PATIENCE = "15s"


class Change(StrEnum):
    """What was done to a view."""

    CREATED = "created"
    EXTENDED = "extended"
    """Columns were added; views that depend on it are kept."""
    REBUILT = "rebuilt"
    """Columns were removed or changed type, so it was dropped and recreated."""
    RENAMED = "renamed"
    DROPPED = "dropped"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class View:
    """The view of a register's schema and what was done to it; `columns` as {name: SQL type}."""

    name: str
    register: str | None
    schema: str | None
    columns: dict[str, str]
    change: Change


_STANDARD = {
    "_uuid": ("uuid", "o.uuid", "Identity of the object, for good"),
    "_source": ("text", "s.name", "Source that it comes from. NULL: created by a user"),
    "_key": ("text", "o.source_key", "Its key at the source"),
    "_created": (str(Kind.TIME), "o.created", "When it was created here"),
    "_updated": (str(Kind.TIME), "o.updated", "When it was last changed"),
}
_EXPRESSIONS = {
    Kind.TEXT: "o.data ->> {}",
    Kind.BIGINT: "openregister.reporting_integer(o.data -> {})",
    Kind.NUMERIC: "openregister.reporting_number(o.data -> {})",
    Kind.BOOLEAN: "openregister.reporting_boolean(o.data -> {})",
    Kind.DATE: "openregister.reporting_date(o.data -> {})",
    Kind.TIME: "openregister.reporting_time(o.data -> {})",
    Kind.JSON: "openregister.reporting_json(o.data -> {})",
}


@dataclass(frozen=True, slots=True)
class _Wanted:
    register_id: int
    schema_id: int
    register: str
    schema: str
    title: str
    document: dict[str, Any]
    readers: Sequence[str]
    """Roles that may read only the views of this register."""


def refresh(
    connection: sa.Connection, *, register_id: int | None = None, schema_id: int | None = None
) -> list[View]:
    """Update the views of all schemas, or of one register or schema.

    A view that loses a column is recreated: InUseError if another view depends on it.
    DatabaseError if a long query holds the lock.
    """
    driver = locked(connection)
    selected = [
        column == number
        for name, number in (("register_id", register_id), ("schema_id", schema_id))
        if number is not None
        for column in (kept.c[name],)
    ]
    known = {
        (row.register_id, row.schema_id): row.name
        for row in connection.execute(sa.select(kept).where(*selected))
    }
    wanted = _wanted(connection, register_id, schema_id)
    gone = [pair for pair in known if pair not in {(w.register_id, w.schema_id) for w in wanted}]
    with _explained():
        dropped = [_drop(connection, driver, pair, known[pair]) for pair in gone]
        made = [
            _bring(connection, driver, one, known.get((one.register_id, one.schema_id)))
            for one in wanted
        ]
    return dropped + made


def locked(connection: sa.Connection) -> psycopg.Connection[Any]:
    """The driver's connection, once only this transaction can change views."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    with _explained():
        # a query that reads a view for hours must not block those who wait behind us
        driver.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(_PATIENCE)))
        driver.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    return driver


def names(connection: sa.Connection, *, register_id: int | None = None) -> list[str]:
    """The names of our views: the fixed ones and those of schemas, or of one register."""
    query = sa.select(kept.c.name).order_by(kept.c.name)
    if register_id is not None:
        return list(connection.scalars(query.where(kept.c.register_id == register_id)))
    return [*FIXED, *connection.scalars(query)]


def qualified(name: str) -> sql.Identifier:
    """The qualified name of a view, for a statement."""
    return sql.Identifier(SCHEMA, name)


def existing_roles(driver: psycopg.Connection[Any], roles: Sequence[str]) -> list[str]:
    """The given roles that exist on the server."""
    rows = driver.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(roles)])
    return [name for (name,) in rows.fetchall()]


def _wanted(
    connection: sa.Connection, register_id: int | None, schema_id: int | None
) -> list[_Wanted]:
    readers = (
        sa.select(sa.func.array_agg(reporting_grants.c.role))
        .where(reporting_grants.c.register_id == registers.c.id)
        .scalar_subquery()
    )
    query = (
        sa.select(
            registers.c.id.label("register_id"),
            schemas.c.id.label("schema_id"),
            registers.c.slug.label("register"),
            schemas.c.slug.label("schema"),
            schemas.c.title,
            schemas.c.document,
            sa.func.coalesce(readers, sa.cast([], sa.ARRAY(sa.Text))).label("readers"),
        )
        .join(register_schemas, register_schemas.c.register_id == registers.c.id)
        .join(schemas, schemas.c.id == register_schemas.c.schema_id)
        .order_by(registers.c.slug, schemas.c.slug)
    )
    if register_id is not None:
        query = query.where(registers.c.id == register_id)
    if schema_id is not None:
        query = query.where(schemas.c.id == schema_id)
    return [_Wanted(**row._mapping) for row in connection.execute(query)]


def _bring(
    connection: sa.Connection, driver: psycopg.Connection[Any], one: _Wanted, name: str | None
) -> View:
    """Create the view or update its definition."""
    target = rules.view_name(one.register, one.schema)
    change = Change.UNCHANGED
    if name is not None and name != target:
        driver.execute(
            sql.SQL("ALTER VIEW IF EXISTS {} RENAME TO {}").format(
                qualified(name), sql.Identifier(target)
            )
        )
        change = Change.RENAMED
    listed = rules.columns(one.document)
    wanted = {name: kind for name, (kind, _, _) in _STANDARD.items()}
    wanted |= {column.name: str(column.kind) for column in listed}
    have = _columns(driver, target)
    grants: list[tuple[str, str, bool]] = []
    if have is not None and name is None:
        raise InUseError(
            f"There is a view or table {target!r} in {SCHEMA} that is not ours",
            hint=f"Rename it: the name belongs to schema {one.schema} of register {one.register}",
        )
    if have is None:
        change = Change.CREATED
    elif not have.items() <= wanted.items():
        change = Change.REBUILT
        grants = _grants(driver, target)
        _drop_view(driver, target)
        have = None
    elif len(have) < len(wanted):
        change = Change.EXTENDED
    # a view can only be extended at its end, so the columns it has keep their places
    order = [*(have or ()), *(column for column in wanted if column not in (have or ()))]
    _create(driver, target, one, {column.name: column for column in listed}, order)
    _grant(driver, target, one.readers, grants)
    _remember(connection, one, target)
    return View(target, one.register, one.schema, {name: wanted[name] for name in order}, change)


def _create(
    driver: psycopg.Connection[Any],
    name: str,
    one: _Wanted,
    columns: dict[str, Column],
    order: Sequence[str],
) -> None:
    selected, comments = [], []
    for column in order:
        if column in _STANDARD:
            _, source, comment = _STANDARD[column]
            expression: sql.Composable = sql.SQL(source)
        else:
            found = columns[column]
            expression = sql.SQL(_EXPRESSIONS[found.kind]).format(sql.Literal(found.member))
            comment = found.comment
        selected.append(sql.SQL("{} AS {}").format(expression, sql.Identifier(column)))
        comments.append(
            sql.SQL("COMMENT ON COLUMN {} IS {}").format(
                sql.Identifier(SCHEMA, name, column), sql.Literal(comment)
            )
        )
    statement = sql.SQL(
        "CREATE OR REPLACE VIEW {} WITH (security_barrier = {}) AS SELECT {}"
        " FROM openregister.objects o LEFT JOIN openregister.sources s ON s.id = o.source_id"
        " WHERE o.register_id = {} AND o.schema_id = {} AND o.deleted IS NULL"
    ).format(
        qualified(name),
        # a reader of one register must not see others through a function of their own
        sql.Literal(bool(one.readers)),
        sql.SQL(", ").join(selected),
        sql.Literal(one.register_id),
        sql.Literal(one.schema_id),
    )
    title = f"{one.title}: " if one.title != one.schema else ""
    about = sql.SQL("COMMENT ON VIEW {} IS {}").format(
        qualified(name),
        sql.Literal(f"{title}live objects of schema {one.schema} in register {one.register}"),
    )
    driver.execute(sql.SQL("; ").join([statement, about, *comments]))


def _columns(driver: psycopg.Connection[Any], name: str) -> dict[str, str] | None:
    """The columns of the relation with that name, in order; None if there is none."""
    found = driver.execute(
        "SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relname = %s",
        [SCHEMA, name],
    ).fetchone()
    if found is None:
        return None
    rows = driver.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        found,
    )
    return {str(column): str(kind) for column, kind in rows.fetchall()}


def _grants(driver: psycopg.Connection[Any], name: str) -> list[tuple[str, str, bool]]:
    """Privileges granted on a view: (role, empty for PUBLIC; privilege; grant option)."""
    rows = driver.execute(
        "SELECT CASE WHEN acl.grantee <> 0 THEN pg_get_userbyid(acl.grantee) ELSE '' END,"
        " acl.privilege_type, acl.is_grantable"
        " FROM pg_class c, aclexplode(c.relacl) AS acl"
        " WHERE c.relnamespace = to_regnamespace(%s) AND c.relname = %s"
        " AND acl.grantee <> c.relowner",
        [SCHEMA, name],
    )
    return [(str(role), str(privilege), bool(option)) for role, privilege, option in rows]


def _grant(
    driver: psycopg.Connection[Any],
    name: str,
    readers: Sequence[str],
    before: Sequence[tuple[str, str, bool]],
) -> None:
    """Let the readers read the view, and restore earlier grants on it."""
    for role in existing_roles(driver, [READER, *readers]):
        driver.execute(
            sql.SQL("GRANT SELECT ON {} TO {}").format(qualified(name), sql.Identifier(role))
        )
    for role, privilege, option in before:
        driver.execute(
            sql.SQL("GRANT {} ON {} TO {}{}").format(
                sql.SQL(privilege),
                qualified(name),
                sql.Identifier(role) if role else sql.SQL("PUBLIC"),
                sql.SQL(" WITH GRANT OPTION" if option else ""),
            )
        )


def _remember(connection: sa.Connection, one: _Wanted, name: str) -> None:
    pair = {"register_id": one.register_id, "schema_id": one.schema_id}
    changed = connection.execute(
        sa.update(kept).filter_by(**pair).values(name=name).returning(kept.c.name)
    ).first()
    if changed is None:
        connection.execute(sa.insert(kept).values(name=name, **pair))


def _drop(
    connection: sa.Connection,
    driver: psycopg.Connection[Any],
    pair: tuple[int, int],
    name: str,
) -> View:
    _drop_view(driver, name)
    connection.execute(
        sa.delete(kept).where(kept.c.register_id == pair[0], kept.c.schema_id == pair[1])
    )
    return View(name, None, None, {}, Change.DROPPED)


def _drop_view(driver: psycopg.Connection[Any], name: str) -> None:
    """Drop the view, but never views that depend on it. Raises InUseError."""
    try:
        driver.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(qualified(name)))
    except psycopg.errors.DependentObjectsStillExist as error:
        raise InUseError(
            f"The view {SCHEMA}.{name} would lose or change columns, or go, but others depend"
            f" on it: {'; '.join((error.diag.message_detail or '').splitlines())}",
            hint="Drop or change these first, then try again; nothing was changed",
        ) from None


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        raise DatabaseError(
            "The reporting views are being read or changed elsewhere",
            where=SCHEMA,
            hint="Try again when the long query has finished; nothing was changed",
        ) from None
