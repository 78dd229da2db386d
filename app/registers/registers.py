"""Registers: add, change, show, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from app.application import Application
from app.registers import object_store as objects
from app.registers import register_store as store
from app.registers import schema_store as schemas
from app.registers.object_store import Selection
from app.registers.register_store import Register
from app.reporting import views


@dataclass(frozen=True, slots=True)
class Overview:
    """A register, the slugs of its schemas, and how many objects it holds (no deleted ones).

    Up to 10,000 of a schema are counted; above, `exact` is False and the planner has estimated.
    """

    register: Register
    schemas: Sequence[str]
    objects: int
    exact: bool


def add(app: Application, slug: str, *, title: str = "", description: str = "") -> Register:
    """Create a register. Raises UsageError for a bad slug, ExistsError for one that is taken."""
    with app.engine.begin() as connection:
        return store.add(connection, slug, title=title, description=description)


def overview(app: Application) -> list[Overview]:
    """Every register, by slug."""
    with app.engine.connect() as connection:
        return [_overview(connection, register) for register in store.list_all(connection)]


def show(app: Application, slug: str) -> Overview:
    """One register. Raises NotFoundError."""
    with app.engine.connect() as connection:
        return _overview(connection, store.get(connection, slug))


def names(app: Application) -> list[tuple[Register, list[str]]]:
    """Every register by slug, with the slugs of its schemas; counts no objects."""
    with app.engine.connect() as connection:
        return [
            (found, [s.slug for s in schemas.list_all(connection, register=found.slug)])
            for found in store.list_all(connection)
        ]


def update(
    app: Application, slug: str, *, title: str | None = None, description: str | None = None
) -> Register:
    """Change what is given. Raises NotFoundError."""
    with app.engine.begin() as connection:
        return store.update(connection, slug, title=title, description=description)


def delete(app: Application, slug: str) -> None:
    """Delete an empty register. Raises NotFoundError; InUseError when something is in it."""
    with app.engine.begin() as connection:
        register = store.get(connection, slug)
        store.delete(connection, slug)
        views.refresh(connection, register_id=register.id)


def _overview(connection: sa.Connection, register: Register) -> Overview:
    kinds = schemas.list_all(connection, register=register.slug)
    held = [
        objects.about(connection, Selection(register_id=register.id, schema_id=kind.id))
        for kind in kinds
    ]
    number, exact = sum(one.number for one in held), all(one.exact for one in held)
    return Overview(register, [kind.slug for kind in kinds], number, exact)
