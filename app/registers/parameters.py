"""Object queries as parameters: of an address in the API and the pages, of a command's options.

Names that start with `_` control the list, `@self` refers to metadata of an object, and every other
name is a property: `status=active`, `inhabitants[gte]=1000`, `address.city=Delft`,
`@self[updated][gte]=2026-01-01T00:00:00Z`. A repeated name, or commas after `[in]`, mean any of
the values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.errors import ConfigurationError
from app.registers.query import META, OPERATORS, Condition, ObjectQuery, Operator, Order
from connectors.sdk import canonical

DEFAULT_LIMIT = 20
LARGEST_LIMIT = 10_000
MOST_FILTERS = 50
MOST_VALUES = 1000
MOST_ORDERS = 10

_BRACKETS = re.compile(r"\[([^\]]*)\]")
_NOT_FILTERS = frozenset({"@self[register]", "@self[schema]"})


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a request asks for: which objects, which page of them, and what of each."""

    query: ObjectQuery
    limit: int
    page: int
    offset: int | None
    cursor: UUID | None
    fields: tuple[str, ...]
    empty: bool


def read(
    within: ObjectQuery, properties: Mapping[str, Any], parameters: Iterable[tuple[str, str]]
) -> ListRequest:
    """Narrow a query by parameters; `properties` are those of its schema, or none are known.

    Raises ConfigurationError naming each parameter that is not valid.
    """
    reader = _Reader(properties)
    for name, value in parameters:
        reader.take(name, value)
    return reader.asked(within)


def write(query: ObjectQuery) -> list[tuple[str, str]]:
    """The parameters from which `read` makes the same query within the same place."""
    given = list(query.ignored)
    for condition in query.conditions:
        name, texts = _name(condition.path, condition.meta), _texts(condition)
        if "[" in name:  # which a name without brackets cannot hold
            first = next(at for at, member in enumerate(condition.path) if "[" in member)
            brackets = [f"[{member}]" for member in condition.path[first:]]
            name = ".".join(condition.path[:first]) + "".join(brackets)
        plain = condition.operator == "eq" and "[" not in name
        operator = "" if plain else f"[{condition.operator}]"
        given += [(name + operator, text) for text in texts] or [(f"{name}[in]", ",")]
    if query.search:
        given.append(("_search", query.search))
    for key in query.order:
        name, direction = _name(key.path, key.meta), "desc" if key.descending else "asc"
        if "]" in name:  # which brackets cannot hold
            given.append(("_order", f"-{name}" if key.descending else name))
        else:
            given.append((f"_order[{name}]", direction))
    if query.deleted:
        given.append(("_deleted", "true"))
    return given


def _name(path: Sequence[str], meta: bool) -> str:
    return f"@self.{path[0]}" if meta else ".".join(path)


def _texts(condition: Condition) -> list[str]:
    """The values as given, without the other readings of a text."""
    if condition.operator == "exists":
        return ["true" if condition.values[0] else "false"]
    if not condition.meta:
        return [value for value in condition.values if isinstance(value, str)]
    return [v.isoformat() if isinstance(v, datetime) else str(v) for v in condition.values]


