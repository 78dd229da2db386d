"""Pages of lists for the API, with the totals of the whole list."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import sqlalchemy as sa

from app.registers import find
from app.registers import list_store as store
from app.registers.find import Place
from app.registers.list_store import Clock
from app.registers.model import StoredObject
from app.registers.parameters import ListRequest
from app.registers.query import ObjectQuery

SMALL = 10_000
"""Lists up to this size are counted again after every change."""

FRESH = 60.0
"""Seconds for which the count of a larger list is reused."""

REMEMBERED = 15 * 60.0
"""Seconds for which a reader's marks are kept after each page."""

MOST_BYTES = 64 * 1024 * 1024
"""Maximum size of all marks together."""

LARGEST_PAGE = 64 * 1024 * 1024
"""Bytes of JSON that the objects of a page may have together."""

_OVERHEAD = 500


@dataclass(frozen=True, slots=True)
class Page:
    """A page: `pages` and `total` are those of the whole list. `next`: where it continues."""

    results: Sequence[StoredObject]
    total: int
    page: int
    pages: int
    limit: int
    offset: int
    next: UUID | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A page with what a client compares its copy with; `page` is None if it has it already."""

    asked: ListRequest
    etag: str
    modified: datetime | None
    page: Page | None


@dataclass(slots=True)
class _Marks:
    """The starts of pages when `clock` had `entries`: 16 bytes a page, as there may be many."""

    starts: bytes
    total: int
    entries: int
    made: float
    used: float = field(default=0.0)

    @property
    def pages(self) -> int:
        return len(self.starts) // 16

    def start(self, place: int) -> UUID:
        """The first UUID of a page, counted from 0."""
        return UUID(bytes=self.starts[place * 16 : place * 16 + 16])


_Key = tuple[str | None, ObjectQuery, int]
"""Reader (None: whoever came last), list and page size."""


class Lister:
    """Returns pages. Remembers, per reader and list, where pages begin; thread-safe.

    A reader's marks are renewed when page 1 is requested after a change. Reading from there to
    the last page returns each object that existed at the start once, despite concurrent
    deletions or insertions, and always reports the same totals.
    """

    def __init__(self, *, most: int = MOST_BYTES) -> None:
        self._most = most
        self._known: OrderedDict[_Key, _Marks] = OrderedDict()
        self._lock = threading.Lock()

    def listing(
        self,
        connection: sa.Connection,
        register: str,
        schema: str,
        given: Iterable[tuple[str, str]],
        *,
        reader: str,
        is_known: Callable[[str, datetime | None], bool],
    ) -> Listing:
        """The page that parameters ask for, unless `is_known` its ETag and last change.

        Raises NotFoundError for a name, ConfigurationError for parameters.
        """
        found = find.place(connection, register, schema)
        asked, now = found.read(given), store.clock(connection)
        etag = _tag(asked, found, now, self._basis(asked, now, reader=reader))
        modified = _last_change(now, found)
        page = None
        if not is_known(etag, modified):
            page = self.page(connection, asked, now, reader=reader)
        return Listing(asked, etag, modified, page)

    def page(
        self, connection: sa.Connection, asked: ListRequest, now: Clock, *, reader: str
    ) -> Page:
        """The page that is asked for; `reader` names who asks."""
        if asked.query.ignored:
            return Page((), 0, asked.page, 0, asked.limit, _offset(asked))
        store.limit_time(connection)
        if asked.cursor is not None:
            return self._behind(connection, asked, asked.cursor, now, reader)
        if asked.query.order or (asked.offset is not None and asked.offset % asked.limit):
            return self._sorted(connection, asked)
        marks = self._marks(connection, asked, now, reader)
        total, pages, place = marks.total, marks.pages, asked.page - 1
        if place >= pages:
            return _page(asked, (), total, pages)
        last = place + 1 == pages
        stop = None if last else marks.start(place + 1)
        limit = asked.limit if last else None
        # objects before the first mark or after the last object, created since it was counted
        start = marks.start(place) if place else None
        if marks.entries == now.entries:
            # there are none: skip the search, as a filter would scan everything
            start = marks.start(place)
            limit = total - place * asked.limit if last else None
        results = store.read(
            connection, asked.query, first=start, before=stop, limit=limit, most=LARGEST_PAGE
        )
        return _page(asked, results, total, pages, more=not last)

    def _behind(
        self, connection: sa.Connection, asked: ListRequest, cursor: UUID, now: Clock, reader: str
    ) -> Page:
        results = store.read(
            connection, asked.query, after=cursor, limit=asked.limit, most=LARGEST_PAGE
        )
        marks = self._marks(connection, asked, now, reader)
        more = len(results) == asked.limit
        return _page(asked, results, marks.total, marks.pages, more=more)

    def _sorted(self, connection: sa.Connection, asked: ListRequest) -> Page:
        total = store.count(connection, asked.query)
        offset, most = _offset(asked), LARGEST_PAGE
        results = store.read(connection, asked.query, offset=offset, limit=asked.limit, most=most)
        return _page(asked, results, total, -(-total // asked.limit))

    def _basis(self, asked: ListRequest, now: Clock, *, reader: str) -> int:
        """Which state of the audit trail the marks of the response belong to, or will."""
        known = self._usable(asked, now, reader)
        return now.entries if known is None else known.entries

    def _marks(
        self, connection: sa.Connection, asked: ListRequest, now: Clock, reader: str
    ) -> _Marks:
        known = self._usable(asked, now, reader)
        if known is None:
            starts, total = store.marks(connection, asked.query, step=asked.limit)
            known = _Marks(starts, total, now.entries, time.monotonic())
        with self._lock:
            self._remember((reader, asked.query, asked.limit), replace(known))
            self._remember((None, asked.query, asked.limit), known)
        return known

    def _usable(self, asked: ListRequest, now: Clock, reader: str) -> _Marks | None:
        """The reader's own marks, or recent ones of another request."""
        first = asked.page == 1 and asked.cursor is None
        with self._lock:
            own = self._known.get((reader, asked.query, asked.limit))
            others = self._known.get((None, asked.query, asked.limit))
        if own is not None and _still_good(own, now, first=first):
            return own
        return others if others is not None and _still_good(others, now, first=True) else None

    def _remember(self, key: _Key, marks: _Marks) -> None:
        marks.used = time.monotonic()
        self._known[key] = marks
        self._known.move_to_end(key)
        # keep the two just used, whatever their size
        while len(self._known) > 2 and sum(map(_size, self._known.values())) > self._most:
            self._known.popitem(last=False)


