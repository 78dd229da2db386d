"""From one page of an answer to the next, in each of the styles that APIs page in.

A paginator never guesses an end: it asks on until the source says that there is no more, in
the way of its style (no next link, no cursor, the total reached, a page without rows).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson
from requests.utils import parse_header_links

from connectors.sdk.errors import ConfigurationError, DataError
from connectors.sdk.messages import Request
from connectors.sdk.pagination import (
    CursorPages,
    LinkHeaderPages,
    NextUrlPages,
    NumberedPages,
    OffsetPages,
    Place,
    SizedPages,
)
from connectors.sdk.records import MISSING, at
from connectors.sdk.totals import Counter, pages_counter, total_counter, under_wrappers

Follow = Callable[[str, str], str]
"""Makes a link found at an address absolute: ``follow(base, link)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a paginator needs to know of a page: how it was asked for, and what came back."""

    number: int
    request: Request
    url: str
    headers: Mapping[str, str]
    document: Any
    rows: int
    """Items on the page, those that are no objects included."""
    past_end: bool = False
    """The server answered with one of the paginator's `end_status`."""


class Paginator(ABC):
    """One way of paging through one read; `total` and `pages` are what the source said last."""

    name: ClassVar[str]
    end_status: tuple[int, ...] = ()

    def __init__(
        self,
        base: Request,
        total: str | None = "",
        pages: str | None = None,
        sizes: SizedPages | None = None,
    ) -> None:
        self.base = base
        self._sizes = sizes
        self.rows = 0
        self.total: int | None = None
        self.pages: int | None = None
        self._total = total_counter(total)
        self._pages = pages_counter(pages)

    def first(self) -> Request:
        return self.base

    def next(self, page: Seen) -> Request | None:
        """The request after `page`, or None when the source said that this was the last one.

        Raises DataError when it says so before all the rows it spoke of have come.
        """
        self.rows += page.rows
        if not page.past_end:
            self.total = self._figure(self._total, page, self.total)
            self.pages = self._figure(self._pages, page, self.pages)
        following = self._after(page)
        if following is None and self.total is not None and self.rows < self.total:
            raise DataError(
                f"The source speaks of {self.total} rows but gave {self.rows}",
                where=f"page {page.number}",
                hint="Check pagination; if the number means something else, set "
                "pagination.total to null",
            )
        return following

    def _with(self, params: Mapping[str, Any]) -> Request:
        """The base request with page parameters, and the page size when it is asked for."""
        sizes = self._sizes
        if sizes is None:
            return with_params(self.base, params)
        if sizes.size_param:
            params = {**params, sizes.size_param: sizes.size}
        return with_params(self.base, params, sizes.place)

    @staticmethod
    def _figure(counter: Counter, page: Seen, before: int | None) -> int | None:
        found = counter.read(page.document, page.headers, page.rows)
        return before if found is None else found

    @abstractmethod
    def _after(self, page: Seen) -> Request | None:
        """The request after `page`; totals and `rows` are up to date."""

    def ahead(self, page: Seen) -> Iterator[Request]:
        """Requests after the first page that are known already, in order, by its totals."""
        return iter(())


class SinglePage(Paginator):
    """One request gives everything; a total that says otherwise is an error."""

    name = "none"

    def _after(self, page: Seen) -> None:
        return None


class Numbered(Paginator):
    """Pages by number."""

    name = "page"

    def __init__(self, config: NumberedPages, base: Request) -> None:
        super().__init__(base, config.total, config.pages, config)
        self._config = config
        self.end_status = config.end_status

    def first(self) -> Request:
        return self._at(self._config.start)

    def _at(self, number: int) -> Request:
        return self._with({self._config.param: number})

    def _after(self, page: Seen) -> Request | None:
        if page.past_end or self._is_last(page):
            return None
        return self._at(self._config.start + page.number)

    def _is_last(self, page: Seen) -> bool:
        if self.total is not None and self.rows >= self.total:
            return True
        if self.pages is not None and self.total is None:
            return page.number >= self.pages
        return page.rows == 0

    def ahead(self, page: Seen) -> Iterator[Request]:
        if self.total is not None and page.rows:
            last = math.ceil(self.total / page.rows)
        else:
            last = self.pages or 1
        return (self._at(self._config.start + number) for number in range(1, last))