class _Reader:
    """Collects parameters and their errors."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._properties = properties
        self._filters: dict[tuple[bool, tuple[str, ...], Operator], list[str]] = {}
        self._order: list[Order] = []
        self._fields: list[str] = []
        self._plain: dict[str, str] = {}
        self._ignored: list[tuple[str, str]] = []
        self._faults: dict[str, str] = {}

    def take(self, name: str, value: str) -> None:
        """One parameter."""
        head = name.partition("[")[0]
        if head == "_order":
            self._take_order(_BRACKETS.findall(name), value)
        elif head == "_fields":
            self._fields += [part.strip() for part in value.split(",") if part.strip()]
        elif head.startswith("_"):
            self._plain[head] = value
        elif name not in _NOT_FILTERS:
            self._take_filter(name, value)

    def _take_order(self, brackets: Sequence[str], value: str) -> None:
        """`_order[name]=desc`, or `_order=name:desc,other` (also `-name`)."""
        if brackets:
            self._add_order(brackets[0], value.lower())
            return
        for part in filter(None, (part.strip() for part in value.split(","))):
            name, _, direction = part.partition(":")
            if part.startswith("-"):
                name, direction = part[1:], "desc"
            self._add_order(name.strip(), direction.strip().lower())

    def _add_order(self, name: str, direction: str) -> None:
        meta, path = self._path(name)
        if direction not in ("", "asc", "desc"):
            self._faults["_order"] = f"{direction!r} is not a valid direction; use asc or desc"
        elif path is None or "\0" in name:
            self._faults["_order"] = f"there is no {name!r} to sort by"
        else:
            self._order.append(Order(path, direction == "desc", meta))

    def _take_filter(self, name: str, value: str) -> None:
        head, operator, many = _parted(name)
        meta, path = self._path(head)
        if path is None:
            self._ignored.append((name, value))
            return
        values = [part for part in value.split(",") if part] if many else [value]
        self._filters.setdefault((meta, path, operator), []).extend(values)

    def _path(self, name: str) -> tuple[bool, tuple[str, ...] | None]:
        """(whether of `@self`, members); no members if the schema has no such property."""
        if name.startswith("@self."):
            member = name.removeprefix("@self.")
            return True, (member,) if member in META else None
        if name in self._properties or not self._properties:
            return False, (name,) if name in self._properties else tuple(name.split("."))
        path = tuple(name.split("."))
        return False, path if path[0] in self._properties else None

    def asked(self, within: ObjectQuery) -> ListRequest:
        """Everything together."""
        limit = self._integer("_limit", DEFAULT_LIMIT, 1, LARGEST_LIMIT)
        page = self._integer("_page", 1, 1, 10**9)
        offset = self._integer("_offset", -1, 0, 10**12) if "_offset" in self._plain else None
        conditions = tuple(
            condition
            for (meta, path, operator), values in self._filters.items()
            if (condition := self._condition(meta, path, operator, values)) is not None
        )
        cursor = self._cursor()
        search = self._plain.get("_search", "").strip()
        if "\0" in search:
            self._faults["_search"] = "must not contain NUL"
        if len(conditions) > MOST_FILTERS or sum(map(len, self._filters.values())) > MOST_VALUES:
            self._faults["(filters)"] = (
                f"must be at most {MOST_FILTERS} filters with {MOST_VALUES:,} values in total"
            )
        if len(self._order) > MOST_ORDERS:
            self._faults["_order"] = f"must contain at most {MOST_ORDERS} properties"
        if self._faults:
            raise ConfigurationError("The parameters are not valid", faults=self._faults)
        query = replace(
            within,
            conditions=within.conditions + conditions,
            search=search,
            order=tuple(self._order),
            deleted=_true(self._plain.get("_deleted")),
            ignored=tuple(self._ignored),
        )
        return ListRequest(
            query,
            limit,
            page if offset is None else offset // limit + 1,
            offset,
            cursor,
            tuple(self._fields),
            _true(self._plain.get("_empty")),
        )

    def _condition(
        self, meta: bool, path: tuple[str, ...], operator: Operator, values: Sequence[str]
    ) -> Condition | None:
        name = _name(path, meta)
        if any("\0" in value for value in values) or "\0" in name:
            self._faults[name.replace("\0", "")] = "must not contain NUL"
            return None
        if operator == "exists":
            return Condition(path, operator, (_true(values[-1]),), meta)
        if operator == "like":
            return Condition(path, operator, tuple(values), meta)
        try:
            read_values = tuple(
                found
                for value in values
                for found in (_meta_values(path[0], value) if meta else _json_values(value))
            )
        except ValueError as error:
            self._faults[name] = str(error)
            return None
        return Condition(path, operator, read_values, meta)

    def _cursor(self) -> UUID | None:
        text = self._plain.get("_cursor")
        if text is None:
            return None
        if self._order:
            self._faults["_cursor"] = "cannot be combined with _order"
        try:
            return UUID(text)
        except ValueError:
            self._faults["_cursor"] = "is not a cursor returned by a page"
            return None

    def _integer(self, name: str, default: int, low: int, high: int) -> int:
        text = self._plain.get(name, "").strip()
        if not text:
            return default
        number = int(text) if re.fullmatch(r"[0-9]{1,15}", text) else -1
        if not low <= number <= high:
            self._faults[name] = f"must be an integer from {low} to {high}"
            return default
        return number


def _parted(name: str) -> tuple[str, Operator, bool]:
    """`@self[updated][gte]` → ("@self.updated", "gte", False); `[]` and `[in]` mean any of."""
    parts = _BRACKETS.findall(name)
    head = name.partition("[")[0]
    operator: Operator = "eq"
    many = False
    if parts and parts[-1] in ("", "in"):
        many = parts.pop() == "in"
    elif parts and parts[-1] in OPERATORS:
        operator = next(known for known in OPERATORS if known == parts[-1])
        parts.pop()
    elif parts and parts[-1] == "~":
        operator = "like"
        parts.pop()
    return ".".join([head, *parts]), operator, many


def _json_values(text: str) -> list[Any]:
    """The JSON values that a URL parameter may mean: text, and a number, true, false or null."""
    values: list[Any] = [text]
    try:
        value = canonical.parse(text)
    except ValueError:  # not valid JSON, or too long a number
        return values
    if value is None or isinstance(value, (bool, int, float, Decimal)):
        values.append(value)
    return values


def _meta_values(name: str, text: str) -> list[Any]:
    if name in ("id", "uuid"):
        try:
            return [UUID(text)]
        except ValueError:
            raise ValueError("must be a UUID") from None
    if name in ("created", "updated", "deleted"):
        try:
            # an unencoded + in a URL arrives as a space
            moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        except ValueError:
            raise ValueError("must be a time such as 2026-01-31T12:00:00Z") from None
        return [moment if moment.tzinfo else moment.replace(tzinfo=UTC)]
    if name == "version":
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise ValueError("must be an integer")
        return [int(text)]
    return [text]


def _true(text: str | None) -> bool:
    return text is not None and text.strip().lower() in ("true", "1", "yes", "on")
