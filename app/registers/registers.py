"""Registers: add, change, show, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.application import Application
from app.registers import list_store
from app.registers import register_store as store
from app.registers import schema_store as schemas
from app.registers.list_store import About
from app.registers.query import ObjectQuery
from app.registers.register_store import Register
from app.reporting import views


@dataclass(frozen=True, slots=True)
class Overview:
    """A register, and by slug of its schemas how many objects it holds (no deleted ones).

    Up to 10,000 of a schema are counted; above, the planner has estimated.
    """

    register: Register
    held: Sequence[tuple[str, About]]

    @property
    def schemas(self) -> list[str]:
        return [slug for slug, _ in self.held]

    @property
    def objects(self) -> int:
        return sum(about.number for _, about in self.held)

    @property
    def exact(self) -> bool:
        return all(about.exact for _, about in self.held)


def add(
    app: Application, slug: str, *, title: str = "", description: str = "", actor: str = ""
) -> Register:
    """Create a register. Raises UsageError for an invalid slug, ExistsError for one in use."""
    with app.engine.begin() as connection:
        return store.add(connection, slug, title=title, description=description, actor=actor)


def overview(app: Application) -> list[Overview]:
    """Every register, by slug."""
    with app.engine.connect() as connection:
        return [_overview(connection, register) for register in store.list_all(connection)]


def show(app: Application, slug: str) -> Overview:
    """One register. Raises NotFoundError."""
    with app.engine.connect() as connection:
        return _overview(connection, store.get(connection, slug))


def names(app: Application) -> list[tuple[Register, list[str]]]:
    """Every register by slug, with the slugs of its schemas, without counting objects."""
    with app.engine.connect() as connection:
        return [
            (found, [s.slug for s in schemas.list_all(connection, register=found.slug)])
            for found in store.list_all(connection)
        ]


def update(
    app: Application,
    slug: str,
    *,
    title: str | None = None,
    description: str | None = None,
    actor: str = "",
    if_updated: datetime | None = None,
) -> Register:
    """Change the given values. Raises NotFoundError; ChangedError if changed since `if_updated`."""
    with app.engine.begin() as connection:
        return store.update(
            connection,
            slug,
            title=title,
            description=description,
            actor=actor,
            if_updated=if_updated,
        )


def delete(app: Application, slug: str, *, if_updated: datetime | None = None) -> None:
    """Delete an empty register.

    Raises NotFoundError; InUseError if it is not empty; ChangedError as `update`.
    """
    with app.engine.begin() as connection:
        register = store.get(connection, slug)
        store.delete(connection, slug, if_updated=if_updated)
        views.refresh(connection, register_id=register.id)


def _overview(connection: sa.Connection, register: Register) -> Overview:
    kinds = schemas.list_all(connection, register=register.slug)
    held = [
        (kind.slug, list_store.about(connection, ObjectQuery(register.id, kind.id)))
        for kind in kinds
    ]
    return Overview(register, held)
