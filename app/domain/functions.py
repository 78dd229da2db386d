"""The functions of the mapping language. All take and give JSON values; none does IO.

``f(x, y)`` and ``x | f(y)`` are the same call. Null in, null out, but for those that say
otherwise. A wrong argument raises ValueError, whose message becomes the row's problem.
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeAlias

from app.domain import moments
from connectors.sdk import canonical

Function: TypeAlias = Callable[..., Any]
Pattern: TypeAlias = Any
"""A compiled expression of `regex`, which has no types."""

LONGEST_TEXT = 1_000_000
"""Characters that a function or a template may give."""
LONGEST_RANGE = 1_000
LONGEST_MATCHED = 20_000
"""Characters of a text that a regular expression is tried on."""
LONGEST_MATCHING = 1.0
"""Seconds that one regular expression may take over one text."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def text(value: Any) -> str:
    """A value as text: null is empty, numbers are canonical, arrays and objects are JSON."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if type(value) is bool:
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return str(canonical.value(value))
    return canonical.dumps(canonical.value(value)).decode()


def limited(result: str) -> str:
    """`result`, unless it is beyond `LONGEST_TEXT`."""
    if len(result) > LONGEST_TEXT:
        raise ValueError(f"gives more than {LONGEST_TEXT:,} characters")
    return result


# --- text ---------------------------------------------------------------------------------


def slug(value: Any, separator: str = "-") -> str:
    """Lower-case ASCII letters and digits; all else separates: ``'s-Gravenhage`` → s-gravenhage."""
    plain = unicodedata.normalize("NFKD", text(value).replace("ß", "ss"))
    kept = plain.encode("ascii", "ignore").decode().lower()
    return separator.join(re.findall(r"[a-z0-9]+", kept))


def replace(value: Any, old: str, new: str) -> str:
    """Every `old` replaced by `new`."""
    source = text(value)
    if len(source) + source.count(old) * (len(new) - len(old)) > LONGEST_TEXT:
        raise ValueError(f"gives more than {LONGEST_TEXT:,} characters")
    return source.replace(old, new)


def pad(value: Any, width: int, fill: str = "0") -> str:
    """Filled up at the left: ``pad(7, 3)`` → 007."""
    if len(fill) != 1 or not 0 <= width <= 1_000:
        raise ValueError("pads to at most 1,000 characters with one character")
    return text(value).rjust(width, fill)


def truncate(value: Any, length: int) -> str:
    """The first `length` characters."""
    return text(value)[: max(length, 0)]


def split(value: Any, separator: str = ",", limit: int = -1) -> list[str]:
    """The parts of a text, blanks around each removed; empty text gives an empty list."""
    source = text(value)
    if not source.strip():
        return []
    if not separator:
        raise ValueError("needs a separator")
    return [part.strip() for part in source.split(separator, limit)]


def join(value: Any, separator: str = ", ") -> str:
    """The items of a list as one text; null and empty items are left out."""
    parts = [text(item) for item in _list(value) if item is not None and item != ""]
    if sum(map(len, parts)) + len(parts) * len(separator) > LONGEST_TEXT:
        raise ValueError(f"gives more than {LONGEST_TEXT:,} characters")
    return separator.join(parts)


def starts_with(value: Any, start: str) -> bool:
    return text(value).startswith(start)


def ends_with(value: Any, end: str) -> bool:
    return text(value).endswith(end)


def contains(value: Any, part: Any) -> bool:
    """Whether a text holds a text, or a list an item."""
    return part in value if isinstance(value, list) else text(part) in text(value)


# --- regular expressions --------------------------------------------------------------------

# The library's own reading of a pattern; it is not published, so nothing describes its type.
_parse: Callable[[str], Any] = import_module("re._parser").parse


