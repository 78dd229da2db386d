"""Convert items whose row is nested, or an array of values, to rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.sdk.bodies.refusals import Errors
from connectors.sdk.counting import counted
from connectors.sdk.errors import DataError
from connectors.sdk.paths import MISSING, at
from connectors.sdk.rows import RowData

WRAPPERS = ("attributes", "properties", "_source", "node", "resource", "fields")
"""Where APIs nest a row within an item: ArcGIS and JSON:API, GeoJSON, Elasticsearch, GraphQL
edges, FHIR bundles, Airtable."""

FIRST = "first"
"""`columns`: the first row contains the names."""

_HEADERS = ("columns", "fields", "header", "headers", "names", "columnNames", "cols", "schema")
_BELOW = ("meta", "metadata", "schema", "view", "manifest", "resultSetMetaData")
_NAME_OF_COLUMN = ("fieldName", "name", "id", "field", "key", "code", "title", "label")


@dataclass(frozen=True, slots=True)
class Shape:
    """The structure of documents and items according to the settings."""

    errors: Errors = ""
    row: str = ""
    """Path within an item; empty: the item is the row."""
    columns: str | Sequence[str] = ""
    """Names for the values of rows that are arrays: the names, their path, or `FIRST`."""

    def rows(
        self, found: list[Any], document: Any, where: str
    ) -> tuple[list[Any], Callable[[Any], RowData | str] | None]:
        """The items that are rows, and a function to convert them; None: no conversion.

        Raises DataError if the column names cannot be found.
        """
        kinds = set(map(type, found))
        if list in kinds and dict not in kinds:
            names = self._names(found, document, where)
            return (found[1:] if self.columns == FIRST else found), _zipped(names)
        return found, (_unwrapped(self.row) if self.row else None)

    def _names(self, found: list[Any], document: Any, where: str) -> list[str]:
        if isinstance(self.columns, str):
            if self.columns == FIRST:
                listed: Any = found[0]
            elif self.columns:
                listed = at(document, self.columns)
            else:
                width = next(len(item) for item in found if isinstance(item, list))
                listed = _header(document, width)
        else:
            listed = list(self.columns)
        names = _texts(listed)
        if names is None:
            place = f" at {self.columns!r}" if isinstance(self.columns, str) else ""
            raise DataError(
                "The rows are arrays of values, and their column names were not found"
                f"{place if self.columns else ''}",
                where=where,
                hint="Set columns to the path of the names, to the names, or to `first` "
                "if the first row contains them",
            )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(
                f"Several columns have the same name: {', '.join(map(repr, twice[:8]))}",
                where=where,
                hint="Set columns to a list of unique names",
            )
        return names


def _header(document: Any, width: int) -> Any:
    """The only list with as many names as a row has values."""
    found: list[Any] = []
    level = [document]
    for _ in range(4):
        below = []
        for node in level:
            if not isinstance(node, dict):
                continue
            for name in _HEADERS:
                names = _texts(node.get(name))
                if names is not None and len(names) == width:
                    found.append(node[name])
            below += [node[name] for name in (*_BELOW, "result", "data", "results") if name in node]
        if found:
            return found[0] if len(found) == 1 else MISSING
        level = below
    return MISSING


def _texts(listed: Any) -> list[str] | None:
    """The names in a list of texts or of columns with a name; None if it is neither."""
    if isinstance(listed, dict):  # a schema: its members are the columns, or `fields` lists them
        listed = listed.get("fields", list(listed))
    if not isinstance(listed, list) or not listed:
        return None
    names = []
    for each in listed:
        if isinstance(each, dict):
            each = next((each[name] for name in _NAME_OF_COLUMN if each.get(name)), None)
        if not isinstance(each, str) or not each:
            return None
        names.append(each)
    return names


def _zipped(names: Sequence[str]) -> Callable[[Any], RowData | str]:
    def take(item: Any) -> RowData | str:
        if not isinstance(item, list):
            return "the item is not an array of values like the others"
        if len(item) != len(names):
            return f"{counted(len(item), 'value')} in a table of {counted(len(names), 'column')}"
        return dict(zip(names, item, strict=True))

    return take


def _unwrapped(path: str) -> Callable[[Any], RowData | str]:
    """The fields at `path`, plus the other fields of the item."""
    first = path.partition(".")[0]

    def take(item: Any) -> RowData | str:
        inner = at(item, path)
        if inner is None and item.get("type") == "Feature":  # RFC 7946, section 3.2
            inner = {}
        if not isinstance(inner, dict):
            return f"the item has no object at {path!r}"
        return {**{name: value for name, value in item.items() if name != first}, **inner}

    return take


_OF_ARCGIS = frozenset({"attributes", "geometry", "centroid", "aggregateGeometries", "attachments"})
_USUAL: Mapping[str, Callable[[RowData], bool]] = {
    "_source": lambda item: "_index" in item or "_id" in item,  # a hit of Elasticsearch
    "properties": lambda item: item.get("type") == "Feature",  # GeoJSON, RFC 7946
    "attributes": lambda item: ("type" in item and "id" in item) or set(item) <= _OF_ARCGIS,
    "node": lambda item: set(item) <= {"node", "cursor", "__typename"},  # an edge of GraphQL
    "resource": lambda item: "fullUrl" in item or "search" in item,  # FHIR
    "fields": lambda item: "createdTime" in item and "id" in item,  # Airtable
}
"""Other members of the usual kinds of items, besides the one with the row."""


def likely_wrapper(items: Sequence[Any]) -> str:
    """The member that seems to contain the row in every item; empty if there is none."""
    if not all(isinstance(item, dict) for item in items):
        return ""
    for name, is_usual in _USUAL.items():
        if _hold(items, name) and all(map(is_usual, items)):
            return name
    for name in WRAPPERS:
        if _hold(items, name) and all(
            len(item) <= 8 and len(item[name] or ()) >= len(_scalars(item)) for item in items
        ):
            return name
    return ""


def _hold(items: Sequence[RowData], name: str) -> bool:
    """Whether each item has an object of that name, or null for it, and one of them has fields."""
    inner = [item.get(name, MISSING) for item in items]
    return any(inner) and all(each is None or isinstance(each, dict) for each in inner)


def _scalars(item: RowData) -> list[str]:
    return [name for name, value in item.items() if not isinstance(value, (dict, list))]
