"""The number of rows and pages stated in a response's body or headers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.sdk.paths import MISSING, at

WRAPPERS = (
    "",
    "meta",
    "pagination",
    "paging",
    "page",
    "meta.pagination",
    "meta.page",
    "metadata",
    "page_info",
    "pageInfo",
    "info",
    "response",
    "result",
    "data",
    "d",
    "hits",
    "_meta",
    "message",
    "paginator",
    "result_info",
    "resultInfo",
    "metadata.pagination",
    "pagedResponse",
)
"""Where responses put data about themselves."""

_TOTALS = (
    "total",
    "totalcount",
    "totalresults",
    "totalitems",
    "totalelements",
    "totalrecords",
    "totalsize",
    "totalrows",
    "totalhits",
    "totalentries",
    "totalobjects",
    "totalnumber",
    "totalmatches",
    "numfound",
    "nbhits",
    "numbermatched",
    "numberofrecords",
    "numberofresults",
    "recordstotal",
    "resultstotal",
    "resulttotal",
    "resultcount",
    "recordcount",
    "countall",
    "allcount",
    "fullcount",
    "overallcount",
    "odatacount",
    "hydratotalitems",
    "opensearchtotalresults",
    "completelistsize",
    "totaal",
    "totaalaantal",
    "aantal",
    "count",
)
_AMBIGUOUS = frozenset({"count", "resultcount", "recordcount"})
_PAGES = (
    "totalpages",
    "pages",
    "pagecount",
    "lastpage",
    "numpages",
    "nbpages",
    "pagestotal",
    "numberofpages",
    "totaalpaginas",
    "aantalpaginas",
)
_SIZES = (
    "limit",
    "perpage",
    "pagesize",
    "size",
    "itemsperpage",
    "resultsperpage",
    "rowsperpage",
    "maxresults",
    "hitsperpage",
    "top",
    "take",
)
_TOTAL_HEADERS = (
    "X-Total-Count",
    "X-Total",
    "X-WP-Total",
    "Total-Count",
    "X-Total-Results",
    "X-Pagination-Total-Count",
    "Pagination-Total",
)
_PAGES_HEADERS = ("X-Total-Pages", "X-WP-TotalPages", "X-Page-Count", "X-Pagination-Page-Count")
_RANGE = re.compile(r"\s*(?!bytes)\S+\s+\S+/(\d+)\s*$")
"""`Content-Range` with a unit other than bytes: ``items 0-9/25`` (RFC 9110, section 14.4)."""


_MOST = 10**15
"""A greater number is not a number of rows."""
_LETTERS = re.compile(r"[^A-Za-z]")
_LOOKS = 3
"""Pages without a figure after which it is no longer searched."""


def figures(
    document: Any, names: Sequence[str], records: str | None = None
) -> Iterator[tuple[str, Any]]:
    """Path and value of every field with one of `names`, most likely first.

    Names are compared by letters only: ``total-results`` is ``totalResults``. The usual places
    and all parents of the rows at `records` are searched.
    """
    if not isinstance(document, dict) or records == ".":
        return
    steps = (records or "").split(".")
    around = [".".join(steps[:length]) for length in range(1, len(steps))]
    for wrapper in dict.fromkeys((*WRAPPERS, *around)):
        node = at(document, wrapper)
        if not isinstance(node, dict):
            continue
        keys = {_LETTERS.sub("", key).lower(): key for key in reversed(node)}
        for name in names:
            if (key := keys.get(name)) is not None:
                path = f"{wrapper}.{key}" if wrapper else key
                if path != records:
                    yield path, node[key]


def whole_number(value: Any) -> int | None:
    """A count as an int; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and len(value) < 20 and value.strip().isdecimal():
        value = int(value)
    return value if isinstance(value, int) and 0 <= value < _MOST else None


@dataclass(slots=True)
class Counter:
    """Reads one figure from every page: at the given path, or where the first page has it.

    With an empty `path` the figure is found by its usual names; None disables it.
    """

    path: str | None
    names: tuple[str, ...]
    header_names: tuple[str, ...]
    floor: int = 0
    """The greatest figure declared as a lower bound (Elasticsearch: relation gte)."""
    _found: str = ""
    _header: str = ""
    _absent: int = 0

    def read(
        self, document: Any, headers: Mapping[str, str], rows: int, records: str | None = None
    ) -> int | None:
        """The figure on this page, or None. `rows` are those on this page, at path `records`."""
        if self.path is None or self._absent == _LOOKS:
            return None
        if self.path or self._found:
            return whole_number(self._exact(at(document, self.path or self._found)))
        if self._header:
            return _header_figure(headers, self._header)
        for name in self.header_names:
            if (figure := _header_figure(headers, name)) is not None:
                self._header = name
                return figure
        for path, value in figures(document, self.names, records):
            figure = whole_number(self._exact(value))
            # `count` may be the rows of this page or of all pages.
            if figure is None or (
                figure <= rows and _LETTERS.sub("", path.rpartition(".")[2]).lower() in _AMBIGUOUS
            ):
                continue
            self._found = path
            return figure
        self._absent += 1
        return None

    @property
    def in_header(self) -> bool:
        """Whether the figure is in a header."""
        return bool(self._header)

    @property
    def place(self) -> str:
        """Where the figure was found, for messages."""
        return self.path or self._found or self._header

    def _exact(self, value: Any) -> Any:
        if isinstance(value, dict):  # Elasticsearch: {"value": 10000, "relation": "gte"}
            if value.get("relation") == "eq":
                return value.get("value", MISSING)
            self.floor = max(self.floor, whole_number(value.get("value")) or 0)
            return MISSING
        return value


def _header_figure(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    if name == "Content-Range":
        found = _RANGE.match(text or "")
        return whole_number(found[1]) if found else None
    return whole_number(text)


def page_size(document: Any, records: str | None = None) -> int | None:
    """The page size stated in the response; None if there is none."""
    sizes = (whole_number(value) for _, value in figures(document, _SIZES, records))
    return next((size for size in sizes if size is not None), None)


def total_counter(path: str | None) -> Counter:
    """Reads the total number of rows."""
    if path:
        return Counter(path, (), ())
    return Counter(path, _TOTALS, (*_TOTAL_HEADERS, "Content-Range"))


def pages_counter(path: str | None) -> Counter:
    """Reads the number of pages."""
    if path:
        return Counter(path, (), ())
    return Counter(path, _PAGES, _PAGES_HEADERS)