@lru_cache(maxsize=512)
def pattern(expression: str) -> Pattern:
    """Compile a pattern. Raises ValueError, also for a repeat inside a repeat.

    ``(a+)+`` needs time that doubles with every character of the row's text. There are others
    that cannot be told by their looks, such as ``^(a|a)*$``: those end at `LONGEST_MATCHING`,
    for which the library `regex` is here; `re` cannot be stopped.
    """
    import regex  # takes time that mappings without patterns should not

    try:
        re.compile(expression)
        compiled = regex.compile(expression)
    except (re.error, regex.error) as error:
        raise ValueError(f"{expression!r} is not a regular expression: {error}") from None
    if _repeats_a_repeat(_parse(expression)):
        raise ValueError(f"{expression!r} repeats a repeat, which can take for ever")
    return compiled


def _repeats_a_repeat(node: Any, inside: bool = False) -> bool:
    """Walk the parsed pattern: only there is ``[+]+`` told from ``(a+)+``."""
    if isinstance(node, (list, tuple)) or hasattr(node, "data"):
        items = node.data if hasattr(node, "data") else node
        for item in items:
            if isinstance(item, tuple) and item and str(item[0]) in {"MAX_REPEAT", "MIN_REPEAT"}:
                _least, most, body = item[1]
                unbounded = int(most) > 100
                if (unbounded and inside) or _repeats_a_repeat(body, inside or unbounded):
                    return True
            elif _repeats_a_repeat(item, inside):
                return True
    return False


def _matched(value: Any) -> str:
    source = text(value)
    if len(source) > LONGEST_MATCHED:
        raise ValueError(f"a regular expression is tried on {LONGEST_MATCHED:,} characters at most")
    return source


def _timed(expression: str, method: str, *arguments: Any) -> Any:
    """A method of the compiled pattern. Raises ValueError when it takes too long."""
    try:
        return getattr(pattern(expression), method)(*arguments, timeout=LONGEST_MATCHING)
    except TimeoutError:
        raise ValueError(
            f"{expression!r} takes longer than {LONGEST_MATCHING:g} second on this text; "
            "make it more exact"
        ) from None


def matches(value: Any, expression: str) -> bool:
    """Whether the pattern is found anywhere in the text; ``^`` and ``$`` pin it down."""
    return _timed(expression, "search", _matched(value)) is not None


def extract(value: Any, expression: str, group: int | str = 0) -> str | None:
    """The first match (or one group of it), null where there is none."""
    found = _timed(expression, "search", _matched(value))
    try:
        return None if found is None else found[group]
    except IndexError:
        raise ValueError(f"{expression!r} has no group {group!r}") from None


def regex_replace(value: Any, expression: str, replacement: str = "") -> str:
    r"""Every match replaced; ``\1`` stands for the first group."""
    import regex

    try:
        return limited(_timed(expression, "sub", replacement, _matched(value)))
    except (regex.error, IndexError) as error:
        raise ValueError(f"{replacement!r} does not fit {expression!r}: {error}") from None


# --- numbers --------------------------------------------------------------------------------


def number(value: Any, decimal: str = ".", group: str = "") -> int | float | Decimal | None:
    """Read a number. With ``decimal=","`` the point separates thousands unless `group` says else.

    Blank text is null. ``number('1.234,50', ',')`` → 1234.5
    """
    if isinstance(value, bool):
        raise ValueError("true and false are not numbers")
    if isinstance(value, (int, float, Decimal)):
        return canonical.value(value)  # type: ignore[no-any-return]
    source = text(value).strip()
    if not source:
        return None
    separator = group or {",": ".", ".": ","}.get(decimal, "")
    if separator == decimal or len(decimal) != 1:
        raise ValueError("decimal and group are two different characters")
    plain = _ungroup(source, decimal, separator)
    if not _NUMBER.fullmatch(plain):
        raise ValueError(f"{source!r} is not a number with decimal {decimal!r}")
    return canonical.number(Decimal(plain))


