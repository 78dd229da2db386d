"""The functions of the mapping language. They take and return JSON values, without I/O.

``f(x, y)`` and ``x | f(y)`` are the same call. Null gives null, unless stated otherwise. An invalid
argument raises ValueProblem, whose message becomes the problem of the row.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from app.mapping.language import countries, dates, patterns
from app.mapping.language.errors import ValueProblem
from app.mapping.language.values import (
    LONGEST_TEXT,
    canonical_number,
    concatenated,
    exact_number,
    from_json,
    items_of,
    kind,
    largest,
    number,
    plain,
    round_,
    smallest,
    sum_,
    text,
)

Function: TypeAlias = Callable[..., Any]

LONGEST_RANGE = 1_000


# --- text ---------------------------------------------------------------------------------


def slug(value: Any, separator: str = "-") -> str:
    """Lower-case ASCII letters and digits; others separate: ``'s-Gravenhage`` → s-gravenhage."""
    if len(separator) > 10:
        raise ValueProblem("the separator of slug can have at most 10 characters")
    return countries.slug(text(value), separator)


def replace(value: Any, old: str, new: str) -> str:
    """Replace every `old` with `new`."""
    source = text(value)
    if len(source) + source.count(old) * (len(new) - len(old)) > LONGEST_TEXT:
        raise ValueProblem(f"produces more than {LONGEST_TEXT:,} characters")
    return source.replace(old, new)


def pad(value: Any, width: int, fill: str = "0") -> str:
    """Pad on the left: ``pad(7, 3)`` → 007."""
    if len(fill) != 1 or not 0 <= width <= 1_000:
        raise ValueProblem("pads to at most 1,000 characters with one character")
    return text(value).rjust(width, fill)


def truncate(value: Any, length: int) -> str:
    """The first `length` characters."""
    return text(value)[: max(length, 0)]


def split(value: Any, separator: str = ",", limit: int = -1) -> list[str]:
    """The parts of a text without surrounding spaces; empty text gives an empty list."""
    source = text(value)
    if not source.strip():
        return []
    if not separator:
        raise ValueProblem("needs a separator")
    return [part.strip() for part in source.split(separator, limit)]


def join(value: Any, separator: str = ", ") -> str:
    """The items of a list as one text, without null and empty items."""
    return concatenated(
        (text(item) for item in items_of(value) if item is not None and item != ""), separator
    )


def starts_with(value: Any, start: str) -> bool:
    return text(value).startswith(start)


def ends_with(value: Any, end: str) -> bool:
    return text(value).endswith(end)


def contains(value: Any, part: Any) -> bool:
    """Whether a text contains a text, or a list an item."""
    return part in value if isinstance(value, list) else text(part) in text(value)


# --- regular expressions --------------------------------------------------------------------


def matches(value: Any, expression: str) -> bool:
    """Whether the pattern occurs anywhere in the text; anchor it with ``^`` and ``$``."""
    return patterns.search(expression, text(value)) is not None


def extract(value: Any, expression: str, group: int | str = 0) -> str | None:
    """The first match (or one of its groups); null if there is none."""
    found = patterns.search(expression, text(value))
    try:
        return None if found is None else found[group]
    except IndexError:
        raise ValueProblem(f"{expression!r} has no group {group!r}") from None


def regex_replace(value: Any, expression: str, replacement: str = "") -> str:
    r"""Replace every match; ``\1`` is the first group."""
    return patterns.replaced(expression, text(value), replacement, LONGEST_TEXT)


# --- dates ----------------------------------------------------------------------------------


def date_(value: Any, layout: str | None = None) -> str:
    """The day as ISO text. `layout` as for strptime (``%d-%m-%Y``), or unix / unix_ms."""
    return dates.read(value, layout, None).date().isoformat()


def datetime_(value: Any, layout: str | None = None, zone: str | None = None) -> str:
    """The time as ISO text with an offset; `zone` is the timezone of a time without one."""
    moment = dates.read(value, layout, dates.zone(zone) if zone else None)
    if moment.tzinfo is None:
        raise ValueProblem("has no time zone: set one, for example datetime(x, zone='UTC')")
    return dates.iso(moment)


def format_date(value: Any, layout: str) -> str:
    """A date or time formatted with `layout`."""
    if len(layout) > dates.LONGEST_LAYOUT:
        raise ValueProblem(f"the layout is longer than {dates.LONGEST_LAYOUT} characters")
    try:
        return dates.read(value, None, None).strftime(layout)
    except (ValueError, OverflowError) as error:
        if isinstance(error, ValueProblem):
            raise
        raise ValueProblem(f"cannot be formatted with the layout {layout!r}") from None


def now(days: float = 0, hours: float = 0) -> str:
    """The current time in UTC, shifted. Unchanged rows are not mapped again for it."""
    return dates.iso(_shifted(datetime.now(UTC).replace(microsecond=0), days, hours))


def today(days: float = 0) -> str:
    """The current date in UTC, shifted by days."""
    return _shifted(datetime.now(UTC), days, 0).date().isoformat()


