"""Convert the text of a database value to JSON, exactly.

One function per kind of type, shared by the dialects, so that the same value becomes the same JSON
in any database. Each takes the text from the database and raises ValueError, with a readable
message, if JSON cannot represent the value.
"""

from __future__ import annotations

import base64
import datetime
import re
import struct
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from connectors.sdk import canonical
from connectors.sdk.rows import JsonValue

Convert = Callable[[str], JsonValue]

_SAFE_DIGITS = 16
"""A shorter text has at most 15 digits, which a float represents exactly."""

integer: Convert = int


def decimal(text: str) -> int | float | Decimal:
    """A NUMERIC: an int if whole, otherwise the simplest exact form."""
    if len(text) < _SAFE_DIGITS:
        plain = float(text)
        if plain.is_integer():
            return int(plain)
        # NaN and infinities are excluded; near zero the exact form is a Decimal.
        if 1e-4 <= plain <= 1e16 or -1e16 <= plain <= -1e-4:
            return plain
    try:
        return canonical.number(Decimal(text))
    except InvalidOperation:
        raise ValueError(f"{text} is not a number") from None


def double(text: str) -> int | float | Decimal:
    """A floating-point number, printed with as many digits as distinguish it."""
    return canonical.number(float(text))


def single(text: str) -> int | float | Decimal:
    """A 32-bit float printed as a double: back to the shortest form."""
    exact = float(text)
    stored = struct.pack("<f", exact)
    for digits in range(6, 9):
        shorter = float(f"{exact:.{digits}g}")
        if struct.pack("<f", shorter) == stored:
            return canonical.number(shorter)
    return canonical.number(float(f"{exact:.9g}"))


def boolean(text: str) -> bool:
    return text in ("t", "1", "true")


def flag(text: str) -> bool | int:
    """A TINYINT(1): true or false; other numbers are unchanged."""
    number = int(text)
    return bool(number) if number in (0, 1) else number


def date(text: str) -> str:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        raise _no_time(text, "date") from None
    return text


def timestamp(text: str) -> str:
    """``2024-02-29 12:00:00.50`` to ``2024-02-29T12:00:00.5``."""
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        raise _no_time(text, "timestamp") from None
    return _trimmed(text.replace(" ", "T", 1))


def utc(text: str) -> str:
    """A timestamp in UTC, with or without ``+00``: ``2024-02-29T12:00:00Z``."""
    return timestamp(text.removesuffix("+00")) + "Z"


def time(text: str) -> str:
    """A time of day."""
    try:
        datetime.time.fromisoformat(text)
    except ValueError:
        raise _no_time(text, "time of day") from None
    return _trimmed(text)


def time_with_zone(text: str) -> str:
    """``12:00:00+02`` to ``12:00:00+02:00``; ``Z`` for UTC."""
    clock, sign, offset = re.split(r"([+-])", text, maxsplit=1)
    if offset == "00":
        return time(clock) + "Z"
    return time(clock) + sign + (offset if ":" in offset else f"{offset}:00")


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _no_time(text: str, kind: str) -> ValueError:
    if "infinity" in text:
        return ValueError(f"{text} is not a {kind} that JSON can represent")
    return ValueError(f"{text} is not a {kind} in the years 1 to 9999")


def interval(text: str) -> str:
    """An ISO 8601 duration as printed by the database."""
    if "infinity" in text:
        raise ValueError(f"{text} is not a duration that JSON can represent")
    return text


def hexadecimal(text: str) -> str:
    r"""Bytes in hexadecimal (with or without ``\x``), as Base64."""
    return base64.b64encode(bytes.fromhex(text.removeprefix("\\x"))).decode("ascii")


def json(text: str) -> JsonValue:
    value: JsonValue = canonical.parse(text)
    return value


def padded(text: str) -> str:
    """A CHAR(n) without its padding."""
    return text.rstrip(" ")


def array(element: Convert | None, delimiter: str = ",") -> Convert:
    """A PostgreSQL array literal, possibly nested, as lists; ``NULL`` is None."""
    token = re.compile(
        rf'"((?:[^"\\]|\\.)*)"|([{{}}])|([^{{}}"{re.escape(delimiter)}]+)', re.DOTALL
    )

    def convert(text: str) -> JsonValue:
        # "[2:3]={7,8}": JSON has no bounds other than 1
        body = text.partition("=")[2] if text.startswith("[") else text
        root: list[JsonValue] = []
        open_lists = [root]
        for match in token.finditer(body):
            kind = match.lastindex
            if kind == 2 and match[2] == "{":
                inner: list[JsonValue] = []
                open_lists[-1].append(inner)
                open_lists.append(inner)
            elif kind == 2:
                open_lists.pop()
            elif kind == 1:
                item = re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL)
                open_lists[-1].append(element(item) if element else item)
            elif match[3] == "NULL":
                open_lists[-1].append(None)
            else:
                open_lists[-1].append(element(match[3]) if element else match[3])
        return root[0]

    return convert
