"""Lists of objects for the API: filters, search, order, and pages that cost the same anywhere.

A list is ordered by UUID (version 7, so by time of creation) unless it is asked to be sorted.
Pages are then ranges between *marks*, the UUIDs that the pages began with when they were
counted: reading one is a range of an index, however far on it lies, and what is deleted or
added meanwhile moves no object from one page to another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.database.tables import audit_trails, chains, objects, sources
from app.registers.object_store import BY_KEY, SELECT, StoredObject
from connectors.sdk import JsonValue, canonical

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "like", "exists"]
OPERATORS: tuple[Operator, ...] = ("eq", "ne", "gt", "gte", "lt", "lte", "like", "exists")

TIMEOUT = "15s"
"""The longest a list may take: a search has to look at every object."""

META = {
    "id": objects.c.uuid,
    "uuid": objects.c.uuid,
    "version": objects.c.version,
    "created": objects.c.created,
    "updated": objects.c.updated,
    "deleted": objects.c.deleted,
    "key": objects.c.source_key,
    "source": sources.c.name,
}
"""What can be asked for of `@self`."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of a property (`path`: its members) or, with `meta`, of what `@self` says.

    Any of `values` will do. For properties they are JSON, for `meta` of the column's own type.
    """

    path: tuple[str, ...]
    operator: Operator
    values: tuple[Any, ...]
    meta: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key: a property or, with `meta`, a member of `@self`."""

    path: tuple[str, ...]
    descending: bool = False
    meta: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """Which objects of one register and schema, and in which order."""

    register_id: int
    schema_id: int
    conditions: tuple[Condition, ...] = ()
    search: str = ""
    order: tuple[Order, ...] = ()
    deleted: bool = False
    """Deleted objects as well."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Where the audit trail and the sources stand: while it stays, no object has changed."""

    entries: int
    sources: int
    sources_changed: datetime | None
    last_change: datetime | None
    now: datetime


def clock(connection: sa.Connection) -> Clock:
    """Read it: a handful of rows, whatever the number of objects."""
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


def edge(
    connection: sa.Connection, listing: Listing, start: UUID | None, *, width: int, back: bool
) -> UUID | None:
    """The UUID `width` objects on from `start` (back: towards the first), None past the last.

    Counts every object of register and schema, whether the list would show it or not.
    """
    place = (
        objects.c.register_id == listing.register_id,
        objects.c.schema_id == listing.schema_id,
    )
    query = sa.select(objects.c.uuid).where(*place).offset(width - 1).limit(1)
    query = query.order_by(objects.c.uuid.desc() if back else objects.c.uuid)
    if start is not None:
        query = query.where(objects.c.uuid < start if back else objects.c.uuid > start)
    found: UUID | None = connection.scalar(query)
    return found


def stretch(
    connection: sa.Connection,
    listing: Listing,
    start: UUID | None,
    stop: UUID | None,
    *,
    limit: int,
    back: bool,
) -> list[StoredObject]:
    """The first objects behind `start` as far as `stop`; `back`: both the other way round."""
    query = SELECT.where(*_conditions(listing)).limit(limit)
    query = query.order_by(objects.c.uuid.desc() if back else objects.c.uuid)
    if start is not None:
        query = query.where(objects.c.uuid < start if back else objects.c.uuid > start)
    if stop is not None:
        query = query.where(objects.c.uuid >= stop if back else objects.c.uuid <= stop)
    return _read(connection, query)


def limit_time(connection: sa.Connection) -> None:
    """Let the statements of this transaction end after `TIMEOUT`."""
    connection.execute(sa.select(sa.func.set_config("statement_timeout", TIMEOUT, True)))


def between(
    connection: sa.Connection,
    listing: Listing,
    start: UUID | None,
    stop: UUID | None,
    *,
    limit: int | None = None,
) -> list[StoredObject]:
    """The objects from `start` on and before `stop`, by UUID."""
    query = SELECT.where(*_conditions(listing)).order_by(objects.c.uuid).limit(limit)
    if start is not None:
        query = query.where(objects.c.uuid >= start)
    if stop is not None:
        query = query.where(objects.c.uuid < stop)
    return _read(connection, query)