class Offset(Paginator):
    """Pages by the number of rows before them."""

    name = "offset"

    def __init__(self, config: OffsetPages, base: Request) -> None:
        super().__init__(base, config.total, None, config)
        self._config = config
        self.end_status = config.end_status

    def first(self) -> Request:
        return self._at(self._config.start)

    def _at(self, offset: int) -> Request:
        return self._with({self._config.param: offset})

    def _after(self, page: Seen) -> Request | None:
        if page.past_end or page.rows == 0:
            return None
        if self.total is not None and self.rows >= self.total:
            return None
        # By what came, not by what was asked for: servers cap the page size.
        return self._at(self._config.start + self.rows)

    def ahead(self, page: Seen) -> Iterator[Request]:
        if self.total is None or page.rows == 0:
            return iter(())
        start = self._config.start
        return (self._at(start + done) for done in range(page.rows, self.total, page.rows))


TOKENS = {
    # path's last name: the parameter that takes it
    "next_cursor": "cursor",
    "nextCursor": "cursor",
    "nextPageToken": "pageToken",
    "next_page_token": "page_token",
    "nextToken": "nextToken",
    "next_token": "next_token",
    "continuationToken": "continuationToken",
    "continuation_token": "continuation_token",
    "endCursor": "after",
    "end_cursor": "after",
    "cursors.after": "after",
    "cursor.next": "cursor",
    "scroll_id": "scroll_id",
    "cursor": "cursor",
}
_TOKEN_WRAPPERS = ("response_metadata",)
MORE = ("has_more", "hasMore", "hasNextPage", "has_next_page", "has_next", "more")


def token_paths() -> list[str]:
    """Where the token of the next page may stand."""
    return under_wrappers(TOKENS) + [f"{w}.{name}" for w in _TOKEN_WRAPPERS for name in TOKENS]


class Cursor(Paginator):
    """Pages by a token that each answer holds for the next."""

    name = "cursor"

    def __init__(self, config: CursorPages, base: Request) -> None:
        super().__init__(base, config.total, None, config)
        self._config = config
        self._path = config.token
        self._more = config.more
        self._last: object = None

    def first(self) -> Request:
        return self._with({})

    def _after(self, page: Seen) -> Request | None:
        token = self._token(page)
        more = self._flag(page)
        if more is False:
            return None
        if token in (None, "", False) or token is MISSING:
            if more:
                raise DataError(
                    "The source says there is more but gives no token for it",
                    where=f"page {page.number}",
                    hint="Set pagination.token to the path of the token",
                )
            return None
        # A scroll hands out one token for all its pages; it ends with a page without rows.
        if page.rows == 0 and token == self._last:
            return None
        self._last = token
        return self._with({self._param(): token})

    def _token(self, page: Seen) -> Any:
        if self._path:
            return at(page.document, self._path)
        for path in token_paths():
            if (found := at(page.document, path)) is not MISSING:
                self._path = path
                return found
        return MISSING

    def _param(self) -> str:
        if self._config.param:
            return self._config.param
        for name, param in TOKENS.items():
            if self._path == name or self._path.endswith(f".{name}"):
                return param
        raise ConfigurationError(
            "It is not known which parameter takes the token",
            where="pagination.param",
            hint="Set pagination.param, for example to cursor",
        )

    def _flag(self, page: Seen) -> bool | None:
        paths = [self._more] if self._more else under_wrappers(MORE)
        for path in paths:
            found = at(page.document, path)
            if isinstance(found, bool):
                self._more = path
                return found
            if self._more and found is not MISSING:
                return bool(found)
        return None


