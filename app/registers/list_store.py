"""Lists of objects: what an `ObjectQuery` gives, whole, page by page, and how many.

A list is ordered by UUID (version 7, so by creation time) unless another order is requested. Pages
are then ranges between *marks*, the first UUIDs of the pages when they were counted. Reading a page
is an index range scan, however far into the list, and concurrent deletions or insertions move no
object from one page to another.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.database.tables import audit_trails, chains, objects, sources
from app.errors import UsageError
from app.registers.model import About, StoredObject
from app.registers.object_store import SELECT
from app.registers.query import ROWS, ObjectQuery, beyond, order_by, where
from connectors.sdk.counting import counted

TIMEOUT = "15s"
"""Time limit for a list: a search must scan every object."""

EXACT = 10_000
"""Figures up to here are counted, larger ones estimated."""

BY_KEY = (objects.c.target, objects.c.source_key)
"""The order of the index `uq_objects_source_key` within a source."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The state of the audit trail and the sources: while it is equal, no object has changed."""

    entries: int
    sources: int
    sources_changed: datetime | None
    last_change: datetime | None
    now: datetime


def clock(connection: sa.Connection) -> Clock:
    """Read it: a few rows, whatever the number of objects."""
    heads = chains.outerjoin(
        audit_trails,
        sa.and_(audit_trails.c.chain_id == chains.c.id, audit_trails.c.position == chains.c.length),
    )
    trail = sa.select(
        sa.func.coalesce(sa.func.sum(chains.c.length), 0).label("entries"),
        sa.func.max(audit_trails.c.created).label("last_change"),
    ).select_from(heads)
    known = sa.select(sa.func.count().label("number"), sa.func.max(sources.c.updated).label("at"))
    one, two = trail.subquery(), known.select_from(sources).subquery()
    row = connection.execute(
        sa.select(
            one.c.entries, two.c.number, two.c.at, one.c.last_change, sa.func.now()
        ).select_from(one.join(two, sa.true()))
    ).one()
    return Clock(int(row[0]), row[1], row[2], row[3], row[4])


def limit_time(connection: sa.Connection) -> None:
    """Limit the statements of this transaction to `TIMEOUT`."""
    connection.execute(sa.select(sa.func.set_config("statement_timeout", TIMEOUT, True)))


def read(
    connection: sa.Connection,
    query: ObjectQuery,
    *,
    first: UUID | None = None,
    after: UUID | None = None,
    before: UUID | None = None,
    until: UUID | None = None,
    offset: int = 0,
    limit: int | None = None,
    back: bool = False,
    most: int | None = None,
) -> list[StoredObject]:
    """Objects in the query's order, those behind `after` and before `before`, without these.

    `first` and `until` bound the UUIDs themselves, both included. `back`: from the last on.
    Raises UsageError if several objects have more than `most` bytes of JSON together.
    """
    select = SELECT.where(*where(query)).order_by(*order_by(query, back=back))
    if first is not None:
        select = select.where(objects.c.uuid >= first)
    if after is not None:
        select = select.where(beyond(query, after))
    if before is not None:
        select = select.where(beyond(query, before, back=True))
    if until is not None:
        select = select.where(objects.c.uuid <= until)
    select = select.offset(offset or None).limit(limit)
    if most is not None:
        _refuse_more(connection, select, most)
    return _objects(connection, select)


def _refuse_more(connection: sa.Connection, select: sa.Select[Any], most: int) -> None:
    """A row may have megabytes, a page thousands of rows, and all of them would be in memory."""
    size = sa.func.octet_length(sa.cast(objects.c.data, sa.Text))
    sizes = connection.scalars(select.with_only_columns(size, maintain_column_froms=True)).all()
    if len(sizes) > 1 and sum(sizes) > most:
        raise UsageError(
            f"The {counted(len(sizes), 'object')} of this page have {sum(sizes) / 2**20:,.0f} MiB;"
            f" a page may have {most / 2**20:,.0f}",
            hint="Ask for fewer objects with _limit, or export them",
        )


def stream(
    connection: sa.Connection, query: ObjectQuery, *, chunk: int = 1000
) -> Generator[StoredObject]:
    """Every object of the query, read in chunks through a server-side cursor."""
    select = SELECT.where(*where(query)).order_by(*order_by(query))
    # an option of the statement alone: on the connection it would stay for whatever comes after
    for row in connection.execute(select, execution_options={"yield_per": chunk}):
        yield StoredObject(**row._mapping)


