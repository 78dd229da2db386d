"""Reading objects: one, a page of a selection, how many. The bulk writer stores them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.database.tables import objects, registers, schemas, sources
from app.errors import NotFoundError
from connectors.sdk import JsonValue

EXACT = 10_000
"""Figures up to here are counted, larger ones estimated."""

Operator = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class PropertyFilter:
    """Compares a property, given by the members that lead to it, with a JSON value.

    A value only matches properties of its own JSON type, so that "10" is not above 9; `!=`
    matches every object that `=` does not, those without the property among them.
    """

    path: tuple[str, ...]
    operator: Operator
    value: JsonValue


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects: by number of register, schema and source, by properties; deleted or not."""

    register_id: int | None = None
    schema_id: int | None = None
    source_id: int | None = None
    key: str | None = None
    filters: Sequence[PropertyFilter] = ()
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A row of `objects` with the names of what it belongs to. `origin_hash` is 32 hex digits."""

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


BY_KEY = (objects.c.target, objects.c.source_key)
"""The order of the index `uq_objects_source_key` within a source."""

SELECT = (
    sa.select(
        objects.c.uuid,
        registers.c.slug.label("register"),
        objects.c.register_id,
        schemas.c.slug.label("schema"),
        objects.c.schema_id,
        sources.c.name.label("source"),
        objects.c.source_id,
        objects.c.target,
        objects.c.source_key.label("key"),
        objects.c.version,
        objects.c.run_id,
        objects.c.created,
        objects.c.updated,
        objects.c.deleted,
        objects.c.origin_hash,
        objects.c.data_hash,
        objects.c.data,
    )
    .join(registers, registers.c.id == objects.c.register_id)
    .join(schemas, schemas.c.id == objects.c.schema_id)
    .outerjoin(sources, sources.c.id == objects.c.source_id)
)


def get(connection: sa.Connection, uuid: UUID) -> StoredObject:
    """The object, deleted or not. Raises NotFoundError."""
    row = connection.execute(SELECT.where(objects.c.uuid == uuid)).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no object {uuid}", hint="`openregister object:list` shows what there is"
        )
    return StoredObject(**row._mapping)


def get_many(connection: sa.Connection, uuids: Collection[UUID]) -> dict[UUID, StoredObject]:
    """These objects, deleted or not; those that do not exist are left out."""
    rows = connection.execute(SELECT.where(objects.c.uuid.in_(uuids)))
    return {row.uuid: StoredObject(**row._mapping) for row in rows}


def source_id(connection: sa.Connection, name: str) -> int:
    """The number of a source. Raises NotFoundError."""
    found = connection.scalar(sa.select(sources.c.id).where(sources.c.name == name))
    if found is None:
        raise NotFoundError(
            f"There is no source {name!r}", hint="`openregister source:list` shows them"
        )
    return int(found)


def local_fields(connection: sa.Connection, source_id: int) -> frozenset[str]:
    """Properties of a source's objects that people may change."""
    options = connection.scalar(sa.select(sources.c.options).where(sources.c.id == source_id))
    return frozenset((options or {}).get("local_fields", ()))


def page(
    connection: sa.Connection,
    selection: Selection,
    *,
    after: UUID | None = None,
    limit: int = 100,
) -> list[StoredObject]:
    """Objects of the selection by UUID, those behind `after`: the oldest come first."""
    query = SELECT.where(*_conditions(selection)).order_by(objects.c.uuid).limit(limit)
    if after is not None:
        query = query.where(objects.c.uuid > after)
    return [StoredObject(**row._mapping) for row in connection.execute(query)]


def stream(
    connection: sa.Connection, selection: Selection, *, chunk: int = 1000
) -> Iterator[StoredObject]:
    """Every object of the selection by UUID, read in chunks through a server-side cursor."""
    query = SELECT.where(*_conditions(selection)).order_by(objects.c.uuid)
    # an option of the statement alone: on the connection it would stay for whatever comes after
    for row in connection.execute(query, execution_options={"yield_per": chunk}):
        yield StoredObject(**row._mapping)


def property_names(connection: sa.Connection, selection: Selection) -> list[str]:
    """The names of all properties that objects of the selection have, in order of the alphabet."""
    name = sa.func.jsonb_object_keys(objects.c.data)
    query = sa.select(name).select_from(objects).where(*_conditions(selection)).distinct()
    return sorted(connection.scalars(query))


def count(connection: sa.Connection, selection: Selection) -> int:
    """How many there are, exactly: reads an index entry for each."""
    return (
        connection.scalar(
            sa.select(sa.func.count()).select_from(objects).where(*_conditions(selection))
        )
        or 0
    )


@dataclass(frozen=True, slots=True)
class About:
    """How many there are; `exact` is False for an estimate."""

    number: int
    exact: bool


def about(connection: sa.Connection, selection: Selection, *, exact_below: int = EXACT) -> About:
    """How many there are: counted up to `exact_below`, above it the planner's estimate."""
    query = sa.select(objects.c.uuid).where(*_conditions(selection))
    # in the order of an index: where few rows of many fit, a scan would look for them everywhere
    order = (objects.c.uuid,) if selection.source_id is None else BY_KEY
    first = query.order_by(*order).limit(exact_below)
    bounded = sa.select(sa.func.count()).select_from(first.subquery())
    found = connection.scalar(bounded) or 0
    if found < exact_below:
        return About(found, True)
    compiled = query.compile(connection.engine)
    plan = connection.exec_driver_sql(
        f"EXPLAIN (FORMAT json) {compiled}", compiled.construct_params()
    ).scalar_one()
    return About(max(found, int(plan[0]["Plan"]["Plan Rows"])), False)


def _conditions(selection: Selection) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if not selection.deleted:
        conditions.append(objects.c.deleted.is_(None))
    if selection.register_id is not None:
        conditions.append(objects.c.register_id == selection.register_id)
    if selection.schema_id is not None:
        conditions.append(objects.c.schema_id == selection.schema_id)
    if selection.source_id is not None:
        conditions.append(objects.c.source_id == selection.source_id)
    if selection.key is not None:
        conditions.append(objects.c.source_key == selection.key)
    return conditions + [_compare(condition) for condition in selection.filters]


def _compare(condition: PropertyFilter) -> sa.ColumnElement[bool]:
    found = objects.c.data.op("#>", return_type=pg.JSONB())(
        sa.cast(list(condition.path), pg.ARRAY(sa.Text))
    )
    wanted = sa.cast(sa.literal(condition.value, pg.JSONB(none_as_null=False)), pg.JSONB)
    match condition.operator:
        case "=":
            return found == wanted
        case "!=":
            return found.is_distinct_from(wanted)
    comparison = found.op(condition.operator, is_comparison=True)(wanted)
    # jsonb also orders across types (every number above every string); people do not
    return sa.and_(sa.func.jsonb_typeof(found) == sa.func.jsonb_typeof(wanted), comparison)
