"""The canonical form of values, in which equal rows are equal bytes.

Numbers are compared by value (1 and 1.0 are the same number, JSON Schema 2020-12 section 6.1.1;
JSON itself has one number type, RFC 8259 section 6), object members by name, strings by code
point, without Unicode normalisation, because a register must return what it received.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import orjson

KEY_SEPARATOR = "\x1f"
"""Separates parts of a composite key: the ASCII unit separator. Within a part it is escaped."""

_ESCAPE = "\x1b"

LONGEST_NUMBER = 1000
"""Digits before or after the point; a longer number (``1e999999999``) is an attack."""
TOO_LONG = f"A number of more than {LONGEST_NUMBER} digits is not supported"

DEEPEST = 200
"""Levels of objects and arrays in a row; parsers and PostgreSQL allow slightly more."""
_SPARE_LEVELS = 254 - 1 - DEEPEST
TOO_DEEP = f"More than {DEEPEST} levels of objects and arrays are not supported"

_EXACT_FLOAT_INT = 2**53
_LARGEST_INT = 10**LONGEST_NUMBER


def number(value: float | Decimal) -> int | float | Decimal:
    """The simplest exact form of a number: int, else a float that prints exactly, else Decimal.

    Raises ValueError for NaN, infinity and numbers with more than `LONGEST_NUMBER` digits.
    """
    if isinstance(value, Decimal):
        return _decimal(value)
    if 1e-4 <= abs(value) < 1e16:  # nearly all floats: printed without an exponent
        return int(value) if value.is_integer() else value
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON number")
    if value.is_integer():
        return int(value) if abs(value) < _EXACT_FLOAT_INT else int(Decimal(repr(value)))
    if "e" in repr(value):
        return Decimal(f"{Decimal(repr(value)):f}")
    return value


def moment(value: datetime, timespec: str = "auto") -> str:
    """A time as text: ISO 8601 in UTC, ``2025-03-30T01:00:00Z``."""
    return value.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def _decimal(value: Decimal) -> int | float | Decimal:
    if not value.is_finite():
        raise ValueError(f"{value} is not a JSON number")
    if not _is_kept(value):
        raise ValueError(TOO_LONG)
    # Text arithmetic: `normalize()` and friends would round to the context's 28 digits.
    text = f"{value:f}" if value else "0"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if "." not in text:
        return int(text)
    plain = float(text)
    return plain if repr(plain) == text else Decimal(text)


def _is_kept(value: Decimal) -> bool:
    """Whether a number can be written out; checked before its exponent is expanded."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):  # NaN and infinity
        return False
    return not value or (value.adjusted() < LONGEST_NUMBER and exponent >= -LONGEST_NUMBER)


def value(item: Any, depth: int = 0) -> Any:
    """`item` with every number in its simplest exact form.

    Raises ValueError like `number`, and for more than `DEEPEST` levels (`depth`: those above).
    """
    kind = type(item)
    if kind is str or kind is bool or item is None:
        return item
    if kind is int:
        if -_LARGEST_INT < item < _LARGEST_INT:
            return item
        raise ValueError(TOO_LONG)
    if kind is float or kind is Decimal:
        return number(item)
    if depth >= DEEPEST:
        raise ValueError(TOO_DEEP)
    if kind is dict:
        return {name: value(member, depth + 1) for name, member in item.items()}
    if kind is list or kind is tuple:
        return [value(member, depth + 1) for member in item]
    raise ValueError(f"{kind.__name__} is not a JSON value")


def _fallback(item: Any) -> Any:
    if isinstance(item, Decimal):
        if not _is_kept(item):
            raise TypeError(TOO_LONG)
        return orjson.Fragment(f"{item:f}")
    raise TypeError(f"{type(item).__name__} is not a JSON value")


# Removing the newline copies the text, which frees the 4 KB block that orjson allocates.
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


def dumps(item: Any) -> bytes:
    """Canonical JSON of a canonical value: sorted members, no whitespace, exact numbers."""
    try:
        return orjson.dumps(item, default=_fallback, option=_CANONICAL)[:-1]
    except orjson.JSONEncodeError:
        # orjson rejects integers beyond 64 bits and does not pass them to `default`.
        return orjson.dumps(spell_integers(item), default=_fallback, option=_CANONICAL)[:-1]