def _ungroup(source: str, decimal: str, separator: str) -> str:
    whole, point, fraction = source.partition(decimal)
    if separator and separator in whole:
        head, *groups = whole.split(separator)
        if not 1 <= len(head.lstrip("+-")) <= 3 or any(len(part) != 3 for part in groups):
            raise ValueError(f"{source!r} has groups of digits that are not three long")
        whole = head + "".join(groups)
    return f"{whole}.{fraction}" if point else whole


def round_(value: Any, digits: int = 0) -> int | float | Decimal:
    """Rounded half away from zero, as people do."""
    exact = exact_number(value)
    if not -100 <= digits <= 100:
        raise ValueError("rounds to at most 100 digits")
    try:
        rounded = exact.quantize(Decimal(1).scaleb(-digits), rounding="ROUND_HALF_UP")
    except InvalidOperation:
        raise ValueError("has too many digits to be rounded so") from None
    return canonical.number(rounded)


def exact_number(value: Any) -> Decimal:
    """A JSON number as a Decimal that equals its text. Raises ValueError on anything else."""
    if isinstance(value, Decimal):
        return value
    if type(value) is int:
        return Decimal(value)
    if type(value) is float:
        return Decimal(repr(value))
    raise ValueError(f"needs a number; {text(value)!r} is {kind(value)}: use number(…)")


def kind(value: Any) -> str:
    """The JSON type of a value, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float, Decimal)):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "an object" if isinstance(value, dict) else "an array"


# --- dates ----------------------------------------------------------------------------------


def date_(value: Any, layout: str | None = None) -> str:
    """The day as ISO text. `layout` as in strptime (``%d-%m-%Y``), or unix / unix_ms."""
    return moments.read(value, layout, None).date().isoformat()


def datetime_(value: Any, layout: str | None = None, zone: str | None = None) -> str:
    """The moment as ISO text with an offset; `zone` says where a time without one was meant."""
    moment = moments.read(value, layout, moments.zone(zone) if zone else None)
    if moment.tzinfo is None:
        raise ValueError("has no time zone: name one, for example datetime(x, zone='UTC')")
    return moments.iso(moment)


def format_date(value: Any, layout: str) -> str:
    """A date or time written after `layout`."""
    if len(layout) > 100:
        raise ValueError("the layout is longer than 100 characters")
    return moments.read(value, None, None).strftime(layout)


def now(days: float = 0, hours: float = 0) -> str:
    """This moment in UTC, shifted. A row that did not change is not mapped again for it."""
    return moments.iso(datetime.now(UTC).replace(microsecond=0) + timedelta(days=days, hours=hours))


def today(days: float = 0) -> str:
    """Today in UTC, shifted by days."""
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


# --- structure ------------------------------------------------------------------------------


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ValueError(f"needs a list; this is {kind(value)}")


def length(value: Any) -> int:
    return len(value) if isinstance(value, (list, dict)) else len(text(value))


def first(value: Any) -> Any:
    """The first item; null for an empty list."""
    return next(iter(_list(value)), None)


def last(value: Any) -> Any:
    """The last item; null for an empty list."""
    return next(reversed(_list(value)), None)


def unique(value: Any) -> list[Any]:
    """Items without repeats, in their order."""
    listed = [canonical.value(item) for item in _list(value)]
    kept: dict[bytes, Any] = {}
    for item in listed:
        kept.setdefault(canonical.dumps(item), item)
    return list(kept.values())


def sort(value: Any) -> list[Any]:
    """Items in order; all numbers or all text."""
    items = _list(value)
    if all(type(item) is str for item in items):
        return sorted(items)
    return sorted(items, key=exact_number)


def sum_(value: Any) -> int | float | Decimal:
    """The sum of a list of numbers; null items do not count."""
    return canonical.number(
        sum((exact_number(item) for item in _list(value) if item is not None), Decimal(0))
    )


def items(value: Any) -> list[list[Any]]:
    """The members of an object as [name, value] pairs."""
    if isinstance(value, dict):
        return [[name, member] for name, member in value.items()]
    raise ValueError(f"needs an object; this is {kind(value)}")


def keys(value: Any) -> list[str]:
    """The names of an object's members."""
    return [name for name, _ in items(value)]


