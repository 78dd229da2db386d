"""Object queries by the names that people know, and filters in the language of the mappings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import sqlalchemy as sa

from app.application import Application
from app.errors import NotFoundError, UsageError
from app.mapping.language.errors import ExpressionError
from app.mapping.language.filters import compile_filter
from app.mapping.language.pushdown import equal_texts
from app.registers import object_store, parameters, register_store, schema_store
from app.registers.list_store import stream
from app.registers.model import Register, Schema, StoredObject
from app.registers.parameters import ListRequest
from app.registers.query import Condition, ObjectQuery
from connectors.sdk import canonical

Keep = Callable[[StoredObject], bool]


@dataclass(frozen=True, slots=True)
class Place:
    """A register and one of its schemas."""

    register: Register
    schema: Schema

    @property
    def properties(self) -> Mapping[str, Any]:
        """What the schema says of each property."""
        return self.schema.document.get("properties") or {}

    def read(self, given: Iterable[tuple[str, str]]) -> ListRequest:
        """What parameters ask for of these objects. Raises ConfigurationError."""
        within = ObjectQuery(self.register.id, self.schema.id)
        return parameters.read(within, self.properties, given)


def place(connection: sa.Connection, register: str, schema: str) -> Place:
    """Both by slug or number. Raises NotFoundError, also when they do not belong together."""
    found = register_store.find(connection, register) or _by_number(connection, register)
    kind = schema_store.find(connection, schema)
    if kind is None and schema.isdecimal() and len(schema) < 10:
        kind = schema_store.by_id(connection, int(schema))
    if kind is None:
        raise NotFoundError(f"There is no schema {schema!r}")
    if not schema_store.linked(connection, register_id=found.id, schema_id=kind.id):
        raise NotFoundError(
            f"Register {found.slug} does not hold objects of schema {kind.slug}",
            hint=f"`GET /api/registers/{found.slug}` names its schemas",
        )
    return Place(found, kind)


def _by_number(connection: sa.Connection, text: str) -> Register:
    found = next((r for r in register_store.list_all(connection) if str(r.id) == text), None)
    if found is None:
        raise NotFoundError(
            f"There is no register {text!r}", hint="`GET /api/registers` lists them"
        )
    return found


def query(
    app: Application,
    *,
    register: str | None = None,
    schema: str | None = None,
    source: str | None = None,
    given: Iterable[tuple[str, str]] = (),
) -> ObjectQuery:
    """A query by names, narrowed by parameters.

    Raises NotFoundError for a name, ConfigurationError for parameters, also for a filter by a
    property that the schema does not have.
    """
    with app.engine.connect() as connection:
        kind = schema_store.get(connection, schema) if schema else None
        within = ObjectQuery(
            register_id=register_store.get(connection, register).id if register else None,
            schema_id=kind.id if kind else None,
            source_id=object_store.source_id(connection, source) if source else None,
        )
    known = (kind.document.get("properties") or {}) if kind else {}
    found = parameters.read(within, known, given).query
    if found.ignored:
        raise UsageError(
            f"Schema {schema} has no property for {', '.join(dict(found.ignored))}",
            hint=f"`openregister schema:show {schema}` lists its properties",
        )
    return found


def find(
    app: Application, found: ObjectQuery, *, expression: str | None = None, limit: int
) -> list[StoredObject]:
    """The first objects of the query for which the expression, if there is one, is true.

    Raises UsageError for an expression that cannot be used.
    """
    narrowed, keep = filtered(found, expression)
    with app.engine.connect() as connection, closing(stream(connection, narrowed)) as objects:
        return list(islice(filter(keep, objects), limit))


def filtered(found: ObjectQuery, expression: str | None) -> tuple[ObjectQuery, Keep]:
    """The test of each object, and the query with what of it the database answers already.

    The expression is as in a mapping, or JsonLogic as JSON. Raises UsageError for one that cannot
    be used, as does the test for an object that it does not fit.
    """
    if expression is None or not expression.strip():
        return found, lambda one: True
    document: str | dict[str, Any] = expression
    equal: tuple[Condition, ...] = ()
    try:
        if expression.lstrip().startswith("{"):
            document = canonical.loads(expression)
        else:
            equal = tuple(Condition(e.path, "eq", (e.text,)) for e in equal_texts(expression))
        accepts = compile_filter(document)
    except ValueError as error:
        raise UsageError(
            f"The filter cannot be used: {error}",
            where=expression,
            hint="Write for example: status == 'active' and inhabitants > 1000",
        ) from None

    def keep(one: StoredObject) -> bool:
        try:
            return accepts(one.data)
        except ExpressionError as error:
            raise UsageError(
                f"The filter does not fit object {one.uuid}: {error}",
                where=expression,
                hint="Use default(…) or a test such as `is number` where fields differ",
            ) from None

    return replace(found, conditions=found.conditions + equal), keep
