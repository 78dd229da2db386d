"""Which objects, and in which order: what every list, count, page and export is asked by.

One meaning, compiled to SQL here alone. Of several values any one will do:

    eq                 equals a value, or is a list that contains it
    ne                 everything that `eq` does not match, objects without the property too
    gt, gte, lt, lte   compare with values of the property's own JSON type
    like               contains the text, in upper or lower case
    exists             whether there is a value other than null

`parameters` reads queries from addresses and options, and writes them back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from app.database.tables import objects, sources
from connectors.sdk import JsonValue, canonical

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "like", "exists"]
OPERATORS: tuple[Operator, ...] = ("eq", "ne", "gt", "gte", "lt", "lte", "like", "exists")

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

ROWS = objects.outerjoin(sources, sources.c.id == objects.c.source_id)
"""What the conditions speak of; PostgreSQL leaves the join out where none needs it."""


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
    """One sort key: a property or, with `meta`, a member of `@self`. Without a value comes last."""

    path: tuple[str, ...]
    descending: bool = False
    meta: bool = False


@dataclass(frozen=True, slots=True)
class ObjectQuery:
    """Which objects, by number of register, schema and source and by conditions; their order.

    Without `order` the oldest come first. `ignored`: parameters that filter by a property which
    the schema does not have; no object matches then.
    """

    register_id: int | None = None
    schema_id: int | None = None
    source_id: int | None = None
    conditions: tuple[Condition, ...] = ()
    search: str = ""
    order: tuple[Order, ...] = ()
    deleted: bool = False
    """Deleted objects as well."""
    ignored: tuple[tuple[str, str], ...] = ()

    @property
    def narrowed(self) -> bool:
        """Whether each object has to be looked at, which counts and pages of many avoid."""
        return bool(self.conditions or self.search or self.ignored)


def where(query: ObjectQuery) -> Iterator[sa.ColumnElement[bool]]:
    """The conditions on `ROWS`."""
    if query.ignored:
        yield sa.false()
    if query.register_id is not None:
        yield objects.c.register_id == query.register_id
    if query.schema_id is not None:
        yield objects.c.schema_id == query.schema_id
    if query.source_id is not None:
        yield objects.c.source_id == query.source_id
    if not query.deleted:
        yield objects.c.deleted.is_(None)
    for condition in query.conditions:
        if not condition.values:
            yield sa.false()
        else:
            yield _meta(condition) if condition.meta else _property(condition)
    if query.search:
        yield _search(query.search)


def order_by(query: ObjectQuery, *, back: bool = False) -> list[sa.ColumnElement[Any]]:
    """The order of the query, which is total; `back`: from the last to the first."""
    keys: list[sa.ColumnElement[Any]] = []
    for key in query.order:
        column = _column(key)
        directed = column.desc() if key.descending != back else column.asc()
        keys.append(directed.nulls_first() if back else directed.nulls_last())
    return [*keys, objects.c.uuid.desc() if back else objects.c.uuid]


def beyond(query: ObjectQuery, place: UUID, *, back: bool = False) -> sa.ColumnElement[bool]:
    """Whether an object comes behind that one in the query's order; `back`: before it."""
    if not query.order:
        return objects.c.uuid < place if back else objects.c.uuid > place
    behind: sa.ColumnElement[bool] = objects.c.uuid > place
    for key in reversed(query.order):
        mine = _column(key)
        one = sa.select(mine).select_from(ROWS).where(objects.c.uuid == place).correlate(None)
        its = one.scalar_subquery()
        further = mine < its if key.descending else mine > its
        further = sa.and_(its.is_not(None), sa.or_(further, mine.is_(None)))
        behind = sa.or_(further, sa.and_(mine.is_not_distinct_from(its), behind))
    return sa.and_(sa.not_(behind), objects.c.uuid != place) if back else behind


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


def _column(key: Order) -> sa.ColumnElement[Any]:
    return META[key.path[0]] if key.meta else _at(key.path)


def _at(path: tuple[str, ...]) -> sa.ColumnElement[Any]:
    found: sa.ColumnElement[Any] = objects.c.data.op("#>", return_type=pg.JSONB())(_path(path))
    return found


def _path(path: tuple[str, ...]) -> sa.ColumnElement[Any]:
    return sa.cast(list(path), pg.ARRAY(sa.Text))


def _json(value: JsonValue) -> sa.ColumnElement[Any]:
    return sa.cast(sa.literal(value, pg.JSONB(none_as_null=False)), pg.JSONB)