def _size(marks: _Marks) -> int:
    return len(marks.starts) + _OVERHEAD


def _still_good(known: _Marks, now: Clock, *, first: bool) -> bool:
    moment = time.monotonic()
    if known.entries == now.entries:
        return True
    if not first:
        return moment - known.used < REMEMBERED
    return known.total > SMALL and moment - known.made < FRESH


def _offset(asked: ListRequest) -> int:
    return asked.offset if asked.offset is not None else (asked.page - 1) * asked.limit


def _page(
    asked: ListRequest,
    results: Sequence[StoredObject],
    total: int,
    pages: int,
    *,
    more: bool = False,
) -> Page:
    page = Page(results, total, asked.page, pages, asked.limit, _offset(asked))
    return replace(page, next=results[-1].uuid) if more and results else page


def _tag(asked: ListRequest, found: Place, now: Clock, basis: int) -> str:
    """An ETag: changes whenever the response may, without reading an object."""
    state = (
        asked,
        basis,
        now.entries,
        now.sources,
        now.sources_changed,
        found.register,
        found.schema.version,
        found.schema.updated,
    )
    return f'"{sha256(repr(state).encode()).hexdigest()[:32]}"'


def _last_change(now: Clock, found: Place) -> datetime | None:
    """When anything in the response may have last changed.

    None within two seconds after it: HTTP dates have whole seconds, and a second change in the
    same one must not be missed.
    """
    moments = [now.last_change, now.sources_changed, found.schema.updated, found.register.updated]
    latest = max(moment for moment in moments if moment is not None)
    return latest if (now.now - latest).total_seconds() > 2 else None
