"""From one page to the next, in each of the paging styles of APIs.

A style requests pages until the source indicates the end in the way of that style (no next link,
no token, the total reached, a page without rows). `ledger` evaluates whether that proves
anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from connectors.sdk.errors import ConfigurationError, DataError
from connectors.sdk.http.messages import Request
from connectors.sdk.paging import words
from connectors.sdk.paging.base import Follow, Paginator, Seen, linked, without
from connectors.sdk.paging.links import PAGE_RELS, link_of, links_of
from connectors.sdk.paging.settings import (
    CursorPages,
    LinkHeaderPages,
    NextUrlPages,
    NumberedPages,
    OffsetPages,
    SizedPages,
)
from connectors.sdk.paging.signs import Kind, look
from connectors.sdk.paging.tokens import params_for
from connectors.sdk.paths import MISSING
from connectors.sdk.rows import JsonValue


class SinglePage(Paginator):
    """One request returns everything; signs of more are an error."""

    name = "none"

    def _after(self, page: Seen) -> None:
        return None


def _settings(config: SizedPages, **given: Any) -> dict[str, JsonValue]:
    """The settings for a style: its type and non-default values."""
    stated: dict[str, JsonValue] = {"type": given.pop("type")}
    fields = config.model_dump(mode="json", exclude_defaults=True)
    fields.pop("type", None)
    return stated | fields | {name: value for name, value in given.items() if value}


class Numbered(Paginator):
    """Pages by number."""

    name = "page"
    counts = True

    def __init__(self, config: NumberedPages, base: Request) -> None:
        super().__init__(base, config.total, config.pages, config)
        self._config = config
        self.end_status = config.end_status

    @property
    def settings(self) -> dict[str, JsonValue]:
        return _settings(self._config, type=self.name, param=self._config.param)

    def first(self) -> Request:
        return self.at(self._config.start)

    def at(self, number: int) -> Request:
        """The request for a page number."""
        return self._with({self._config.param: number})

    def _after(self, page: Seen) -> Request | None:
        if page.past_end or page.rows == 0 or self.reached:
            return None
        last = self.pages is not None and page.number >= self.pages
        if last and (self.total is None or self.rows >= self.total):
            return None
        return self.at(self._config.start + page.number)

    def ahead(self, page: Seen) -> Iterator[Request]:
        if self.total is not None and page.rows:
            last = math.ceil(self.total / page.rows)
        else:
            last = self.pages or 1
        return (self.at(self._config.start + number) for number in range(1, last))


class Offset(Paginator):
    """Pages by the number of rows before them."""

    name = "offset"
    counts = True

    def __init__(self, config: OffsetPages, base: Request) -> None:
        super().__init__(base, config.total, None, config)
        self._config = config
        self.end_status = config.end_status

    @property
    def settings(self) -> dict[str, JsonValue]:
        stated = _settings(self._config, type=self.name, param=self._config.param)
        return {**stated, "size_param": self._config.size_param}

    def first(self) -> Request:
        return self.at(self._config.start)

    def at(self, offset: int) -> Request:
        """The request for the rows from an offset on."""
        return self._with({self._config.param: offset})

    def _after(self, page: Seen) -> Request | None:
        if page.past_end or page.rows == 0 or self.reached:
            return None
        # By what was received, not requested: servers limit the page size.
        return self.at(self._config.start + self.rows)

    def ahead(self, page: Seen) -> Iterator[Request]:
        if self.total is None or page.rows == 0:
            return iter(())
        start = self._config.start
        return (self.at(start + done) for done in range(page.rows, self.total, page.rows))


class Cursor(Paginator):
    """Pages by a token in each response."""

    name = "cursor"

    def __init__(self, config: CursorPages, base: Request) -> None:
        super().__init__(base, config.total, None, config)
        self._config = config
        self._path = config.token
        self._param = config.param
        self._last: object = None

    @property
    def settings(self) -> dict[str, JsonValue]:
        found = _settings(self._config, type=self.name, token=self._path, param=self._param)
        if self._config.keep is not None:
            found["keep"] = list(self._config.keep)
        return found

    def first(self) -> Request:
        return self._with({})

    def _after(self, page: Seen) -> Request | None:
        token = self._token(page)
        more = self._flag(page)
        self.absent = token is MISSING
        self.null_seen = more is False or (token is not MISSING and words.is_nothing(token))
        if more is False or token is MISSING or words.is_nothing(token):
            if more:
                raise DataError(
                    "The source reports more rows but returned no token",
                    where=f"page {page.number}",
                    hint="Set pagination.token to the path of the token; for the id of the last "
                    f"row that is {last_row(page)}",
                )
            return None
        if self.reached and not more:
            return None
        # A scroll uses one token for all its pages; it ends with a page without rows.
        if page.rows == 0 and token == self._last:
            return None
        self._last = token
        self.followed += 1
        return self._asking(token, page)

    def _asking(self, token: Any, page: Seen) -> Request:
        if not self._param:
            self._param = next(iter(params_for(self._path, token, page)), "")
        if not self._param:
            raise ConfigurationError(
                "The parameter for the token is unknown",
                where="pagination.param",
                hint="Set pagination.param, for example to cursor",
            )
        following = self._with({self._param: token})
        keep = self._config.keep
        return following if keep is None else without(following, (*keep, self._param))

    def _token(self, page: Seen) -> Any:
        if not self._path:
            signs = look(page.document, page.headers, page.records)
            found = [s for s in (*signs.more, *signs.ends) if s.kind is Kind.TOKEN]
            if not found:
                return MISSING
            self._path = found[0].path
        return page.at(self._path)

    def _flag(self, page: Seen) -> bool | None:
        path = self._config.more
        if path is None or page.document is None:
            return None
        if path:
            found = page.at(path)
            said = words.truth(found)
            return said if said is not None or found is MISSING else not words.is_nothing(found)
        signs = look(page.document, page.headers, page.records)
        return True if signs.flags else False if signs.is_last else None


def last_row(page: Seen, field: str = "id") -> str:
    """The path of a field of the last row, for sources that continue after it."""
    return f"{page.records}.-1.{field}" if page.records else f"-1.{field}"


class NextUrl(Paginator):
    """Pages by a URL in each response."""

    name = "next_url"

    def __init__(self, config: NextUrlPages, base: Request, follow: Follow) -> None:
        super().__init__(base, config.total, None, config)
        self._config = config
        self._path = config.next
        self._follow = follow

    @property
    def settings(self) -> dict[str, JsonValue]:
        return _settings(self._config, type=self.name, next=self._path)

    def first(self) -> Request:
        return self._with({})

    def _after(self, page: Seen) -> Request | None:
        link = self._link(page)
        if link is None or self.reached:
            return None
        following = linked(self.base, self._follow(page.url, link))
        if following.url == page.request.full_url:  # the page links to itself: nothing follows
            self.absent = True
            return None
        self.followed += 1
        return following

    def _link(self, page: Seen) -> str | None:
        if not self._path:
            signs = look(page.document, page.headers, page.records)
            found = [s for s in (*signs.more, *signs.ends) if s.kind is not Kind.FLAG]
            links = [s for s in found if s.kind is Kind.LINK]
            if not found:
                self.absent = True
                return None
            self._path = (links or found)[0].path
        found_here = page.at(self._path)
        self.absent = found_here is MISSING
        link = link_in(found_here, self._path, page.number)
        self.null_seen = link is None and not self.absent
        return link


def link_in(found: Any, path: str, number: int) -> str | None:
    """The URL at `path`, or None if it is missing."""
    if isinstance(found, dict):
        found = found.get("href", found.get("url"))
    if found is MISSING or words.is_nothing(found):
        return None
    if not isinstance(found, str):
        raise DataError(
            f"The URL of the next page is not text but {type(found).__name__}",
            where=f"page {number}, {path}",
            hint="Set pagination.next, or another pagination.type",
        )
    return found


class LinkHeader(Paginator):
    """Pages by the `Link` header of each response."""

    name = "link_header"

    def __init__(self, config: LinkHeaderPages, base: Request, follow: Follow) -> None:
        super().__init__(base, config.total, None, config)
        self._config = config
        self._follow = follow

    @property
    def settings(self) -> dict[str, JsonValue]:
        return _settings(self._config, type=self.name)

    def first(self) -> Request:
        return self._with({})

    def _after(self, page: Seen) -> Request | None:
        link = link_of(page.headers, self._config.rel)
        if link is not None:
            following = linked(self.base, self._follow(page.url, link))
            if following.url != page.request.full_url:
                self.absent = False
                if self.reached:
                    return None
                self.followed += 1
                return following
        self.absent = True
        self.null_seen = any(PAGE_RELS & set(link.rels) for link in links_of(page.headers))
        return None