def json_(value: Any) -> str:
    """The value as JSON text, null included."""
    return limited(canonical.dumps(canonical.value(value)).decode())


def from_json(value: Any) -> Any:
    """The value that a JSON text spells."""
    try:
        return canonical.parse(text(value))
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None


def range_(stop: Any) -> list[int]:
    """The numbers from 0 to `stop`, without it."""
    if not isinstance(stop, int) or stop > LONGEST_RANGE:
        raise ValueError(f"goes up to {LONGEST_RANGE:,} at most")
    return list(range(stop))


# --- identity -------------------------------------------------------------------------------

_NAMESPACES = {"url": uuid.NAMESPACE_URL, "dns": uuid.NAMESPACE_DNS, "oid": uuid.NAMESPACE_OID}


def uuid5(value: Any, namespace: str = "url") -> str:
    """A UUID that is always the same for the same text. `namespace`: url, dns, oid or a UUID."""
    try:
        space = _NAMESPACES[namespace] if namespace in _NAMESPACES else uuid.UUID(namespace)
    except ValueError:
        raise ValueError(f"{namespace!r} is no namespace: url, dns, oid or a UUID") from None
    return str(uuid.uuid5(space, text(value)))


_LANGUAGES = ("en", "nl", "de", "fr", "es", "it", "pt", "da", "sv", "nb", "pl")


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    from babel import Locale  # most mappings name no country, and its import takes a while
    from babel.core import get_global

    english: Mapping[str, str] = Locale("en").territories
    codes = {code for code in english if len(code) == 2 and code.isalpha()}
    known = {code.casefold(): code for code in codes}
    for alias, replacements in get_global("territory_aliases").items():
        if len(alias) == 3 and alias.isalpha() and len(replacements) == 1:
            known[alias.casefold()] = replacements[0]
    for language in _LANGUAGES:
        territories: Mapping[str, str] = Locale(language).territories
        for code, name in territories.items():
            if code in codes:
                known.setdefault(slug(name), code)
    return known


def iso_country(value: Any) -> str:
    """The two-letter ISO 3166 code of a country's code or name (in eleven languages)."""
    source = text(value).strip()
    known = _countries()
    code = known.get(source.casefold()) or known.get(slug(source))
    if code is None:
        raise ValueError(f"{source!r} is no country that is known here")
    return code


def table_lookup(
    tables: Mapping[str, Mapping[str, Any]],
) -> Callable[..., Any]:
    """The function ``map``: values by a table of the mapping (or one written in place)."""

    def map_(value: Any, table: str | Mapping[str, Any], *default: Any) -> Any:
        rows = tables.get(table) if isinstance(table, str) else table
        if rows is None:
            raise ValueError(f"there is no lookup table {table!r}: {', '.join(tables) or 'none'}")
        found = rows.get(text(value), _ABSENT)
        if found is not _ABSENT:
            return found
        if default:
            return default[0]
        raise ValueError(f"{text(value)!r} is not in the lookup table")

    return map_


_ABSENT = object()

FUNCTIONS: dict[str, Function] = {
    "abs": lambda value: canonical.number(abs(exact_number(value))),
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
    "max": lambda value: canonical.number(max(map(exact_number, _list(value)))),
    "min": lambda value: canonical.number(min(map(exact_number, _list(value)))),
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
"""Null in, null out. `default`, `json`, `now`, `today` and `map` are added by the environment."""

METHODS = {
    "startswith": "starts_with",
    "endswith": "ends_with",
    "strip": "trim",
    **{name: name for name in ("lower", "upper", "title", "capitalize", "split", "replace")},
}
"""Methods of Python's text that people write out of habit: ``name.startswith('A')``."""
