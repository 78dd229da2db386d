"""How many rows and pages an answer says there are, in its body or its headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.sdk.records import MISSING, at

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
)
"""Where answers keep what they say about themselves."""

_TOTALS = (
    "total",
    "totalCount",
    "total_count",
    "totalResults",
    "total_results",
    "totalItems",
    "total_items",
    "totalElements",
    "totalRecords",
    "total_records",
    "numFound",
    "recordsTotal",
    "@odata.count",
    "odata.count",
    "hydra:totalItems",
    "count",
)
_PAGES = (
    "total_pages",
    "totalPages",
    "pages",
    "page_count",
    "pageCount",
    "last_page",
    "lastPage",
    "num_pages",
    "pages_total",
)
_TOTAL_HEADERS = ("X-Total-Count", "X-Total", "X-WP-Total", "Total-Count")
_PAGES_HEADERS = ("X-Total-Pages", "X-WP-TotalPages", "X-Page-Count")


_LOOKS = 3
"""Pages without a figure after which it is not looked for any more."""


def under_wrappers(names: Iterable[str]) -> list[str]:
    """Every path at which one of `names` may stand, the likeliest first."""
    listed = list(names)
    return [f"{wrapper}.{name}" if wrapper else name for wrapper in WRAPPERS for name in listed]


def whole_number(value: Any) -> int | None:
    """A count as an int; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value >= 0 else None
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return None


@dataclass(slots=True)
class Counter:
    """Reads one figure from every page: at the path given, else where the first page has it.

    An empty `path` looks the figure up by its usual names; None never reads it.
    """

    path: str | None
    names: tuple[str, ...]
    header_names: tuple[str, ...]
    _found: str = ""
    _header: str = ""
    _absent: int = 0

    def read(self, document: Any, headers: Mapping[str, str], rows: int) -> int | None:
        """The figure on this page, or None. `rows` are on this page."""
        if self.path is None or self._absent == _LOOKS:
            return None
        if self.path or self._found:
            return whole_number(at(document, self.path or self._found))
        if self._header:
            return whole_number(headers.get(self._header))
        for name in self.header_names:
            if (figure := whole_number(headers.get(name))) is not None:
                self._header = name
                return figure
        if not isinstance(document, dict):
            self._absent += 1
            return None
        for path in under_wrappers(self.names):
            figure = whole_number(_estimate_left_out(document, path))
            # `count` is the rows of this page as often as of all pages.
            if figure is None or (path.endswith("count") and figure <= rows):
                continue
            self._found = path
            return figure
        self._absent += 1
        return None


def _estimate_left_out(document: Any, path: str) -> Any:
    value = at(document, path)
    if isinstance(value, dict):  # Elasticsearch: {"value": 10000, "relation": "gte"}
        return value.get("value", MISSING) if value.get("relation") == "eq" else MISSING
    return value


def total_counter(path: str | None) -> Counter:
    """Reads how many rows there are in all."""
    if path:
        return Counter(path, (), ())
    return Counter(path, _TOTALS, _TOTAL_HEADERS)


def pages_counter(path: str | None) -> Counter:
    """Reads how many pages there are in all."""
    if path:
        return Counter(path, (), ())
    return Counter(path, _PAGES, _PAGES_HEADERS)
