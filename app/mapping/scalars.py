"""Coercion of single values; `app.mapping.type_rules` defines which type uses which."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

from connectors.sdk import canonical

Convert: TypeAlias = Callable[[Any], Any]
"""From a value to the typed one, or MISSING to omit it. Raises CoercionError."""
Path: TypeAlias = tuple[str | int, ...]
"""The place of a value in a document."""

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)


class CoercionError(ValueError):
    """A value that does not match the schema; may contain several, with their paths."""

    def __init__(self, *faults: tuple[Path, str, Any]) -> None:
        super().__init__(faults)
        self.faults = faults


def plain(value: Any) -> Any:
    try:
        return canonical.value(value)
    except ValueError as error:
        raise CoercionError(((), str(error), value)) from None


def string(value: Any) -> Any:
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return str(plain(value))
    raise CoercionError(((), "is not text", value))


def formatted(convert: Callable[[str], str]) -> Convert:
    def formatted(value: Any) -> Any:
        if type(value) is not str:
            raise CoercionError(((), "is not text", value))
        try:
            return convert(value)
        except ValueError as error:
            raise CoercionError(((), str(error), value)) from None

    return formatted


def number(value: Any) -> Any:
    kind = type(value)
    if kind is int:
        return value
    if kind is float or kind is Decimal:
        return plain(value)
    if kind is str and _NUMBER.fullmatch(value.strip()):
        # a double represents 15 digits exactly, so short texts need no exact arithmetic
        short = len(value) < 16 and "e" not in value and "E" not in value
        return canonical.number(float(value)) if short else plain(Decimal(value.strip()))
    hint = "; number(…, ',') reads a decimal comma" if kind is str and "," in value else ""
    raise CoercionError(((), f"is not a number{hint}", value))


def integer(value: Any) -> Any:
    if type(value) is int:
        return value
    if type(value) is str and len(value) < 19 and value.isascii() and value.isdecimal():
        return int(value)  # by far the most common text
    try:
        found = number(value)
    except CoercionError:
        raise CoercionError(((), "is not a whole number", value)) from None
    if type(found) is not int:
        raise CoercionError(((), "is not a whole number, and would lose its fraction", value))
    return found


def boolean(value: Any) -> Any:
    if type(value) is bool:
        return value
    known = _BOOLEANS.get(value.strip().lower()) if type(value) is str else _bit(value)
    if known is None:
        raise CoercionError(
            ((), "is neither true nor false (yes, ja, on … need the cast boolean)", value)
        )
    return known


def _bit(value: Any) -> bool | None:
    """1 and 0 as numbers of any kind; a signalling NaN cannot be compared."""
    if type(value) is Decimal and value.is_snan():
        return None
    if type(value) not in {int, float, Decimal} or value not in (0, 1):
        return None
    return bool(value)


_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
