"""Detect a source's paging style from its first response, and verify it with the second.

Statements in the response come first (links, tokens, flags, its own page number), then the usual
parameters. A style is accepted only if its page 2 has rows that were not on page 1.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import orjson

from connectors.sdk.config import ConfigModel
from connectors.sdk.errors import DataError
from connectors.sdk.http.messages import Request
from connectors.sdk.paging.base import Follow, Paginator, with_params
from connectors.sdk.paging.build import like
from connectors.sdk.paging.distinct import likely_key, overlap
from connectors.sdk.paging.pages import Page
from connectors.sdk.paging.settings import (
    AutoPages,
    CursorPages,
    LinkHeaderPages,
    NextUrlPages,
    NumberedPages,
    OffsetPages,
    Place,
)
from connectors.sdk.paging.signs import HEADER, Kind, Look, look
from connectors.sdk.paging.styles import (
    Cursor,
    LinkHeader,
    NextUrl,
    Numbered,
    Offset,
    SinglePage,
    last_row,
)
from connectors.sdk.paging.tokens import AFTER_LAST, params_for, variables
from connectors.sdk.paging.totals import figures, whole_number
from connectors.sdk.rows import RowDecodeError

T = TypeVar("T", bound=ConfigModel)
Probe = Callable[[Request], "Page | None"]
"""Requests page 2 with parameters that the source may not support; None if it refuses."""
Found = tuple[Paginator, "Page | None"]
"""A style, and page 2 if it was requested."""

_NUMBER_ECHOES = ("page", "currentpage", "pagenumber", "pageindex", "number", "pagina")
_OFFSET_ECHOES = ("offset", "skip", "start", "startindex", "startat", "from", "resultoffset")
_NUMBERS = (
    "page",
    "p",
    "pageNumber",
    "page_number",
    "pageNo",
    "pageIndex",
    "page[number]",
    "_page",
    "pagina",
)
_OFFSETS = (
    "offset",
    "skip",
    "$skip",
    "$offset",
    "start",
    "from",
    "startAt",
    "startIndex",
    "resultOffset",
    "_start",
    "page[offset]",
)
_TRIES = 6
"""Parameters to try for a token."""


class Detector:
    """Detects the style of one source. `key` identifies a row; `again` requests page 2."""

    def __init__(
        self,
        config: AutoPages,
        base: Request,
        follow: Follow,
        probe: Probe,
        key: Sequence[str] = (),
    ) -> None:
        self._config = config
        self._base = base
        self._follow = follow
        self._probe = probe
        self._key = key
        self.ignored = False
        """Every usual parameter was tried, and the source supports none."""
        self._moved = False
        self.certain = False
        """The style was followed or is stated explicitly: the next read need not detect it."""

    def style(self, page: Page, *, probes: bool = True) -> Found:
        """The style according to page 1, and page 2 if it was requested.

        `probes`: also try the usual parameters if the response states nothing.
        """
        single = SinglePage(self._base, self._config.total, "")
        single.next(page)
        signs = self._signs(page)
        if page.rows == 0 and not signs.more:
            return self._single(), None
        steps = [] if signs.is_last else [self._by_links, self._by_tokens]
        steps.append(self._by_echo)
        if signs.flags:
            steps.append(self._by_last_row)
        for step in steps:
            if (found := step(page, signs)) is not None:
                self.certain = found[1] is not None or step == self._by_links
                self.certain &= not self._moved
                return found
        beyond = (single.total or 0) > page.rows or (single.pages or 0) > 1
        ended = signs.ends and not signs.more and not beyond
        if not ended and (probes or beyond or signs.more):
            if (counted := self._by_counting(page)) is not None:
                self.certain = not self._moved
                return counted
            self.ignored = not signs.more and not beyond
        return self._ending(signs) or self._single(), None

    def _single(self) -> Paginator:
        return SinglePage(self._base, self._config.total, "")

    def _signs(self, page: Page) -> Look:
        if self._config.more is None:
            return Look()
        return look(page.document, page.headers, page.records)

    # Statements in the response.

    def _by_links(self, page: Page, signs: Look) -> Found | None:
        kinds = {sign.kind: sign for sign in reversed(signs.more)}
        if Kind.HEADER_LINK in kinds:
            return LinkHeader(self._settings(LinkHeaderPages), self._base, self._follow), None
        if (link := kinds.get(Kind.LINK)) is not None:
            settings = self._settings(NextUrlPages, next=link.path)
            return NextUrl(settings, self._base, self._follow), None
        return None

    def _by_tokens(self, page: Page, signs: Look) -> Found | None:
        return self._first_verified(self._tokens(page, signs), page)

    def _by_last_row(self, page: Page, signs: Look) -> Found | None:
        token = last_row(page, likely_key(page.items) or "id")
        params = (*variables(page), *AFTER_LAST)
        candidates = (self._cursor(token=token, param=p, place=self._place(p)) for p in params)
        return self._first_verified(candidates, page)

    def _tokens(self, page: Page, signs: Look) -> Iterator[Cursor]:
        for sign in signs.more:
            if sign.kind is not Kind.TOKEN:
                continue
            if sign.path.endswith(
                "resumptionToken"
            ):  # OAI-PMH 2.0: it excludes all other parameters except the verb
                yield self._cursor(token=sign.path, param="resumptionToken", keep=("verb",))
            for param in params_for(sign.path, sign.value, page)[:_TRIES]:
                yield self._cursor(token=sign.path, param=param, place=self._place(param))
            if sign.path.startswith(HEADER):
                name = sign.path.removeprefix(HEADER)
                yield self._cursor(token=sign.path, param=name, place="header")

    def _place(self, param: str) -> Place:
        in_body = param.startswith("variables.") or self._has_document
        return "body" if in_body else self._config.place

    @property
    def _has_document(self) -> bool:
        try:
            return isinstance(orjson.loads(self._base.body or b"null"), dict)
        except orjson.JSONDecodeError:
            return False

    def _cursor(self, **settings: Any) -> Cursor:
        return Cursor(self._settings(CursorPages, **settings), self._base)

    def _first_verified(self, candidates: Iterable[Paginator], page: Page) -> Found | None:
        """The first candidate whose page 2 has rows, none of them from page 1."""
        for candidate in candidates:
            try:
                request = candidate.next(page)
            except DataError:  # the token it needs is missing
                continue
            second = self._probe(request) if request is not None else None
            if second is not None and second.rows and self._differs(page, second):
                _rewind(candidate)
                return candidate, second
        return None

    def _same(self, page: Page, second: Page) -> int:
        """How many rows of page 1 are also on the other page."""
        return overlap(_items(page), _items(second), self._key)

    def _differs(self, page: Page, second: Page) -> bool:
        """Whether page 2 is a different page.

        A few rows may have moved between the two requests; that proves nothing, and the next read
        detects the style again.
        """
        same = self._same(page, second)
        self._moved = self._moved or same > 0
        return same * 5 <= second.rows

    def _by_echo(self, page: Page, signs: Look) -> Found | None:
        """By the page number or offset repeated in the response."""
        for path, value in figures(page.document, _OFFSET_ECHOES, page.records):
            if (start := whole_number(value)) in (0, 1):
                param = path.rpartition(".")[2]
                if (found := self._offset(page, param, start)) is not None:
                    return found
        for path, value in figures(page.document, _NUMBER_ECHOES, page.records):
            if (start := whole_number(value)) in (0, 1):
                own = path.rpartition(".")[2]
                for param in dict.fromkeys((own, "page")):
                    if (found := self._number(page, param, start)) is not None:
                        return found
        return None

    def _offset(self, page: Page, param: str, start: int) -> Found | None:
        settings = self._settings(OffsetPages, param=param, start=start, **self._size())
        return self._counted(Offset(settings, self._base), page)

    def _number(self, page: Page, param: str, start: int) -> Found | None:
        settings = self._settings(NumberedPages, param=param, start=start)
        return self._counted(Numbered(settings, self._base), page)

    def _counted(self, candidate: Paginator, page: Page) -> Found | None:
        """A candidate named in the response: accepted if its total is reached, or page 2 is new."""
        request = candidate.next(page)
        if request is None:
            _rewind(candidate)
            return candidate, None
        second = self._probe(request)
        if second is None and candidate.verifies and self._confirmed(candidate.first(), page):
            _rewind(candidate)  # the walk requests it again, and treats the refusal as the end
            return candidate, None
        if second is None or not self._differs(page, second):
            return None
        if second.rows == 0 and not self._confirmed(candidate.first(), page):
            return None
        _rewind(candidate)
        return candidate, second

    def _confirmed(self, request: Request, page: Page) -> bool:
        """Whether an explicit request for page 1 returns page 1."""
        again = self._probe(request)
        return again is not None and again.rows > 0 and self._same(page, again) == again.rows

    def _ending(self, signs: Look) -> Paginator | None:
        """The style of a response that would name the next page if there were one."""
        for sign in signs.ends:
            if sign.kind is Kind.HEADER_LINK:
                return LinkHeader(self._settings(LinkHeaderPages), self._base, self._follow)
            if sign.kind is not Kind.FLAG:
                settings = self._settings(NextUrlPages, next=sign.path)
                return NextUrl(settings, self._base, self._follow)
        return None

    # Parameters that the source may support without saying so.

    def _by_counting(self, page: Page) -> Found | None:
        numbers, offsets = self._names(_NUMBERS), self._names(_OFFSETS)
        if not self._ignores(numbers, 2, page):
            for name in numbers:
                if (found := self._numbered_by(name, page)) is not None:
                    return found
        if not self._ignores(offsets, page.rows, page):
            for name in offsets:
                if (found := self._offset_by(name, page)) is not None:
                    return found
        return None

    def _names(self, names: Sequence[str]) -> Sequence[str]:
        """The names to try; in a body only those already present."""
        if self._base.method == "GET":
            return names
        if not self._has_document:
            return ()
        body = orjson.loads(self._base.body or b"{}")
        return [name for name in names if name in body]

    def _ignores(self, names: Sequence[str], value: int, page: Page) -> bool:
        """Whether page 1 is returned although all of these parameters were sent at once."""
        if not names:
            return True
        params = dict.fromkeys(names, value)
        place: Place = "query" if self._base.method == "GET" else "body"
        answer = self._probe(with_params(self._base, params, place))
        return answer is not None and answer.rows > 0 and self._same(page, answer) == answer.rows

    def _numbered_by(self, name: str, page: Page) -> Found | None:
        one, zero = (
            Numbered(
                self._settings(NumberedPages, param=name, start=s, **self._in_body()), self._base
            )
            for s in (1, 0)
        )
        second = self._probe(one.at(2))
        if second is None or not self._differs(page, second):
            return None
        # A source that counts from 0 returns its second page for page=1.
        other = self._probe(one.at(1))
        if other is not None and not other.rows and not second.rows:
            return (zero, other) if self._confirmed(zero.at(0), page) else None
        if other is not None and other.rows and not self._same(page, other):
            return zero, other
        if second.rows == 0 and (other is None or self._same(page, other) < other.rows):
            return None
        return one, second

    def _offset_by(self, name: str, page: Page) -> Found | None:
        zero, one = (
            Offset(
                self._settings(OffsetPages, param=name, start=s, **self._size(), **self._in_body()),
                self._base,
            )
            for s in (0, 1)
        )
        second = self._probe(zero.at(page.rows))
        if second is None:
            return None
        last = _items(page)[-1:]
        if second.rows and (same := self._same(page, second)):
            if same == 1 and overlap(last, _items(second)[:1], self._key):
                following = self._probe(one.at(page.rows + 1))  # it counts from 1
                if following is not None and not self._same(page, following):
                    return one, following
            return None
        # To lose no rows, the last row of page 1 must be returned again.
        back = self._probe(zero.at(page.rows - 1))
        if back is None or not overlap(last, _items(back)[:1], self._key):
            return None
        return zero, second

    def _size(self) -> dict[str, Any]:
        return {} if self._config.size_param else {"size_param": ""}

    def _in_body(self) -> dict[str, Any]:
        return {} if self._base.method == "GET" else {"place": "body"}

    def _settings(self, model: type[T], **more: Any) -> T:
        return like(model, self._config, **more)


def _rewind(candidate: Paginator) -> None:
    """Reset it to its state before page 1."""
    candidate.rows = 0
    candidate.followed = 0


def _items(page: Page) -> Sequence[Any]:
    """The rows of a page, whatever its format."""
    rows = []
    for batch in page.batches:
        for index in range(len(batch)):
            with contextlib.suppress(RowDecodeError):
                rows.append(batch.row(index).data)
    return rows or page.items
