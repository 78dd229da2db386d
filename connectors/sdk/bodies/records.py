"""Find the rows in a parsed document, and reject documents that are a single record."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from connectors.sdk import canonical, lenient, truth
from connectors.sdk.errors import DataError
from connectors.sdk.paths import at
from connectors.sdk.rows import (
    Batch,
    FieldError,
    Row,
    RowData,
    RowDecodeError,
    RowProblem,
    Stage,
)

# Common names of lists of rows, most specific first; nested lists are found below them.
_LISTS = (
    "results",
    "items",
    "data",
    "value",
    "records",
    "rows",
    "entries",
    "entry",
    "features",
    "objects",
    "content",
    "result",
    "hits",
    "docs",
    "elements",
    "list",
    "members",
    "member",
    "hydra:member",
)
_WRAPPERS = ("data", "result", "results", "response", "d", "hits", "_embedded", "payload", "body")
_NOT_ROWS = frozenset(
    {"links", "_links", "errors", "warnings", "included", "facets", "facet", "messages", "notices"}
    | {"filter", "filters", "aggregations", "aggs", "suggestions", "sort", "sorting", "paging"}
    | {"pagination", "meta", "metadata", "columns", "headers", "parameters", "statistics"}
)
"""Other lists in responses and documents, never read as rows."""
_PARTS = frozenset(
    {"items", "data", "value", "entries", "content", "elements", "list", "members", "member"}
)
"""Names of lists that also occur within a single record, for its parts."""
IDENTIFYING = frozenset({"id", "_id", "@id", "uuid", "guid", "identifier", "identificatie"})
"""Names of fields that identify a record; a list of rows has none."""
PAGED = (
    "total",
    "count",
    "page",
    "next",
    "limit",
    "offset",
    "size",
    "cursor",
    "more",
    "links",
    "token",
)
"""Parts of names that identify a document as a page of rows."""
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*")


def find_rows(document: Any) -> str | None:
    """The path of the list of rows in a document; "" for the document itself, None for none.

    Raises DataError if several lists are possible, or if the document looks like one record.
    """
    if isinstance(document, list):
        return ""
    if not isinstance(document, dict):
        return None
    path = _usual_list(document) or _only_list(document)
    if path is None:  # an empty list, as Go and others write it
        return next((name for name in _LISTS if name in document and document[name] is None), None)
    _refuse_record(document, path)
    return path


def _usual_list(document: dict[str, Any]) -> str | None:
    for name in _LISTS:
        if isinstance(document.get(name), list):
            return name
    for wrapper in _WRAPPERS:
        inner = document.get(wrapper)
        if isinstance(inner, dict):
            for name in _LISTS:
                if isinstance(inner.get(name), list):
                    return f"{wrapper}.{name}"
    return None


def _refuse_record(document: dict[str, Any], path: str) -> None:
    """Raise DataError if the list belongs to one record, such as the lines of an order.

    That is the case if its parent has an identifier and no paging fields, and the list does not
    have a name that only lists of rows have.
    """
    above, _, name = ("", "", path) if path in document else path.rpartition(".")
    holder = at(document, above)
    if not isinstance(holder, dict):
        return  # a name with dots
    if name in _LISTS and name not in _PARTS:
        return
    scalars = [key for key, item in holder.items() if not isinstance(item, (dict, list))]
    identified = next((key for key in scalars if key.lower() in IDENTIFYING), None)
    words = [key.lower() for key in (*document, *holder)]
    if identified is None or "jsonrpc" in document:
        return
    if any(part in word for word in words for part in PAGED):
        return
    raise DataError(
        f"This looks like one record, with its own '{identified}', not like a list of rows",
        hint=f"Set records to {path} if the rows are there",
    )


def _only_list(document: dict[str, Any]) -> str | None:
    """The only list of objects, searched level by level; else the only list that is empty."""
    level: list[tuple[str, dict[str, Any]]] = [("", document)]
    empty: list[str] = []
    for _ in range(3):
        found: list[str] = []
        below: list[tuple[str, dict[str, Any]]] = []
        for path, node in level:
            for name, member in node.items():
                if name in _NOT_ROWS:
                    continue
                here = f"{path}.{name}" if path else name
                if isinstance(member, dict):
                    below.append((here, member))
                elif isinstance(member, list):
                    if not member:
                        empty.append(here)
                    elif all(isinstance(item, dict) and not _is_link(item) for item in member):
                        found.append(here)
        if len(found) > 1:
            raise DataError(
                f"Several lists may be the rows: {', '.join(sorted(found))}",
                hint="Set records to the right one",
            )
        if found:
            return found[0]
        level = below
    return empty[0] if len(empty) == 1 else None


def _is_link(item: dict[str, Any]) -> bool:
    return ("rel" in item or "relation" in item) and ("href" in item or "url" in item)


@dataclass(slots=True, kw_only=True)
class PageBatch(Batch):
    """Rows of one or more pages; the position of a row is formatted only on demand.

    `starts` are the indices in the batch where pages begin; `labels` are the name of each page,
    the positions of its items (None: counted from 1) and how many came in earlier batches.
    `is_deleted` reports whether a row is a tombstone; it raises FlagError for an invalid flag.
    `faults` are the unusable rows, by their index in the batch.
    """

    items: list[RowData] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    labels: list[tuple[str, Sequence[int] | None, int]] = field(default_factory=list)
    is_deleted: Callable[[RowData], bool] | None = None
    faults: dict[int, RowProblem] = field(default_factory=dict)
    _gone: set[int] = field(default_factory=set, init=False, repr=False)
    _raw: list[bytes] = field(default_factory=list, init=False, repr=False)

    def add(
        self,
        label: str,
        places: Sequence[int] | None,
        skipped: int,
        items: Sequence[RowData],
        raws: Sequence[bytes] | None = None,
        faults: Mapping[int, RowProblem] | None = None,
    ) -> None:
        """Append rows of one page, `skipped` of which were in earlier batches.

        `faults` are the unusable ones, by their index in `items`.
        """
        start = len(self.items)
        self.starts.append(start)
        self.labels.append((label, places, skipped))
        self.items.extend(items)
        self._raw.extend(canonical.raw_forms(items) if raws is None else raws)
        if faults:
            self.faults.update({start + place: problem for place, problem in faults.items()})
        if self.is_deleted is not None:
            self._flag(start, self.is_deleted)

    def _flag(self, start: int, is_deleted: Callable[[RowData], bool]) -> None:
        """Mark the tombstones among the rows from `start` on."""
        for index in range(start, len(self.items)):
            if index in self.faults:
                continue
            try:
                gone = is_deleted(self.items[index])
            except truth.FlagError as error:
                wrong = FieldError(error.path, f"The deletion flag {error}")
                problem = RowProblem(self._position(index), Stage.READ, (wrong,), self.items[index])
                self.faults[index] = problem
            else:
                if gone:
                    self._gone.add(index)
                    self._raw[index] = b"\x00" + self._raw[index]

    def __len__(self) -> int:
        return len(self.items)

    def _position(self, index: int) -> str:
        segment = bisect_right(self.starts, index) - 1
        label, places, skipped = self.labels[segment]
        nth = index - self.starts[segment] + skipped
        return f"{label}, item {nth + 1 if places is None else places[nth]}"

    def row(self, index: int) -> Row:
        if index in self.faults:
            raise RowDecodeError(self.faults[index])
        return Row(self.items[index], self._position(index), index in self._gone)

    def raw(self) -> Sequence[bytes]:
        return self._raw

    def keys(self, paths: Sequence[str]) -> list[str | None] | None:
        if not all(_PLAIN_NAME.fullmatch(path) for path in paths):
            return None
        part = canonical.key_part
        if len(paths) == 1:
            try:
                values = list(map(itemgetter(paths[0]), self.items))
            except KeyError:
                values = [item.get(paths[0]) for item in self.items]
            if set(map(type, values)) == {int} and not self.faults:
                return list(map(str, values))
            return self._usable(list(map(part, values)))
        return self._usable(
            [canonical.join_key([part(item.get(name)) for name in paths]) for item in self.items]
        )

    def _usable(self, keys: list[str | None]) -> list[str | None]:
        """The keys, including those of unusable rows if they are valid text."""
        for index in self.faults:
            key = keys[index]
            if key is not None and not lenient.is_text(key):
                keys[index] = None
        return keys
