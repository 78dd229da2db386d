"""Reading the audit trail: entries with the names of what they speak of, and whole chains."""

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
"""Rows a server-side cursor hands over at a time."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry as people read it. `source` is None for an edit that no source made."""

    chain_id: int
    position: int
    created: datetime
    action: str
    source: str | None
    source_id: int
    run_id: int | None
    trigger: str | None
    """How the run was started; None without a run, and when the run is no longer kept."""
    actor: str
    object_uuid: UUID
    version: int
    diff: Diff | None
    hash: bytes


@dataclass(frozen=True, slots=True)
class Chain:
    """A row of `chains`: what its entries must add up to."""

    id: int
    source_id: int
    lane: int
    source_name: str
    length: int
    head: bytes


class Place(NamedTuple):
    """Where a page of entries ended; the next one carries on below it."""

    created: datetime
    chain_id: int
    position: int


class Touched(NamedTuple):
    """What a run did to an object: the versions it made, how many, and its first action."""

    uuid: UUID
    first: int
    last: int
    entries: int
    first_action: str


class Latest(NamedTuple):
    """Who wrote an object last."""

    run_id: int | None
    actor: str
    created: datetime


class Standing(NamedTuple):
    """An object as stored beside its latest entry; the entry's part is None without one."""

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
    """The latest entries first: of one object, of some chains, of one run; all by default."""
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
    """How many entries speak of an object, of some chains, of a run."""
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
    """Look at the end of each chain only: time has no index of its own to read backwards."""
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
    """Every entry of one object, the latest version first."""
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
    """The diffs that a run wrote about these objects, the latest first."""
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
    """The entry that made the present version of each of these objects."""
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
    """All chains, or those of a source by its present name or the name it had last."""
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
"""What `Entry` holds, in its order."""


def stream_chain(connection: sa.Connection, chain_id: int) -> Iterator[Entry]:
    """The entries of a chain by position, their diffs as the stored bytes."""
    query = _WHOLE.where(audit_trails.c.chain_id == chain_id).order_by(audit_trails.c.position)
    for *head, diff, prev, own in _streamed(connection, query):
        yield Entry._make((*head, None if diff is None else diff.encode(), prev, own))


def hash_at(connection: sa.Connection, chain_id: int, position: int) -> bytes | None:
    """The hash of one entry; None where there is none."""
    found = connection.scalar(
        sa.select(audit_trails.c.hash).where(
            audit_trails.c.chain_id == chain_id, audit_trails.c.position == position
        )
    )
    return None if found is None else bytes(found)


def whole_of_object(connection: sa.Connection, uuid: UUID) -> Iterator[Entry]:
    """Every entry of one object as its chain has it, by version."""
    query = _WHOLE.where(audit_trails.c.object_uuid == uuid).order_by(audit_trails.c.version)
    for *head, diff, prev, own in connection.execute(query):
        yield Entry._make((*head, None if diff is None else diff.encode(), prev, own))


def stray_entries(connection: sa.Connection) -> list[tuple[int, int]]:
    """(chain, entries) of entries that belong to no chain."""
    query = (
        sa.select(audit_trails.c.chain_id, sa.func.count())
        .where(~sa.exists().where(chains.c.id == audit_trails.c.chain_id))
        .group_by(audit_trails.c.chain_id)
    )
    return [(chain_id, count) for chain_id, count in connection.execute(query)]


def standings(
    connection: sa.Connection, source_ids: Sequence[int] | None = None
) -> Iterator[Standing]:
    """Every object beside its latest entry, in no particular order."""
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
        yield Standing(*row)


def object_data(connection: sa.Connection, uuid: UUID) -> bytes:
    """The data of an object as it is now, as canonical JSON. Raises NotFoundError."""
    text = connection.scalar(
        sa.select(sa.cast(objects.c.data, sa.Text)).where(objects.c.uuid == uuid)
    )
    if text is None:
        raise NotFoundError(
            f"There is no object {uuid}", hint="`openregister object:list` shows what there is"
        )
    return canonical.dumps(canonical.parse(text))


def vanished(
    connection: sa.Connection, chain_ids: Sequence[int] | None = None
) -> Iterator[tuple[int, int, UUID]]:
    """(chain, position, object) of every creation whose object is not in the tables any more."""
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