def edge(
    connection: sa.Connection, query: ObjectQuery, start: UUID | None, *, width: int, back: bool
) -> UUID | None:
    """The UUID `width` objects on from `start` (back: towards the first), None past the last.

    Counts every object of register and schema, whether the list would show it or not.
    """
    place = ObjectQuery(query.register_id, query.schema_id, deleted=True)
    select = sa.select(objects.c.uuid).where(*where(place)).offset(width - 1).limit(1)
    if start is not None:
        select = select.where(beyond(place, start, back=back))
    found: UUID | None = connection.scalar(select.order_by(*order_by(place, back=back)))
    return found


def of_source(
    connection: sa.Connection, source_id: int, *, after: UUID | None, limit: int
) -> list[StoredObject]:
    """Objects of a source, including deleted ones, by target and key; those without a key last.

    In the order of the unique index of keys, because the source's objects may be anywhere among
    those of others.
    """
    place = None
    if after is not None:
        where = sa.select(objects.c.target, objects.c.source_key).where(objects.c.uuid == after)
        place = connection.execute(where.where(objects.c.source_id == source_id)).one_or_none()
    found: list[StoredObject] = []
    mine = SELECT.where(objects.c.source_id == source_id)
    if place is None or place.source_key is not None:
        keyed = mine.where(objects.c.source_key.is_not(None))
        if place is not None:
            keyed = keyed.where(
                sa.tuple_(objects.c.target, objects.c.source_key)
                > sa.tuple_(sa.literal(place.target), sa.literal(place.source_key))
            )
        found = _objects(connection, keyed.order_by(*BY_KEY).limit(limit))
    if len(found) < limit:
        keyless = mine.where(objects.c.source_key.is_(None))
        if place is not None and place.source_key is None:
            keyless = keyless.where(objects.c.uuid > after)
        found += _objects(connection, keyless.order_by(objects.c.uuid).limit(limit - len(found)))
    return found


def property_names(connection: sa.Connection, query: ObjectQuery) -> list[str]:
    """The names of all properties that the objects have, in order of the alphabet."""
    name = sa.func.jsonb_object_keys(objects.c.data)
    return sorted(connection.scalars(_of(query, name).distinct()))


def count(connection: sa.Connection, query: ObjectQuery) -> int:
    """How many there are, exactly: reads an index entry for each."""
    return connection.scalar(_of(query, sa.func.count())) or 0


def about(connection: sa.Connection, query: ObjectQuery, *, exact_below: int = EXACT) -> About:
    """How many there are: counted up to `exact_below`, above it the planner's estimate."""
    matching = _of(query, objects.c.uuid)
    # in the order of an index: where few rows of many fit, a scan would look for them everywhere
    order = (objects.c.uuid,) if query.source_id is None else BY_KEY
    first = matching.order_by(*order).limit(exact_below)
    found = connection.scalar(sa.select(sa.func.count()).select_from(first.subquery())) or 0
    if found < exact_below:
        return About(found, True)
    compiled = matching.compile(connection.engine, compile_kwargs={"render_postcompile": True})
    plan = connection.exec_driver_sql(
        f"EXPLAIN (FORMAT json) {compiled}", compiled.construct_params()
    ).scalar_one()
    return About(max(found, int(plan[0]["Plan"]["Plan Rows"])), False)


def marks(connection: sa.Connection, query: ObjectQuery, *, step: int) -> tuple[bytes, int]:
    """The first UUID of every page of `step` objects, 16 bytes each; how many objects there are."""
    number = sa.func.row_number().over(order_by=objects.c.uuid).label("number")
    numbered = _of(query, objects.c.uuid, number).subquery()
    firsts = (
        sa.select(numbered.c.uuid)
        .where((numbered.c.number - 1) % step == 0)
        .order_by(numbered.c.uuid)
    )
    found = connection.scalars(firsts, execution_options={"yield_per": 10_000})
    starts = b"".join(uuid.bytes for uuid in found)
    if not starts:
        return b"", 0
    last = _of(query, sa.func.count()).where(objects.c.uuid >= UUID(bytes=starts[-16:]))
    return starts, (len(starts) // 16 - 1) * step + (connection.scalar(last) or 0)


def _of(query: ObjectQuery, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return sa.select(*columns).select_from(ROWS).where(*where(query))


def _objects(connection: sa.Connection, query: sa.Select[Any]) -> list[StoredObject]:
    return [StoredObject(**row._mapping) for row in connection.execute(query)]
