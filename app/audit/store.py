"""Read the audit trail: entries with the names of their objects and sources, and chains."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.audit import audit_spans
from app.audit.chain_rule import Entry
from app.audit.diff import Diff
from app.database.tables import audit_trails, chains, objects, runs, sources
from app.errors import NotFoundError
from connectors.sdk import canonical

CHUNK = 5000
"""Rows per fetch of a server-side cursor."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry for display. `source` is None for an edit by a user."""

    chain_id: int
    position: int
    created: datetime
    action: str
    source: str | None
    source_id: int
    run_id: int | None
    trigger: str | None
    """How the run was started; None without a run, or if the run is no longer kept."""
    actor: str
    object_uuid: UUID
    version: int
    diff: Diff | None
    hash: bytes


@dataclass(frozen=True, slots=True)
class Chain:
    """A row of `chains`: the length and head its entries must match."""

    id: int
    source_id: int
    lane: int
    source_name: str
    length: int
    head: bytes


class Place(NamedTuple):
    """The position after a page of entries; the next page continues below it."""

    created: datetime
    chain_id: int
    position: int


class Touched(NamedTuple):
    """What a run did to an object: the versions it created, how many, and its first action."""

    uuid: UUID
    first: int
    last: int
    entries: int
    first_action: str


class Latest(NamedTuple):
    """The last writer of an object."""

    run_id: int | None
    actor: str
    created: datetime


class StoredObject(NamedTuple):
    """A stored object with its latest entry; the entry fields are None without one."""

    uuid: UUID
    version: int
    data_hash: bytes
    deleted: bool
    data: str
    entry_version: int | None
    entry_action: str | None
    entry_hash: bytes | None


_ENTRY = (
    audit_trails.c.chain_id,
    audit_trails.c.position,
    audit_trails.c.created,
    audit_trails.c.action,
    sa.case((chains.c.source_id == 0, None), else_=chains.c.source_name).label("source"),
    chains.c.source_id,
    audit_trails.c.run_id,
    runs.c.trigger,
    audit_trails.c.actor,
    audit_trails.c.object_uuid,
    audit_trails.c.version,
    audit_trails.c.diff,
    audit_trails.c.hash,
)
_JOINED = audit_trails.join(chains, chains.c.id == audit_trails.c.chain_id).outerjoin(
    runs, runs.c.id == audit_trails.c.run_id
)
_NEWEST_FIRST = (
    audit_trails.c.created.desc(),
    audit_trails.c.chain_id.desc(),
    audit_trails.c.position.desc(),
)


def entries(
    connection: sa.Connection,
    *,
    object_uuid: UUID | None = None,
    chain_ids: Sequence[int] | None = None,
    run_id: int | None = None,
    after: Place | None = None,
    limit: int = 100,
) -> list[AuditEntry]:
    """The latest entries first, optionally of one object, chains or run."""
    query = sa.select(*_ENTRY).select_from(_JOINED).order_by(*_NEWEST_FIRST).limit(limit)
    if object_uuid is None and run_id is None:
        query = query.where(_among_the_latest(chain_ids, after, limit))
    if object_uuid is not None:
        query = query.where(audit_trails.c.object_uuid == object_uuid)
    if run_id is not None:
        query = query.where(audit_trails.c.run_id == run_id)
        if object_uuid is None and after is None:
            if not (spans := audit_spans.of_run(connection, run_id)):
                return []
            places = audit_spans.latest_places(spans, limit)
            query = query.where(
                sa.tuple_(audit_trails.c.chain_id, audit_trails.c.position).in_(places)
            )
    if chain_ids is not None:
        query = query.where(audit_trails.c.chain_id.in_(chain_ids))
    if after is not None:
        query = query.where(_below(audit_trails, after))
    return [AuditEntry(**row._mapping) for row in connection.execute(query)]


def count(
    connection: sa.Connection,
    *,
    object_uuid: UUID | None = None,
    chain_ids: Sequence[int] | None = None,
    run_id: int | None = None,
) -> int:
    """How many entries there are, optionally of one object, chains or run."""
    if run_id is not None and object_uuid is None:
        return sum(
            span.high - span.low
            for span in audit_spans.of_run(connection, run_id)
            if chain_ids is None or span.chain_id in chain_ids
        )
    query = sa.select(sa.func.count()).select_from(audit_trails)
    if object_uuid is not None:
        query = query.where(audit_trails.c.object_uuid == object_uuid)
    if run_id is not None:
        query = query.where(audit_trails.c.run_id == run_id)
    if chain_ids is not None:
        query = query.where(audit_trails.c.chain_id.in_(chain_ids))
    return connection.scalar(query) or 0


