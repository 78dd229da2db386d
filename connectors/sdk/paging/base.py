"""What every style of paging shares: the page it saw, and the request after it."""

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
    records: str | None = None
    """Where in the document the rows were found."""

    def at(self, path: str) -> Any:
        """The value at a path of the document or, after ``header:``, in a header, or MISSING."""
        if path.startswith(HEADER):
            return self.headers.get(path.removeprefix(HEADER), MISSING)
        return at(self.document, path)


class Paginator(ABC):
    """One way of paging through one read; `total` and `pages` are what the source said last."""

    name: ClassVar[str]
    counts: ClassVar[bool] = False
    """The server is asked for a place by number: one past the last may repeat the last page."""
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
        """On the last page the link, token or flag was there and said that nothing follows."""
        self.absent = False
        """On the last page there was no link and no token."""
        self.total_path = total
        self.trusts_total = bool(total)
        """The total is where a person or the connector says, so it is no page's size."""
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
        """The `pagination` that would state this style."""
        return {"type": self.name}

    def next(self, page: Seen) -> Request | None:
        """The request after `page`, or None when nothing follows or nothing is known to."""
        self.rows += page.rows
        if not page.past_end:
            self.total = self._figure(self._total, page, self.total)
            self.pages = self._figure(self._pages, page, self.pages)
            if self.total is not None and self.total != page.rows:
                self.trusts_total = True
        return self._after(page)

    @property
    def total_in_body(self) -> bool:
        """The total stands in the body, not in a header."""
        return self.total is not None and not self._total.in_header

    @property
    def floor(self) -> int:
        """Rows that there are at least, where the source counts no further."""
        return self._total.floor

    @property
    def verifies(self) -> bool:
        """The rows are as many as the total, and the page behind them is asked for all the same."""
        return self.counts and self.total is not None and self.rows >= self.total

    @property
    def reached(self) -> bool:
        """All the rows that the total speaks of came, and it is not merely a page's size.

        A round thousand may be the most that a server counts to: more is asked for behind it.
        """
        total = self.total
        if total is None or self.rows < total or not self.trusts_total:
            return False
        return total % 1000 != 0 or total == 0

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
        found = counter.read(page.document, page.headers, page.rows, page.records)
        return before if found is None else found

    @abstractmethod
    def _after(self, page: Seen) -> Request | None:
        """The request after `page`; totals and `rows` are up to date."""

    def ahead(self, page: Seen) -> Iterator[Request]:
        """Requests after the first page that are known already, in order, by its totals."""
        return iter(())


def linked(base: Request, url: str) -> Request:
    """A request for a link: it holds the whole query already."""
    return replace(base, url=url, query=[])


def without(base: Request, keep: tuple[str, ...]) -> Request:
    """`base` with these query parameters only."""
    parts = urlsplit(base.url)
    pairs = [p for p in parse_qsl(parts.query, keep_blank_values=True) if p[0] in keep]
    url = parts._replace(query=urlencode(pairs)).geturl()
    return replace(base, url=url, query=[pair for pair in base.query if pair[0] in keep])


def with_params(base: Request, params: Mapping[str, Any], place: Place = "query") -> Request:
    """`base` with parameters set; ones that it has already are replaced.

    In a body a name may be a path (``variables.after``).
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
    """A value as a parameter; what is neither text nor number is written as JSON."""
    return value if isinstance(value, str) else canonical.dumps(value).decode()


def _set(document: Any, path: list[str], value: Any) -> dict[str, Any]:
    node = dict(document) if isinstance(document, dict) else {}
    head, *rest = path
    node[head] = _set(node.get(head), rest, value) if rest else value
    return node
