"""Store registers: named collections of objects."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.database.names import check_slug
from app.database.tables import objects, register_schemas, registers, source_targets, sources
from app.errors import ChangedError, ExistsError, InUseError, NotFoundError
from app.registers.model import Register

_COLUMNS = [
    registers.c[name]
    for name in ("id", "slug", "title", "description", "created", "updated", "changed_by")
]


def add(
    connection: sa.Connection,
    slug: str,
    *,
    title: str = "",
    description: str = "",
    actor: str = "",
) -> Register:
    """Create a register. Raises UsageError for an invalid slug, ExistsError for one in use."""
    row = connection.execute(
        insert(registers)
        .values(
            slug=check_slug("register", slug),
            title=title or slug,
            description=description,
            changed_by=actor,
        )
        .on_conflict_do_nothing(index_elements=["slug"])
        .returning(*_COLUMNS)
    ).one_or_none()
    if row is None:
        raise ExistsError(f"Register {slug!r} already exists")
    return Register(**row._mapping)


def find(connection: sa.Connection, slug: str) -> Register | None:
    """The register, or None."""
    row = connection.execute(sa.select(*_COLUMNS).where(registers.c.slug == slug)).one_or_none()
    return None if row is None else Register(**row._mapping)


def get(connection: sa.Connection, slug: str) -> Register:
    """The register. Raises NotFoundError."""
    register = find(connection, slug)
    if register is None:
        raise _missing(slug)
    return register


def list_all(connection: sa.Connection) -> list[Register]:
    """All registers by slug."""
    rows = connection.execute(sa.select(*_COLUMNS).order_by(registers.c.slug))
    return [Register(**row._mapping) for row in rows]


def update(
    connection: sa.Connection,
    slug: str,
    *,
    title: str | None = None,
    description: str | None = None,
    actor: str = "",
    if_updated: datetime | None = None,
) -> Register:
    """Change the given values; None changes nothing.

    Raises NotFoundError; ChangedError if it has changed since `if_updated`.
    """
    _locked(connection, slug, if_updated)
    values: dict[str, Any] = {"updated": sa.func.clock_timestamp(), "changed_by": actor}
    values |= {"title": title} if title is not None else {}
    values |= {"description": description} if description is not None else {}
    row = connection.execute(
        sa.update(registers).where(registers.c.slug == slug).values(values).returning(*_COLUMNS)
    ).one()
    return Register(**row._mapping)


def delete(connection: sa.Connection, slug: str, *, if_updated: datetime | None = None) -> None:
    """Delete an empty register. Raises NotFoundError, InUseError, ChangedError as `update`.

    Deleted objects count too, because their history refers to the register.
    """
    register = _locked(connection, slug, if_updated)
    users = connection.scalars(
        sa.select(sources.c.name)
        .join(source_targets, source_targets.c.source_id == sources.c.id)
        .where(source_targets.c.register_id == register.id)
        .distinct()
        .order_by(sources.c.name)
    ).all()
    if users:
        raise InUseError(
            f"Register {slug!r} is the target of {', '.join(users)}",
            hint="Point these sources elsewhere, or delete them first",
        )
    if connection.scalar(sa.select(sa.exists().where(objects.c.register_id == register.id))):
        raise InUseError(
            f"Register {slug!r} contains objects", hint="Only an empty register can be deleted"
        )
    connection.execute(
        sa.delete(register_schemas).where(register_schemas.c.register_id == register.id)
    )
    connection.execute(sa.delete(registers).where(registers.c.id == register.id))


def _locked(connection: sa.Connection, slug: str, if_updated: datetime | None) -> Register:
    row = connection.execute(
        sa.select(*_COLUMNS).where(registers.c.slug == slug).with_for_update()
    ).one_or_none()
    if row is None:
        raise _missing(slug)
    found = Register(**row._mapping)
    if if_updated is not None and found.updated != if_updated:
        raise ChangedError(f"Register {slug!r}", by=found.changed_by, at=found.updated)
    return found


def _missing(slug: str) -> NotFoundError:
    return NotFoundError(
        f"There is no register {slug!r}", hint="`openregister register:list` lists the registers"
    )
