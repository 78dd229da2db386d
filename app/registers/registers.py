"""Registers: add, change, show, delete, each on a connection of `Application.read` or `write`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.registers import list_store
from app.registers import register_store as store
from app.registers import schema_store as schemas
from app.registers.model import About, Register
from app.registers.query import ObjectQuery
from app.registers.register_store import add, update
from app.reporting import views

__all__ = ["Overview", "add", "delete", "names", "overview", "show", "update"]


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


def overview(connection: sa.Connection) -> list[Overview]:
    """Every register, by slug."""
    return [_overview(connection, register) for register in store.list_all(connection)]


def show(connection: sa.Connection, slug: str) -> Overview:
    """One register. Raises NotFoundError."""
    return _overview(connection, store.get(connection, slug))


def names(connection: sa.Connection) -> list[tuple[Register, list[str]]]:
    """Every register by slug, with the slugs of its schemas, without counting objects."""
    return [
        (found, [s.slug for s in schemas.list_all(connection, register=found.slug)])
        for found in store.list_all(connection)
    ]


def delete(connection: sa.Connection, slug: str, *, if_updated: datetime | None = None) -> None:
    """Delete an empty register.

    Raises NotFoundError; InUseError if it is not empty; ChangedError as `update`.
    """
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
