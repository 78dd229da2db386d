"""What a request for a list asks for, read from the parameters of its address.

Names that start with `_` steer the list, `@self` speaks of what is known about an object, every
other name is a property: `status=active`, `inhabitants[gte]=1000`, `address.city=Delft`,
`@self[updated][gte]=2026-01-01T00:00:00Z`. The same name twice, or with commas after `[in]`,
means any of the values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.errors import ConfigurationError
from app.registers.list_store import META, OPERATORS, Condition, Listing, Operator, Order
from app.registers.register_store import Register
from app.registers.schema_store import Schema
from connectors.sdk import canonical

DEFAULT_LIMIT = 20
LARGEST_LIMIT = 10_000
MOST_FILTERS = 50
MOST_VALUES = 1000
MOST_ORDERS = 10

_BRACKETS = re.compile(r"\[([^\]]*)\]")
_NOT_FILTERS = frozenset({"@self[register]", "@self[schema]"})


@dataclass(frozen=True, slots=True)
class Place:
    """A register and one of its schemas."""

    register: Register
    schema: Schema


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for. `ignored`: filters on what the schema does not have."""

    listing: Listing
    limit: int
    page: int
    offset: int | None
    cursor: UUID | None
    fields: tuple[str, ...]
    empty: bool
    ignored: tuple[str, ...]


def read(found: Place, parameters: Iterable[tuple[str, str]]) -> Asked:
    """Make sense of the query's parameters. Raises ConfigurationError naming each faulty one."""
    reader = _Reader(found)
    for name, value in parameters:
        reader.take(name, value)
    return reader.asked()


class _Reader:
    """Collects parameters, and what is wrong with them."""

    def __init__(self, found: Place) -> None:
        self._place = found
        self._properties: Mapping[str, Any] = found.schema.document.get("properties") or {}
        self._filters: dict[tuple[bool, tuple[str, ...], Operator], list[str]] = {}
        self._order: list[Order] = []
        self._fields: list[str] = []
        self._plain: dict[str, str] = {}
        self._ignored: list[str] = []
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
            self._add_order(brackets[0], value.lower(), "_order")
            return
        for part in filter(None, (part.strip() for part in value.split(","))):
            name, _, direction = part.partition(":")
            if part.startswith("-"):
                name, direction = part[1:], "desc"
            self._add_order(name, direction.lower(), "_order")

    def _add_order(self, name: str, direction: str, parameter: str) -> None:
        meta, path = self._path(name)
        if direction not in ("", "asc", "desc"):
            self._faults[parameter] = f"{direction!r} is not a valid direction; use asc or desc"
        elif path is None:
            self._faults[parameter] = f"there is no {name!r} to sort by"
        else:
            self._order.append(Order(path, direction == "desc", meta))

    def _take_filter(self, name: str, value: str) -> None:
        head, operator, many = _parted(name)
        meta, path = self._path(head)
        if path is None:
            if name not in self._ignored:
                self._ignored.append(name)
            return
        values = [part for part in value.split(",") if part] if many else [value]
        self._filters.setdefault((meta, path, operator), []).extend(values)

    def _path(self, name: str) -> tuple[bool, tuple[str, ...] | None]:
        """(whether of `@self`, members); no members when the schema has no such property."""
        if name.startswith("@self."):
            member = name.removeprefix("@self.")
            return True, (member,) if member in META else None
        if name in self._properties or not self._properties:
            return False, (name,) if name in self._properties else tuple(name.split("."))
        path = tuple(name.split("."))
        return False, path if path[0] in self._properties else None

    def asked(self) -> Asked:
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
            self._faults["_search"] = "must hold no NUL"
        if len(conditions) > MOST_FILTERS or sum(map(len, self._filters.values())) > MOST_VALUES:
            self._faults["(filters)"] = (
                f"must be at most {MOST_FILTERS} filters with {MOST_VALUES:,} values in all"
            )
        if len(self._order) > MOST_ORDERS:
            self._faults["_order"] = f"must name at most {MOST_ORDERS} properties"
        if self._faults:
            raise ConfigurationError("The parameters are not valid", faults=self._faults)
        return Asked(
            Listing(
                self._place.register.id,
                self._place.schema.id,
                conditions,
                search,
                tuple(self._order),
                _true(self._plain.get("_deleted")),
            ),
            limit,
            page if offset is None else offset // limit + 1,
            offset,
            cursor,
            tuple(self._fields),
            _true(self._plain.get("_empty")),
            tuple(self._ignored),
        )

    def _condition(
        self, meta: bool, path: tuple[str, ...], operator: Operator, values: Sequence[str]
    ) -> Condition | None:
        name = f"@self.{path[0]}" if meta else ".".join(path)
        if any("\0" in value for value in values) or "\0" in name:
            self._faults[name.replace("\0", "")] = "must hold no NUL"
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
            self._faults["_cursor"] = "goes with the list's own order only, not with _order"
        try:
            return UUID(text)
        except ValueError:
            self._faults["_cursor"] = "is not one that a page gave"
            return None

    def _integer(self, name: str, default: int, low: int, high: int) -> int:
        text = self._plain.get(name, "").strip()
        if not text:
            return default
        number = int(text) if re.fullmatch(r"[0-9]{1,15}", text) else -1
        if not low <= number <= high:
            self._faults[name] = f"must be a whole number from {low} to {high}"
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
    """What a text in an address may stand for in JSON: itself, and a number, true, false, null."""
    values: list[Any] = [text]
    try:
        value = canonical.parse(text)
    except ValueError:  # no JSON, or a number too long to be kept anywhere
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
            # a + in an address that was not encoded arrives as a space
            moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        except ValueError:
            raise ValueError("must be a time such as 2026-01-31T12:00:00Z") from None
        return [moment if moment.tzinfo else moment.replace(tzinfo=UTC)]
    if name == "version":
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise ValueError("must be a whole number")
        return [int(text)]
    return [text]


def _true(text: str | None) -> bool:
    return text is not None and text.strip().lower() in ("true", "1", "yes", "on")
