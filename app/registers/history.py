"""The versions of an object, rebuilt from the audit trail backwards from the present."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.application import Application
from app.audit import diff as changes
from app.audit import store as trail
from app.audit.diff import Diff
from app.audit.store import AuditEntry
from app.errors import IntegrityError, NotFoundError
from app.registers import object_store as store
from app.registers.model import StoredObject
from connectors.sdk import JsonValue


@dataclass(frozen=True, slots=True)
class Version:
    """One state of an object and the entry that created it. `diff` is empty for a create."""

    number: int
    action: str
    created: datetime
    source: str | None
    source_id: int
    run_id: int | None
    trigger: str | None
    actor: str
    diff: Diff
    data: dict[str, Any] = field(repr=False)

    @property
    def deleted(self) -> bool:
        return self.action == "delete"


@dataclass(frozen=True, slots=True)
class History:
    """The current object and all its versions, latest first."""

    object: StoredObject
    versions: Sequence[Version]


def history(app: Application, uuid: UUID) -> History:
    """Every version of an object. Raises NotFoundError, IntegrityError for a trail with gaps."""
    with app.engine.connect() as connection:
        return read(connection, uuid)


def read(connection: sa.Connection, uuid: UUID) -> History:
    """The history within a transaction; raises the errors of `history`."""
    found = store.get(connection, uuid)
    return History(found, list(_versions(found, trail.of_object(connection, uuid))))


def at(app: Application, uuid: UUID, moment: datetime) -> tuple[StoredObject, Version]:
    """The object, and its version at that time. Raises NotFoundError before its creation."""
    found = history(app, uuid)
    for version in found.versions:
        if version.created <= moment:
            return found.object, version
    born = found.versions[-1].created
    raise NotFoundError(
        f"Object {uuid} did not exist at {moment.isoformat()}",
        hint=f"It was created at {born.isoformat()}",
    )


def version(found: History, number: int) -> Version:
    """One version by its number. Raises NotFoundError."""
    for candidate in found.versions:
        if candidate.number == number:
            return candidate
    raise NotFoundError(
        f"Object {found.object.uuid} has no version {number}",
        hint=f"It has versions 1 to {found.object.version}; `object:history` shows them",
    )


def _versions(found: StoredObject, entries: Sequence[AuditEntry]) -> Iterator[Version]:
    """Undo one entry after another; what an entry does not mention has not changed."""
    state, expected = found.data, found.version
    for entry in entries:
        if entry.version != expected:
            break
        diff = entry.diff or {}
        yield Version(
            entry.version,
            entry.action,
            entry.created,
            entry.source,
            entry.source_id,
            entry.run_id,
            entry.trigger,
            entry.actor,
            diff,
            state,
        )
        state = changes.revert(diff, state)
        expected -= 1
    if expected:
        raise IntegrityError(
            f"The audit trail of object {found.uuid} has no entry for its version {expected}",
            hint="`openregister audit:verify` lists what else is missing",
        )


def value_at(data: dict[str, Any], path: str) -> tuple[bool, JsonValue]:
    """(whether it exists, value) of a property; `path` is dotted, list items by number."""
    node: Any = data
    for name in path.split("."):
        if isinstance(node, dict) and name in node:
            node = node[name]
        elif isinstance(node, list) and name.isdigit() and int(name) < len(node):
            node = node[int(name)]
        else:
            return False, None
    return True, node