def _shifted(moment: datetime, days: float, hours: float) -> datetime:
    try:
        return moment + timedelta(days=float(days), hours=float(hours))
    except (OverflowError, ValueError):
        raise ValueProblem("is too far from today") from None


# --- structure ------------------------------------------------------------------------------


def length(value: Any) -> int:
    return len(value) if isinstance(value, (list, dict)) else len(text(value))


def first(value: Any) -> Any:
    """The first item; null for an empty list."""
    return next(iter(items_of(value)), None)


def last(value: Any) -> Any:
    """The last item; null for an empty list."""
    return next(reversed(items_of(value)), None)


def unique(value: Any) -> list[Any]:
    """Items without duplicates, in order."""
    kept: dict[str, Any] = {}
    for item in items_of(value):
        kept.setdefault(text(item) if type(item) is not str else f'"{item}', plain(item))
    return list(kept.values())


def sort(value: Any) -> list[Any]:
    """Sorted items; all numbers or all text."""
    items = items_of(value)
    if all(type(item) is str for item in items):
        return sorted(items)
    return sorted(items, key=exact_number)


def items(value: Any) -> list[list[Any]]:
    """The members of an object as [name, value] pairs."""
    if isinstance(value, dict):
        return [[name, member] for name, member in value.items()]
    raise ValueProblem(f"needs an object; this is {kind(value)}")


def keys(value: Any) -> list[str]:
    """The names of an object's members."""
    return [name for name, _ in items(value)]


def range_(stop: Any) -> list[int]:
    """The numbers from 0 up to, but not including, `stop`."""
    if not isinstance(stop, int) or stop > LONGEST_RANGE:
        raise ValueProblem(f"goes up to at most {LONGEST_RANGE:,}")
    return list(range(stop))


# --- identity -------------------------------------------------------------------------------

_NAMESPACES = {"url": uuid.NAMESPACE_URL, "dns": uuid.NAMESPACE_DNS, "oid": uuid.NAMESPACE_OID}


def uuid5(value: Any, namespace: str = "url") -> str:
    """A UUID that is always the same for a text. `namespace`: url, dns, oid or a UUID."""
    try:
        space = _NAMESPACES[namespace] if namespace in _NAMESPACES else uuid.UUID(namespace)
    except ValueError:
        raise ValueProblem(f"{namespace!r} is not a namespace: url, dns, oid or a UUID") from None
    return str(uuid.uuid5(space, text(value)))


def iso_country(value: Any) -> str:
    """The two-letter ISO 3166 code of a country's code or name (in eleven languages)."""
    source = text(value).strip()
    code = countries.code(source)
    if code is None:
        raise ValueProblem(f"{source!r} is not a known country")
    return code


def table_lookup(
    tables: Mapping[str, Mapping[str, Any]],
) -> Callable[..., Any]:
    """The function ``map``: translate values with a table of the mapping, or an inline one."""

    def map_(value: Any, table: str | Mapping[str, Any], *default: Any) -> Any:
        rows = tables.get(table) if isinstance(table, str) else table
        if rows is None:
            raise ValueProblem(f"there is no lookup table {table!r}: {', '.join(tables) or 'none'}")
        found = rows.get(text(value), _ABSENT)
        if found is not _ABSENT:
            return found
        if default:
            return default[0]
        raise ValueProblem(f"{text(value)!r} is not in the lookup table")

    return map_


_ABSENT = object()

FUNCTIONS: dict[str, Function] = {
    "abs": lambda value: canonical_number(exact_number(value).copy_abs()),
    "capitalize": lambda value: text(value).capitalize(),
    "contains": contains,
    "date": date_,
    "datetime": datetime_,
    "ends_with": ends_with,
    "extract": extract,
    "first": first,
    "format_date": format_date,
    "from_json": from_json,
    "iso_country": iso_country,
    "items": items,
    "join": join,
    "keys": keys,
    "last": last,
    "length": length,
    "lower": lambda value: text(value).lower(),
    "matches": matches,
    "max": lambda value: largest(items_of(value)),
    "min": lambda value: smallest(items_of(value)),
    "number": number,
    "pad": pad,
    "range": range_,
    "regex_replace": regex_replace,
    "replace": replace,
    "round": round_,
    "slug": slug,
    "sort": sort,
    "split": split,
    "starts_with": starts_with,
    "string": text,
    "sum": sum_,
    "title": lambda value: text(value).title(),
    "trim": lambda value: text(value).strip(),
    "truncate": truncate,
    "unique": unique,
    "upper": lambda value: text(value).upper(),
    "uuid5": uuid5,
}
"""Null gives null. The environment adds `default`, `json`, `now`, `today` and `map`."""

METHODS = {
    "startswith": "starts_with",
    "endswith": "ends_with",
    "strip": "trim",
    **{name: name for name in ("lower", "upper", "title", "capitalize", "split", "replace")},
}
"""Python text methods that users write out of habit: ``name.startswith('A')``."""