def behind(
    connection: sa.Connection, listing: Listing, after: UUID, *, limit: int
) -> list[StoredObject]:
    """The next objects after one, by UUID."""
    query = SELECT.where(*_conditions(listing), objects.c.uuid > after)
    return _read(connection, query.order_by(objects.c.uuid).limit(limit))


def of_source(
    connection: sa.Connection, source_id: int, *, after: UUID | None, limit: int
) -> list[StoredObject]:
    """Objects of a source, deleted ones as well, by target and key; those without a key last.

    In the order of the index that keeps keys unique: the source's objects may lie anywhere among
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
        found = _read(connection, keyed.order_by(*BY_KEY).limit(limit))
    if len(found) < limit:
        keyless = mine.where(objects.c.source_key.is_(None))
        if place is not None and place.source_key is None:
            keyless = keyless.where(objects.c.uuid > after)
        found += _read(connection, keyless.order_by(objects.c.uuid).limit(limit - len(found)))
    return found


def sorted_page(
    connection: sa.Connection, listing: Listing, *, offset: int, limit: int
) -> list[StoredObject]:
    """A page in the order that was asked for; PostgreSQL sorts all that match."""
    keys = [_order(key) for key in listing.order]
    query = SELECT.where(*_conditions(listing)).order_by(*keys, objects.c.uuid)
    return _read(connection, query.offset(offset).limit(limit))


def count(connection: sa.Connection, listing: Listing) -> int:
    """How many there are, exactly."""
    query = sa.select(sa.func.count()).select_from(_joined()).where(*_conditions(listing))
    return connection.scalar(query) or 0


def marks(connection: sa.Connection, listing: Listing, *, step: int) -> tuple[bytes, int]:
    """The first UUID of every page of `step` objects, 16 bytes each; how many objects there are."""
    numbered = (
        sa.select(
            objects.c.uuid, sa.func.row_number().over(order_by=objects.c.uuid).label("number")
        )
        .select_from(_joined())
        .where(*_conditions(listing))
        .subquery()
    )
    query = (
        sa.select(numbered.c.uuid)
        .where((numbered.c.number - 1) % step == 0)
        .order_by(numbered.c.uuid)
    )
    found = connection.scalars(query, execution_options={"yield_per": 10_000})
    starts = b"".join(uuid.bytes for uuid in found)
    if not starts:
        return b"", 0
    rest = (
        sa.select(sa.func.count())
        .select_from(_joined())
        .where(*_conditions(listing), objects.c.uuid >= UUID(bytes=starts[-16:]))
    )
    return starts, (len(starts) // 16 - 1) * step + (connection.scalar(rest) or 0)


def _read(connection: sa.Connection, query: sa.Select[Any]) -> list[StoredObject]:
    return [StoredObject(**row._mapping) for row in connection.execute(query)]


def _joined() -> sa.FromClause:
    return objects.outerjoin(sources, sources.c.id == objects.c.source_id)


def _conditions(listing: Listing) -> Iterator[sa.ColumnElement[bool]]:
    yield objects.c.register_id == listing.register_id
    yield objects.c.schema_id == listing.schema_id
    if not listing.deleted:
        yield objects.c.deleted.is_(None)
    for condition in listing.conditions:
        yield _meta(condition) if condition.meta else _property(condition)
    if listing.search:
        yield _search(listing.search)


def _meta(condition: Condition) -> sa.ColumnElement[bool]:
    column: sa.ColumnElement[Any] = META[condition.path[0]]
    if condition.operator == "like":
        return sa.or_(*(_contains(sa.cast(column, sa.Text), v) for v in condition.values))
    if condition.operator == "exists":
        return column.is_not(None) if condition.values[0] else column.is_(None)
    return _compare(column, condition.operator, condition.values)


def _property(condition: Condition) -> sa.ColumnElement[bool]:
    found = _at(condition.path)
    if condition.operator == "exists":
        there = sa.and_(found.is_not(None), found != _json(None))
        return there if condition.values[0] else sa.not_(sa.func.coalesce(there, sa.false()))
    if condition.operator == "like":
        text = objects.c.data.op("#>>", return_type=sa.Text())(_path(condition.path))
        return sa.or_(*(_contains(text, value) for value in condition.values))
    wanted = [_json(value) for value in condition.values]
    if condition.operator in ("eq", "ne"):
        # a list answers to each of its items
        equal = sa.or_(
            found.in_(wanted),
            sa.and_(
                sa.func.jsonb_typeof(found) == "array",
                sa.or_(*(found.contains(value) for value in wanted)),
            ),
        )
        matches = sa.func.coalesce(equal, sa.false())
        return matches if condition.operator == "eq" else sa.not_(matches)
    # jsonb also orders across types (every number above every string); people do not
    return sa.or_(
        *(
            sa.and_(
                sa.func.jsonb_typeof(found) == sa.func.jsonb_typeof(value),
                _compare(found, condition.operator, (value,)),
            )
            for value in wanted
        )
    )


def _compare(
    column: sa.ColumnElement[Any], operator: Operator, values: Sequence[Any]
) -> sa.ColumnElement[bool]:
    match operator:
        case "eq":
            return column.in_(values)
        case "ne":
            return sa.func.coalesce(column.not_in(values), sa.true())
        case "gt":
            return sa.or_(*(column > value for value in values))
        case "gte":
            return sa.or_(*(column >= value for value in values))
        case "lt":
            return sa.or_(*(column < value for value in values))
        case _:
            return sa.or_(*(column <= value for value in values))


_KEY = sa.collate(objects.c.source_key, "default")
"""The column's own collation knows no upper and lower case beyond ASCII."""