def dumps_rows(rows: Sequence[Any]) -> bytes | None:
    """Canonical JSON of rows, or None if one of them cannot be stored (see `lenient.fault`).

    orjson writes at most 254 levels. The rows are nested in enough lists that rows deeper than
    `DEEPEST` exceed this, which detects them for free and leaves room for later nesting.
    """
    wrapped: Any = rows
    for _ in range(_SPARE_LEVELS):
        wrapped = [wrapped]
    try:
        text = orjson.dumps(wrapped, default=_fallback, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        try:
            text = orjson.dumps(
                spell_integers(wrapped), default=_fallback, option=orjson.OPT_SORT_KEYS
            )
        except (TypeError, RecursionError):
            return None
    return text[_SPARE_LEVELS:-_SPARE_LEVELS]


def dumps_in_order(item: Any) -> bytes:
    """JSON with members in their original order, for documents written by users."""
    try:
        return orjson.dumps(item, default=_fallback)
    except orjson.JSONEncodeError:
        return orjson.dumps(spell_integers(item), default=_fallback)


def spell_integers(node: Any) -> Any:
    """`node` with integers beyond 64 bits, which orjson rejects, as preformatted JSON."""
    if type(node) is int and not -(2**63) <= node < 2**64:
        return orjson.Fragment(str(node))
    if isinstance(node, dict):
        return {name: spell_integers(member) for name, member in node.items()}
    if isinstance(node, (list, tuple)):
        return [spell_integers(member) for member in node]
    return node


# Find numbers that a float or a 64-bit integer cannot hold without parsing each one: replace all
# digits and points by "0", remove signs, and search for substrings that show whether any run of
# digits or any exponent is long enough to matter.
_SHAPE = bytes.maketrans(b"123456789.E", b"0000000000e")
_SIGNS = b"+-"
_LONG = b"0" * 16
_FAR = b"0e000"
_BEFORE_NUMBERS = frozenset({b":", b",", b"[", b" ", b"\t", b"\r", b"\n"})
_NUMBER = re.compile(rb"-?[0-9][0-9.]{15,}(?![0-9.eE])|-?[0-9][0-9.]*[eE][+-]?[0-9]+")


def loads(text: bytes | bytearray | memoryview | str) -> Any:
    """Parse JSON; every number keeps its exact value (int of any size, float, else Decimal).

    Numbers keep their type (``1.0`` is a float); `parse` makes them canonical. Raises
    ValueError for invalid JSON, including NaN and infinity.
    """
    raw = text.encode() if isinstance(text, str) else bytes(text)
    if _suspicious(raw):
        # usually a hexadecimal identifier
        numbers = _without_strings(raw)
        if _suspicious(numbers) and any(map(_inexact, _NUMBER.findall(numbers))):
            return _loads_slowly(raw)
    return orjson.loads(raw)


def _suspicious(text: bytes) -> bool:
    shape = text.translate(_SHAPE, _SIGNS)
    return any(_begins_a_number(shape, pattern) for pattern in (_LONG, _FAR) if pattern in shape)


def _begins_a_number(shape: bytes, pattern: bytes) -> bool:
    """Whether `pattern` is at the start of a number, and not in a text such as an identifier."""
    first, *others = [piece.rstrip(b"0")[-1:] for piece in shape.split(pattern)[:-1]]
    # a piece of only digits belongs to the previous piece
    return not first or not _BEFORE_NUMBERS.isdisjoint((first, *others))


def _without_strings(raw: bytes) -> bytes:
    """JSON without the content of its strings."""
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b'""'.join(raw.split(b'"')[::2])


def parse(text: bytes | bytearray | memoryview | str) -> Any:
    """Parse JSON to a canonical value; restores what `dumps` wrote, even after jsonb."""
    return value(loads(text))


def _loads_slowly(raw: bytes) -> Any:
    try:
        item = json.loads(raw, parse_float=exact_float, parse_int=exact_int, parse_constant=refuse)
        if b"\\u" in raw:  # reject lone surrogates, as orjson does
            json.dumps(item, ensure_ascii=False, default=str).encode()
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    return item


def _inexact(token: bytes) -> bool:
    """Whether orjson would lose digits of this number (or of one inside a string)."""
    if b"." in token or b"e" in token or b"E" in token:
        try:
            return repr(float(token)).encode() != token
        except ValueError:  # "1.2.3" inside a string
            return False
    return len(token) > 18


def exact_float(token: str) -> float | Decimal:
    """A number with a point or an exponent, exactly as written."""
    plain = float(token)
    return plain if repr(plain) == token else _exact(token)


def _exact(token: str) -> Decimal:
    """A number exactly as written, or infinity if it is too long."""
    try:
        return Decimal(token)
    except InvalidOperation:  # an exponent beyond the range of Decimal
        return Decimal("Infinity")


def exact_int(token: str) -> int | Decimal:
    """An integer; a Decimal if it is too long."""
    return int(token) if len(token) <= LONGEST_NUMBER else Decimal(token)


def refuse(token: str) -> NoReturn:
    """Rejects NaN and infinity, which are not JSON. Raises ValueError."""
    raise ValueError(f"{token} is not a JSON number")


def raw_bytes(data: dict[str, Any]) -> bytes:
    """The raw form of a row: canonical JSON with unconverted numbers (cheap, only compared).

    Values that are not valid JSON (lone surrogates, hundreds of levels) also get a unique form,
    so that only their row is rejected.
    """
    try:
        return dumps(data)
    except (TypeError, RecursionError):
        return _spelled(data)


def _spelled(data: Any) -> bytes:
    """A form of any value: equal for equal values, whatever their content and depth."""
    parts: list[str] = []
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            parts.append(f"{{{len(item)}")
            for name in sorted(item):
                waiting += [item[name], name]
        elif isinstance(item, (list, tuple)):
            parts.append(f"[{len(item)}")
            waiting += item
        else:
            parts.append(repr(item) if not isinstance(item, int) else hex(item))
    return "\n".join(parts).encode("utf-8", "backslashreplace")


_BETWEEN = b"},{"


def raw_forms(rows: Sequence[dict[str, Any]], text: bytes | None = None) -> list[bytes]:
    """`raw_bytes` of every row, cut out of the JSON `text` of all rows if possible.

    `text` is the result of `dumps` for the rows; None: it is created here.
    """
    if text is None:
        try:
            text = dumps(rows)
        except (TypeError, RecursionError):
            return list(map(raw_bytes, rows))
    forms = text[2:-2].split(_BETWEEN)
    if len(forms) != len(rows):  # the separator between rows also occurs in one of them
        return list(map(raw_bytes, rows))
    return [b"{%b}" % form for form in forms]


def key_part(item: Any) -> str | None:
    """One field of a key as text, or None if it has no usable value (null, blank, nested).

    A number and its text are the same key: ``7``, ``7.0`` and ``"7"`` all identify object 7.
    """
    if type(item) is str:
        return item if item.strip() else None
    if type(item) is int:
        return str(item)
    if item is None:
        return None
    if type(item) is bool:
        return "true" if item else "false"
    if isinstance(item, (float, Decimal)):
        try:
            return str(number(item))
        except ValueError:  # too long
            return None
    return None


def join_key(parts: Sequence[str | None]) -> str | None:
    """The text of a composite key; None if any part is missing.

    Different parts give different keys: a separator within a part is escaped.
    """
    if any(part is None for part in parts):
        return None
    texts = [part for part in parts if part is not None]
    if len(texts) > 1 and any(KEY_SEPARATOR in text or _ESCAPE in text for text in texts):
        texts = [
            text.replace(_ESCAPE, _ESCAPE * 2).replace(KEY_SEPARATOR, f"{_ESCAPE}_")
            for text in texts
        ]
    return KEY_SEPARATOR.join(texts)


LONGEST_KEY = 2000
"""Bytes of a key in UTF-8: a PostgreSQL B-tree index entry holds about 2,700."""


def key_fault(key: str) -> str | None:
    """Why a key cannot be stored, or None."""
    if "\0" in key:
        return "the key contains a NUL character, which cannot be stored"
    try:
        size = len(key) if key.isascii() else len(key.encode())
    except UnicodeEncodeError:
        return "the key contains a lone surrogate, which is not valid text"
    if size > LONGEST_KEY:
        return f"the key has {size:,} bytes; the maximum is {LONGEST_KEY:,}"
    return None


def usable_keys(keys: Sequence[str | None]) -> Sequence[str | None]:
    """The keys, with None for those that cannot be stored."""
    present = [key for key in keys if key is not None]
    joined = "".join(present)
    if (
        "\0" not in joined
        and max(map(len, present), default=0) * 4 <= LONGEST_KEY
        and (joined.isascii() or _is_text(joined))
    ):
        return keys
    return [None if key is None or key_fault(key) else key for key in keys]


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
