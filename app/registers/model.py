"""Registers, schemas and objects as they are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Register:
    """A row of `registers`."""

    id: int
    slug: str
    title: str
    description: str
    created: datetime
    updated: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class Schema:
    """A row of `schemas`; `document` is the JSON Schema as written."""

    id: int
    slug: str
    title: str
    version: int
    document: dict[str, Any]
    created: datetime
    updated: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a schema's document and its author."""

    version: int
    document: dict[str, Any]
    actor: str
    created: datetime


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A row of `objects` with names for its references. `origin_hash` is 32 hex digits."""

    uuid: UUID
    register: str
    register_id: int
    schema: str
    schema_id: int
    source: str | None
    source_id: int | None
    target: int
    key: str | None
    version: int
    run_id: int | None
    created: datetime
    updated: datetime
    deleted: datetime | None
    origin_hash: str | None
    data_hash: bytes
    data: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class About:
    """How many there are; `exact` is False for an estimate."""

    number: int
    exact: bool
