"""Finding objects: by where they belong and by a filter in the language of the mappings."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlalchemy as sa

from app.application import Application
from app.errors import UsageError
from app.mapping.language.errors import ExpressionError
from app.mapping.language.filters import compile_filter
from app.mapping.language.pushdown import equal_texts
from app.registers import object_store as store
from app.registers import register_store, schema_store
from app.registers.object_store import PropertyFilter, Selection, StoredObject
from connectors.sdk import canonical

Keep = Callable[[StoredObject], bool]


@dataclass(frozen=True, slots=True)
class Query:
    """Which objects, by the names people know. `filter`: an expression, or JsonLogic as JSON."""

    register: str | None = None
    schema: str | None = None
    source: str | None = None
    key: str | None = None
    filter: str | None = None
    deleted: bool = False
    """Deleted objects as well."""


def find(app: Application, query: Query, *, limit: int) -> list[StoredObject]:
    """The first objects that match, the oldest first.

    Raises NotFoundError for a name, UsageError for a filter that cannot be used.
    """
    with app.engine.connect() as connection, closing(stream(connection, query)) as found:
        return list(islice(found, limit))


def stream(connection: sa.Connection, query: Query) -> Generator[StoredObject]:
    """Every object that matches, one after the other; raises as `find` does."""
    keep, narrowed = _compiled(query.filter)
    selection = select(connection, query, narrowed)
    for found in store.stream(connection, selection):
        if keep(found):
            yield found


def select(
    connection: sa.Connection, query: Query, filters: Sequence[PropertyFilter] = ()
) -> Selection:
    """The query by numbers, without its filter. Raises NotFoundError for a name."""
    return Selection(
        register_id=register_store.get(connection, query.register).id if query.register else None,
        schema_id=schema_store.get(connection, query.schema).id if query.schema else None,
        source_id=store.source_id(connection, query.source) if query.source else None,
        key=query.key,
        filters=filters,
        deleted=query.deleted,
    )


def _compiled(text: str | None) -> tuple[Keep, Sequence[PropertyFilter]]:
    """The test of each object, and what of it the database answers already."""
    if text is None or not text.strip():
        return (lambda found: True), ()
    document: str | dict[str, Any] = text
    narrowed: Sequence[PropertyFilter] = ()
    try:
        if text.lstrip().startswith("{"):
            document = canonical.loads(text)
        else:
            narrowed = [PropertyFilter(path, "=", value) for path, value in equal_texts(text)]
        accepts = compile_filter(document)
    except ValueError as error:
        raise UsageError(
            f"The filter cannot be used: {error}",
            where=text,
            hint="Write for example: status == 'active' and inhabitants > 1000",
        ) from None

    def keep(found: StoredObject) -> bool:
        try:
            return accepts(found.data)
        except ExpressionError as error:
            raise UsageError(
                f"The filter does not fit object {found.uuid}: {error}",
                where=text,
                hint="Use default(…) or a test such as `is number` where fields differ",
            ) from None

    return keep, narrowed
