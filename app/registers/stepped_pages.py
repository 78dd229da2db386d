"""Browse objects page by page at constant cost.

No page counts what it does not show. A total is exact up to 10,000 and an estimate above; a search
or filter, which would have to scan everything, has none.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.application import Application
from app.registers import list_store
from app.registers.model import About, StoredObject
from app.registers.query import ObjectQuery

WINDOW = 10_000
"""Objects examined by a search or filter in one statement."""

PATIENCE = 0.2
"""Seconds after which a search or filter shows what it has found so far."""


@dataclass(frozen=True, slots=True)
class View:
    """A page of objects, oldest first, and where there may be others before and after.

    `looked` is set if a search stopped early: the number of objects examined.
    """

    objects: Sequence[StoredObject]
    previous: UUID | None
    next: UUID | None
    looked: int | None = None


def page(
    app: Application,
    query: ObjectQuery,
    *,
    after: UUID | None = None,
    before: UUID | None = None,
    limit: int = 50,
    patience: float = PATIENCE,
    window: int = WINDOW,
) -> View:
    """The first objects of a query, or those behind or just before one of them.

    Looks at `window` objects at a time, until the page is full or `patience` seconds are over:
    a filter that nothing fits would have to look at all. `looked` then says how far it came, and
    `next` (with `before`: `previous`) goes on from there. A list that is asked to be sorted is
    sorted as a whole.
    """
    back = before is not None
    place = before if back else after
    found: list[StoredObject] = []
    looked = 0
    until = time.monotonic() + patience
    with app.engine.connect() as connection:
        list_store.limit_time(connection)
        while True:
            edge = None
            if not query.order:
                edge = list_store.edge(connection, query, place, width=window, back=back)
            wanted = limit + 1 - len(found)
            if back:
                found += list_store.read(
                    connection, query, before=place, first=edge, limit=wanted, back=True
                )
            else:
                found += list_store.read(connection, query, after=place, until=edge, limit=wanted)
            if len(found) > limit or edge is None:
                break
            looked, place = looked + window, edge
            if time.monotonic() > until:
                break
    unfinished = looked if edge is not None and len(found) <= limit else None
    further = found[limit - 1].uuid if len(found) > limit else edge
    shown = found[:limit]
    if back:
        shown.reverse()
        return View(shown, further, shown[-1].uuid if shown else further, unfinished)
    previous = None if after is None else shown[0].uuid if shown else after
    return View(shown, previous, further, unfinished)


def of_source(
    app: Application, source_id: int, *, after: UUID | None = None, limit: int = 50
) -> View:
    """Objects that a source owns, by key, including deleted ones."""
    with app.engine.connect() as connection:
        list_store.limit_time(connection)
        found = list_store.of_source(connection, source_id, after=after, limit=limit + 1)
    shown = found[:limit]
    return View(shown, None, _last(shown) if len(found) > limit else None)


def about(app: Application, query: ObjectQuery) -> About:
    """How many objects a query has, without counting many."""
    with app.engine.connect() as connection:
        return list_store.about(connection, query)


def _last(shown: Sequence[StoredObject]) -> UUID | None:
    return shown[-1].uuid if shown else None
