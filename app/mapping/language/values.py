"""JSON values of an expression: as text, as JSON, and as exact numbers.

Errors raise ValueProblem, whose message becomes the problem of the row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from app.mapping.language import effort
from app.mapping.language.errors import ValueProblem
from connectors.sdk import canonical

LONGEST_TEXT = effort.LARGEST_VALUE
"""Maximum characters produced by a function or a template."""
EXACT = Context(prec=50)
"""Decimal context of expressions."""

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
        return str(plain(value))
    return json_(value)


def plain(value: Any) -> Any:
    """A number or constant in canonical form. Raises ValueProblem on NaN and the like."""
    try:
        return canonical.value(value)
    except ValueError as error:
        raise ValueProblem(str(error)) from None


def limited(result: str) -> str:
    """`result`, unless it is longer than `LONGEST_TEXT`."""
    if len(result) > LONGEST_TEXT:
        raise ValueProblem(f"produces more than {LONGEST_TEXT:,} characters")
    return result


def concatenated(parts: Iterable[str], separator: str = "") -> str:
    """The parts concatenated, up to `LONGEST_TEXT` characters."""
    kept: list[str] = []
    total = 0
    for part in parts:
        kept.append(part)
        total += len(part) + len(separator)
        if total > LONGEST_TEXT + len(separator):
            raise ValueProblem(f"produces more than {LONGEST_TEXT:,} characters")
    return separator.join(kept)


def json_(value: Any) -> str:
    """The value as JSON text, including null."""
    effort.weigh(value)
    return limited(_dumped(value))


def _dumped(value: Any) -> str:
    try:
        return canonical.dumps(canonical.value(value)).decode()
    except ValueError as error:
        raise ValueProblem(str(error)) from None
    except TypeError:
        raise ValueProblem("has text that is not valid Unicode, or is nested too deeply") from None


def from_json(value: Any) -> Any:
    """Parse a JSON text."""
    try:
        return canonical.parse(text(value))
    except (ValueError, RecursionError) as error:
        raise ValueProblem(f"is not JSON: {json_fault(error)}") from None


def json_fault(error: Exception) -> str:
    """The position of the error in a JSON text, or the limit it exceeds."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


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


def shown(value: Any) -> str:
    """A value for messages: quoted text, anything else as JSON, shortened."""
    if type(value) is str:
        return f"'{value[:200]}'"
    if isinstance(value, (list, dict)):
        return "[…]" if isinstance(value, list) else "{…}"
    return text(value) if value is not None else "null"


def items_of(value: Any) -> list[Any]:
    """The items of a list. Raises ValueProblem on anything else."""
    if isinstance(value, list):
        return value
    raise ValueProblem(f"needs a list; this is {kind(value)}")


def canonical_number(exact: Decimal) -> int | float | Decimal:
    """The simplest exact form. Raises ValueProblem for infinity and thousands of digits."""
    try:
        return canonical.number(exact)
    except ValueError as error:
        raise ValueProblem(str(error)) from None


def exact_number(value: Any) -> Decimal:
    """A JSON number as a Decimal that equals its text. Raises ValueError on anything else."""
    if isinstance(value, Decimal):
        return value
    if type(value) is int:
        return Decimal(value)
    if type(value) is float:
        return Decimal(repr(value))
    raise ValueProblem(f"needs a number; {text(value)!r} is {kind(value)}: use number(…)")


def number(value: Any, decimal: str = ".", group: str = "") -> int | float | Decimal | None:
    """Parse a number. With ``decimal=","`` the point separates thousands unless `group` is set.

    Blank text is null. ``number('1.234,50', ',')`` → 1234.5
    """
    if isinstance(value, bool):
        raise ValueProblem("true and false are not numbers")
    if isinstance(value, (int, float, Decimal)):
        return plain(value)  # type: ignore[no-any-return]
    source = text(value).strip()
    if not source:
        return None
    separator = group or {",": ".", ".": ","}.get(decimal, "")
    if separator == decimal or len(decimal) != 1:
        raise ValueProblem("decimal and group must be two different characters")
    bare = _ungroup(source, decimal, separator)
    if not _NUMBER.fullmatch(bare):
        raise ValueProblem(f"{source!r} is not a number with decimal {decimal!r}")
    return canonical_number(Decimal(bare))


def _ungroup(source: str, decimal: str, separator: str) -> str:
    whole, point, fraction = source.partition(decimal)
    if separator and separator in whole:
        head, *groups = whole.split(separator)
        if not 1 <= len(head.lstrip("+-")) <= 3 or any(len(part) != 3 for part in groups):
            raise ValueProblem(f"{source!r} has groups of digits that are not three long")
        whole = head + "".join(groups)
    return f"{whole}.{fraction}" if point else whole


def round_(value: Any, digits: int = 0) -> int | float | Decimal:
    """Round half away from zero, as is customary."""
    exact = exact_number(value)
    if not -100 <= digits <= 100:
        raise ValueProblem("rounds to at most 100 digits")
    try:
        rounded = exact.quantize(Decimal(1).scaleb(-digits), rounding="ROUND_HALF_UP")
    except InvalidOperation:
        raise ValueProblem("has too many digits for this rounding") from None
    return canonical_number(rounded)


def sum_(value: Any) -> int | float | Decimal:
    """The sum of a list of numbers; null items are ignored."""
    total = Decimal(0)
    for item in items_of(value):
        if item is not None:
            total = EXACT.add(total, exact_number(item))
    return canonical_number(total)


def largest(values: Sequence[Any]) -> Any:
    """The largest number; null for an empty list."""
    return canonical_number(max(map(exact_number, values))) if values else None


def smallest(values: Sequence[Any]) -> Any:
    """The smallest number; null for an empty list."""
    return canonical_number(min(map(exact_number, values))) if values else None
