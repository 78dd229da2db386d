"""Schemas: add, change, show; invalid JSON Schemas are rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.application import Application
from app.errors import StoredObjectsError
from app.mapping.validation import check_schema, compile_validator
from app.registers import list_store
from app.registers import register_store as registers
from app.registers import schema_store as store
from app.registers.model import Schema, StoredObject, Version
from app.registers.query import ObjectQuery
from app.reporting import views
from connectors.sdk import FieldError
from connectors.sdk.counting import counted

SHOWN = 5
"""Stored objects listed when they would no longer be valid."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A schema with the slugs of the registers that use it."""

    schema: Schema
    registers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Details(Overview):
    """The same with every version, newest first."""

    versions: Sequence[Version]


@dataclass(frozen=True, slots=True)
class Misfit:
    """A stored object that a document would not allow, and the reason."""

    object: StoredObject
    errors: Sequence[FieldError]


@dataclass(slots=True)
class Misfits:
    """How many stored objects a document would not allow, and the first of them."""

    objects: int = 0
    count: int = 0
    examples: list[Misfit] = field(default_factory=list)

    def sentence(self) -> str:
        """The result in one sentence."""
        return (
            f"{self.count:,} of {counted(self.objects, 'stored object')} would no longer be valid"
        )

    def faults(self) -> dict[str, str]:
        """The first error of each example, by object."""
        return {
            f"{one.object.register}/{one.object.uuid}": " ".join(
                filter(None, (one.errors[0].path, one.errors[0].message))
            )
            for one in self.examples
        }


def misfits(app: Application, slug: str, document: Any) -> Misfits:
    """Validate every stored object of the schema against another document.

    Raises NotFoundError, ConfigurationError for an invalid schema.
    """
    validate = compile_validator(document)
    result = Misfits()
    with app.engine.connect() as connection:
        schema = store.get(connection, slug)
        for register in store.registers_of(connection, schema.id):
            home = registers.get(connection, register)
            for found in list_store.stream(connection, ObjectQuery(home.id, schema.id)):
                result.objects += 1
                errors = validate(found.data)
                if errors:
                    result.count += 1
                    if len(result.examples) < SHOWN:
                        result.examples.append(Misfit(found, errors))
    return result


def add(
    app: Application,
    slug: str,
    document: Any,
    *,
    register: str,
    actor: str,
    title: str = "",
) -> Schema:
    """Create a schema for a register.

    Raises ConfigurationError for an invalid schema, NotFoundError for the register, UsageError
    for an invalid slug, ExistsError for one in use.
    """
    check_schema(document, where=f"schema {slug}")
    with app.engine.begin() as connection:
        home = registers.get(connection, register)
        schema = store.add(connection, slug, document, actor=actor, title=title)
        store.link(connection, register_id=home.id, schema_id=schema.id)
        views.refresh(connection, schema_id=schema.id)
        return schema


def link(connection: sa.Connection, slug: str, *, register: str) -> Schema:
    """Let another register use the schema. Raises NotFoundError."""
    home = registers.get(connection, register)
    schema = store.get(connection, slug)
    store.link(connection, register_id=home.id, schema_id=schema.id)
    views.refresh(connection, schema_id=schema.id)
    return schema


def overview(connection: sa.Connection, *, register: str | None = None) -> list[Overview]:
    """Every schema by slug, or those of one register. Raises NotFoundError for the register."""
    if register is not None:
        registers.get(connection, register)
    return [
        Overview(schema, store.registers_of(connection, schema.id))
        for schema in store.list_all(connection, register=register)
    ]


def show(connection: sa.Connection, slug: str) -> Details:
    """One schema. Raises NotFoundError."""
    schema = store.get(connection, slug)
    return Details(
        schema,
        store.registers_of(connection, schema.id),
        store.versions(connection, schema.id),
    )


def update(
    app: Application,
    slug: str,
    *,
    actor: str,
    document: Any = None,
    title: str | None = None,
    if_version: int | None = None,
    if_updated: datetime | None = None,
    force: bool = False,
) -> Schema:
    """Change the document, as a new version, or the title; an equal document changes nothing.

    Raises NotFoundError, ConfigurationError, ConflictError if `if_version` is outdated,
    ChangedError if document or title has changed since `if_updated`,
    InUseError if another SQL view needs a column that would be removed, and, without `force`,
    StoredObjectsError if stored objects would no longer be valid.
    """
    if document is not None:
        check_schema(document, where=f"schema {slug}")
        with app.engine.connect() as connection:  # before every object is read
            store.require_unchanged(store.get(connection, slug), if_updated)
        if not force:
            found = misfits(app, slug, document)
            if found.count:
                raise StoredObjectsError(
                    found.sentence(), where=f"schema {slug}", faults=found.faults()
                )
    with app.engine.begin() as connection:
        schema = store.update(
            connection,
            slug,
            actor=actor,
            document=document,
            title=title,
            if_version=if_version,
            if_updated=if_updated,
        )
        views.refresh(connection, schema_id=schema.id)
        return schema


def delete(connection: sa.Connection, slug: str, *, if_updated: datetime | None = None) -> None:
    """Delete an unused schema. Raises NotFoundError, InUseError, ChangedError."""
    schema = store.get(connection, slug)
    store.delete(connection, slug, if_updated=if_updated)
    views.refresh(connection, schema_id=schema.id)