def _contains(column: sa.ColumnElement[str], text: object) -> sa.ColumnElement[bool]:
    return column.icontains(str(text), autoescape=True)


def _search(text: str) -> sa.ColumnElement[bool]:
    """Somewhere in the object a text holds `text`, whatever its case, or a number is it."""
    literal = canonical.dumps(text).decode()
    path = (
        f'$.** ? (@.type() == "string" && @ like_regex {literal} flag "iq"'
        f' || @.type() == "number" && @ == {_number(text)})'
    )
    found: sa.ColumnElement[bool] = sa.func.jsonb_path_exists(
        objects.c.data, sa.cast(path, pg.JSONPATH)
    )
    if _number(text) == "null":
        # four times as quick, and true wherever the path is: what holds no such text at all
        # need not be walked through; a number may be written otherwise than it is searched for
        whole = sa.cast(objects.c.data, sa.Text)
        found = sa.and_(whole.op("~*", is_comparison=True)(f"***={literal[1:-1]}"), found)
    return sa.or_(found, sa.func.coalesce(_contains(_KEY, text), sa.false()))


def _number(text: str) -> str:
    try:
        value = canonical.loads(text)
    except ValueError:
        return "null"
    is_number = not isinstance(value, (bool, str, list, dict)) and value is not None
    return str(value) if is_number else "null"


def _order(key: Order) -> sa.ColumnElement[Any]:
    column = META[key.path[0]] if key.meta else _at(key.path)
    return column.desc().nulls_last() if key.descending else column.asc().nulls_last()


def _at(path: tuple[str, ...]) -> sa.ColumnElement[Any]:
    found: sa.ColumnElement[Any] = objects.c.data.op("#>", return_type=pg.JSONB())(_path(path))
    return found


def _path(path: tuple[str, ...]) -> sa.ColumnElement[Any]:
    return sa.cast(list(path), pg.ARRAY(sa.Text))


def _json(value: JsonValue) -> sa.ColumnElement[Any]:
    return sa.cast(sa.literal(value, pg.JSONB(none_as_null=False)), pg.JSONB)