def _below(table: Any, place: Place) -> sa.ColumnElement[bool]:
    columns = sa.tuple_(table.c.created, table.c.chain_id, table.c.position)
    return columns < sa.tuple_(*(sa.literal(value) for value in place))


def _among_the_latest(
    chain_ids: Sequence[int] | None, after: Place | None, limit: int
) -> sa.ColumnElement[bool]:
    """Read only the end of each chain: time has no index to read backwards."""
    inner = audit_trails.alias()
    latest = sa.select(inner.c.chain_id, inner.c.position).where(inner.c.chain_id == chains.c.id)
    if after is not None:
        latest = latest.where(_below(inner, after))
    found = latest.order_by(inner.c.position.desc()).limit(limit).lateral()
    places = sa.select(found.c.chain_id, found.c.position).select_from(
        chains.join(found, sa.true())
    )
    if chain_ids is not None:
        places = places.where(chains.c.id.in_(chain_ids))
    return sa.tuple_(audit_trails.c.chain_id, audit_trails.c.position).in_(places)


def of_object(connection: sa.Connection, uuid: UUID) -> list[AuditEntry]:
    """Every entry of one object, latest version first."""
    query = (
        sa.select(*_ENTRY)
        .select_from(_JOINED)
        .where(audit_trails.c.object_uuid == uuid)
        .order_by(audit_trails.c.version.desc())
    )
    return [AuditEntry(**row._mapping) for row in connection.execute(query)]


# -- of one run, for undoing it ---------------------------------------------------------------


def touched_by(connection: sa.Connection, run_id: int) -> Iterator[Touched]:
    """Every object that a run wrote, streamed."""
    by_version = pg.aggregate_order_by(audit_trails.c.action, audit_trails.c.version)
    query: sa.Select[Any] = (
        sa.select(
            audit_trails.c.object_uuid,
            sa.func.min(audit_trails.c.version),
            sa.func.max(audit_trails.c.version),
            sa.func.count(),
            sa.func.array_agg(by_version)[1],
        )
        .where(audit_trails.c.run_id == run_id)
        .group_by(audit_trails.c.object_uuid)
        .order_by(audit_trails.c.object_uuid)
    )
    for row in _streamed(connection, query):
        yield Touched(*row)


def diffs_of(
    connection: sa.Connection, run_id: int, uuids: Collection[UUID]
) -> dict[UUID, list[Diff]]:
    """The diffs that a run wrote for these objects, latest first."""
    query = (
        sa.select(audit_trails.c.object_uuid, audit_trails.c.diff)
        .where(audit_trails.c.object_uuid.in_(uuids), audit_trails.c.run_id == run_id)
        .order_by(audit_trails.c.version.desc())
    )
    found: dict[UUID, list[Diff]] = {}
    for uuid, diff in connection.execute(query):
        found.setdefault(uuid, []).append(diff or {})
    return found


def latest(connection: sa.Connection, uuids: Collection[UUID]) -> dict[UUID, Latest]:
    """The entry that created the current version of each of these objects."""
    query = (
        sa.select(
            audit_trails.c.object_uuid,
            audit_trails.c.run_id,
            audit_trails.c.actor,
            audit_trails.c.created,
        )
        .join(objects, objects.c.uuid == audit_trails.c.object_uuid)
        .where(audit_trails.c.object_uuid.in_(uuids), audit_trails.c.version == objects.c.version)
    )
    return {uuid: Latest(*rest) for uuid, *rest in connection.execute(query)}


def chains_of(connection: sa.Connection, source: str | None = None) -> list[Chain]:
    """All chains, or those of a source by its current or last name."""
    query = sa.select(
        chains.c.id,
        chains.c.source_id,
        chains.c.lane,
        chains.c.source_name,
        chains.c.length,
        chains.c.head,
    ).order_by(chains.c.source_id, chains.c.lane)
    if source is not None:
        present = sa.select(sources.c.id).where(sources.c.name == source)
        query = query.where(
            chains.c.source_id != 0,
            sa.or_(chains.c.source_id.in_(present), chains.c.source_name == source),
        )
    return [Chain(**row._mapping) for row in connection.execute(query)]


