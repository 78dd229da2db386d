"""Base of all paging styles: the page seen, and the next request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from connectors.sdk import canonical
from connectors.sdk.http.messages import Request
from connectors.sdk.paging.settings import Place, SizedPages
from connectors.sdk.paging.signs import HEADER
from connectors.sdk.paging.totals import Counter, pages_counter, total_counter
from connectors.sdk.paths import MISSING, at
from connectors.sdk.rows import JsonValue

Follow = Callable[[str, str], str]
"""Makes a link in a document absolute: ``follow(base, link)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a paginator needs to know about a page: its request and its content."""

    number: int
    request: Request
    url: str
    headers: Mapping[str, str]
    document: Any
    rows: int
    """Items on the page, including those that are not objects."""
    past_end: bool = False
    """The server responded with one of the paginator's `end_status`."""
    records: str | None = None
    """Where in the document the rows were found."""

    def at(self, path: str) -> Any:
        """The value at a path of the document or, after ``header:``, of a header, or MISSING."""
        if path.startswith(HEADER):
            return self.headers.get(path.removeprefix(HEADER), MISSING)
        return at(self.document, path)


class Paginator(ABC):
    """One way of paging in one read; `total` and `pages` are the latest from the source."""

    name: ClassVar[str]
    counts: ClassVar[bool] = False
    """Pages are requested by number: one past the end may repeat the last page."""
    end_status: tuple[int, ...] = ()

    def __init__(
        self,
        base: Request,
        total: str | None = "",
        pages: str | None = None,
        sizes: SizedPages | None = None,
    ) -> None:
        self.base = base
        self.followed = 0
        """How many links or tokens were followed."""
        self.null_seen = False
        """The last page had the link, token or flag, which said that nothing follows."""
        self.absent = False
        """The last page had no link and no token."""
        self.total_path = total
        self.trusts_total = bool(total)
        """The place of the total is configured or known, so it is not a page size."""
        self._sizes = sizes
        self.rows = 0
        self.total: int | None = None
        self.pages: int | None = None
        self._total = total_counter(total)
        self._pages = pages_counter(pages)

    def first(self) -> Request:
        return self.base

    @property
    def settings(self) -> dict[str, JsonValue]:
        """The `pagination` setting for this style."""
        return {"type": self.name}

    def next(self, page: Seen) -> Request | None:
        """The request after `page`, or None if nothing follows or is known to."""
        self.rows += page.rows
        if not page.past_end:
            self.total = self._figure(self._total, page, self.total)
            self.pages = self._figure(self._pages, page, self.pages)
            if self.total is not None and self.total != page.rows:
                self.trusts_total = True
        return self._after(page)

    @property
    def total_in_body(self) -> bool:
        """The total is in the body, not in a header."""
        return self.total is not None and not self._total.in_header

    @property
    def floor(self) -> int:
        """A lower bound of the rows, if the source gives one."""
        return self._total.floor

    @property
    def verifies(self) -> bool:
        """The rows equal the total, but the following page is requested anyway."""
        return self.counts and self.total is not None and self.rows >= self.total

    @property
    def reached(self) -> bool:
        """Whether all rows of the total were read, and it is not just a page size.

        A multiple of a thousand may be a limit of the server, so more is requested after it.
        """
        total = self.total
        if total is None or self.rows < total or not self.trusts_total:
            return False
        return total % 1000 != 0 or total == 0

    def _with(self, params: Mapping[str, Any]) -> Request:
        """The base request with page parameters, and the page size if requested."""
        sizes = self._sizes
        if sizes is None:
            return with_params(self.base, params)
        if sizes.size_param:
            params = {**params, sizes.size_param: sizes.size}
        return with_params(self.base, params, sizes.place)

    @staticmethod
    def _figure(counter: Counter, page: Seen, before: int | None) -> int | None:
        found = counter.read(page.document, page.headers, page.rows, page.records)
        return before if found is None else found

    @abstractmethod
    def _after(self, page: Seen) -> Request | None:
        """The request after `page`; totals and `rows` are up to date."""

    def ahead(self, page: Seen) -> Iterator[Request]:
        """Requests after the first page that are already known from its totals, in order."""
        return iter(())


def linked(base: Request, url: str) -> Request:
    """A request for a link, which already contains the whole query."""
    return replace(base, url=url, query=[])


def without(base: Request, keep: tuple[str, ...]) -> Request:
    """`base` with only these query parameters."""
    parts = urlsplit(base.url)
    pairs = [p for p in parse_qsl(parts.query, keep_blank_values=True) if p[0] in keep]
    url = parts._replace(query=urlencode(pairs)).geturl()
    return replace(base, url=url, query=[pair for pair in base.query if pair[0] in keep])


def with_params(base: Request, params: Mapping[str, Any], place: Place = "query") -> Request:
    """`base` with parameters set, replacing existing ones.

    In a body, a name can be a path (``variables.after``).
    """
    if not params:
        return base
    if place == "header":
        return replace(base, headers=base.headers | {n: _text(v) for n, v in params.items()})
    if place == "body":
        document = orjson.loads(base.body) if base.body else {}
        for name, value in params.items():
            document = _set(document, name.split("."), value)
        return replace(base, body=canonical.dumps_in_order(document))
    url = base.url
    parts = urlsplit(url)
    if parts.query:
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        if any(name in params for name, _ in pairs):
            kept = [pair for pair in pairs if pair[0] not in params]
            url = parts._replace(query=urlencode(kept)).geturl()
    query = [pair for pair in base.query if pair[0] not in params]
    return replace(base, url=url, query=[*query, *((n, _text(v)) for n, v in params.items())])


def _text(value: Any) -> str:
    """A value as a parameter; JSON unless it is text or a number."""
    return value if isinstance(value, str) else canonical.dumps(value).decode()


def _set(document: Any, path: list[str], value: Any) -> dict[str, Any]:
    node = dict(document) if isinstance(document, dict) else {}
    head, *rest = path
    node[head] = _set(node.get(head), rest, value) if rest else value
    return node