NEXT_URLS = (
    "next",
    "@odata.nextLink",
    "odata.nextLink",
    "@nextLink",
    "nextLink",
    "next_link",
    "links.next",
    "_links.next",
    "next_url",
    "nextUrl",
    "next_page_url",
    "nextPageUrl",
    "next_page",
    "nextPage",
    "hydra:view.hydra:next",
    "view.next",
    "__next",
)


class NextUrl(Paginator):
    """Pages by an address that each answer holds for the next."""

    name = "next_url"

    def __init__(self, config: NextUrlPages, base: Request, follow: Follow) -> None:
        super().__init__(base, config.total, None, config)
        self._config = config
        self._path = config.next
        self._follow = follow

    def first(self) -> Request:
        return self._with({})

    def _after(self, page: Seen) -> Request | None:
        link = self._link(page)
        if link is None:
            return None
        return linked(self.base, self._follow(page.url, link))

    def _link(self, page: Seen) -> str | None:
        if self._path:
            return link_in(at(page.document, self._path), self._path, page.number)
        self._path = next_url_path(page.document) or ""
        if not self._path:
            return None
        return link_in(at(page.document, self._path), self._path, page.number)


def next_url_path(document: Any) -> str | None:
    """Where a document holds the address of the next page (or an explicit null for it)."""
    null = None
    for path in under_wrappers(NEXT_URLS):
        found = at(document, path)
        if isinstance(found, dict):
            found = found.get("href", MISSING)
        if isinstance(found, str) and (looks_like_link(found) or _names_link(path, found)):
            return path
        if found is None and null is None and isinstance(document, dict):
            null = path
    return null


def _names_link(path: str, found: str) -> bool:
    return bool(found) and path.lower().endswith(("link", "url", "href"))


def looks_like_link(text: str) -> bool:
    """Whether a text is an address, absolute or relative, rather than a token."""
    return text.startswith(("http://", "https://", "/", "?")) or ("?" in text and "=" in text)


def link_in(found: Any, path: str, number: int) -> str | None:
    """The address that stands at `path`, None when there is none any more."""
    if isinstance(found, dict):
        found = found.get("href")
    if found is MISSING or found in (None, "", False):
        return None
    if not isinstance(found, str):
        raise DataError(
            f"The address of the next page is no text but {type(found).__name__}",
            where=f"page {number}, {path}",
            hint="Set pagination.next, or another pagination.type",
        )
    return found


class LinkHeader(Paginator):
    """Pages by the `Link` header of each answer."""

    name = "link_header"

    def __init__(self, config: LinkHeaderPages, base: Request, follow: Follow) -> None:
        super().__init__(base, config.total, None, config)
        self._config = config
        self._follow = follow

    def first(self) -> Request:
        return self._with({})

    def _after(self, page: Seen) -> Request | None:
        link = link_of(page.headers, self._config.rel)
        return None if link is None else linked(self.base, self._follow(page.url, link))


def link_of(headers: Mapping[str, str], rel: str) -> str | None:
    """The target of the `Link` header with this relation."""
    for link in parse_header_links(headers.get("Link", "")):
        if rel in str(link.get("rel", "")).lower().split():
            return str(link["url"])
    return None


def linked(base: Request, url: str) -> Request:
    """A request for a link: it holds the whole query already."""
    return replace(base, url=url, query=[])


def with_params(base: Request, params: Mapping[str, Any], place: Place = "query") -> Request:
    """`base` with parameters set; ones that it has already are replaced."""
    if not params:
        return base
    if place == "body":
        document = orjson.loads(base.body) if base.body else {}
        return replace(base, body=orjson.dumps({**document, **params}))
    url = base.url
    parts = urlsplit(url)
    if parts.query:
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        if any(name in params for name, _ in pairs):
            kept = [pair for pair in pairs if pair[0] not in params]
            url = parts._replace(query=urlencode(kept)).geturl()
    query = [pair for pair in base.query if pair[0] not in params]
    return replace(base, url=url, query=[*query, *((n, str(v)) for n, v in params.items())])