# -- for verification: everything, streamed ---------------------------------------------------


_WHOLE = sa.select(
    audit_trails.c.position,
    audit_trails.c.object_uuid,
    audit_trails.c.version,
    audit_trails.c.action,
    audit_trails.c.run_id,
    audit_trails.c.actor,
    audit_trails.c.created,
    audit_trails.c.data_hash,
    sa.cast(audit_trails.c.diff, sa.Text),
    audit_trails.c.prev_hash,
    audit_trails.c.hash,
)
"""The columns of `Entry`, in order."""


def stream_chain(connection: sa.Connection, chain_id: int) -> Iterator[Entry]:
    """The entries of a chain by position, with their diffs as stored bytes."""
    query = _WHOLE.where(audit_trails.c.chain_id == chain_id).order_by(audit_trails.c.position)
    for *head, diff, prev, own in _streamed(connection, query):
        yield Entry._make((*head, None if diff is None else diff.encode(), prev, own))


def hash_at(connection: sa.Connection, chain_id: int, position: int) -> bytes | None:
    """The hash of one entry, or None."""
    found = connection.scalar(
        sa.select(audit_trails.c.hash).where(
            audit_trails.c.chain_id == chain_id, audit_trails.c.position == position
        )
    )
    return None if found is None else bytes(found)


def whole_of_object(connection: sa.Connection, uuid: UUID) -> Iterator[Entry]:
    """Every entry of one object for verification, by version."""
    query = _WHOLE.where(audit_trails.c.object_uuid == uuid).order_by(audit_trails.c.version)
    for *head, diff, prev, own in connection.execute(query):
        yield Entry._make((*head, None if diff is None else diff.encode(), prev, own))


def stray_entries(connection: sa.Connection) -> list[tuple[int, int]]:
    """(chain, entries) for entries that belong to no chain."""
    query = (
        sa.select(audit_trails.c.chain_id, sa.func.count())
        .where(~sa.exists().where(chains.c.id == audit_trails.c.chain_id))
        .group_by(audit_trails.c.chain_id)
    )
    return [(chain_id, count) for chain_id, count in connection.execute(query)]


def stored_objects(
    connection: sa.Connection, source_ids: Sequence[int] | None = None
) -> Iterator[StoredObject]:
    """Every object with its latest entry, in no particular order."""
    latest = (
        sa.select(audit_trails.c.version, audit_trails.c.action, audit_trails.c.data_hash)
        .where(audit_trails.c.object_uuid == objects.c.uuid)
        .order_by(audit_trails.c.version.desc())
        .limit(1)
        .lateral("latest")
    )
    query = sa.select(
        objects.c.uuid,
        objects.c.version,
        objects.c.data_hash,
        objects.c.deleted.is_not(None),
        sa.cast(objects.c.data, sa.Text),
        latest.c.version,
        latest.c.action,
        latest.c.data_hash,
    ).select_from(objects.outerjoin(latest, sa.true()))
    if source_ids is not None:
        query = query.where(objects.c.source_id.in_(source_ids))
    for row in _streamed(connection, query):
        yield StoredObject(*row)


def object_data(connection: sa.Connection, uuid: UUID) -> bytes:
    """The current data of an object as canonical JSON. Raises NotFoundError."""
    text = connection.scalar(
        sa.select(sa.cast(objects.c.data, sa.Text)).where(objects.c.uuid == uuid)
    )
    if text is None:
        raise NotFoundError(
            f"There is no object {uuid}", hint="`openregister object:list` lists the objects"
        )
    return canonical.dumps(canonical.parse(text))


def vanished(
    connection: sa.Connection, chain_ids: Sequence[int] | None = None
) -> Iterator[tuple[int, int, UUID]]:
    """(chain, position, object) of every creation whose object is no longer in the tables."""
    query = sa.select(
        audit_trails.c.chain_id, audit_trails.c.position, audit_trails.c.object_uuid
    ).where(
        audit_trails.c.action == "create",
        ~sa.exists().where(objects.c.uuid == audit_trails.c.object_uuid),
    )
    if chain_ids is not None:
        query = query.where(audit_trails.c.chain_id.in_(chain_ids))
    yield from _streamed(connection, query)


def _streamed(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Any]:
    """The rows through a server-side cursor."""
    return iter(
        connection.execute(query, execution_options={"stream_results": True, "yield_per": CHUNK})
    )
