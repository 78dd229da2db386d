"""Values in JsonLogic: JavaScript's loose comparisons and truth, with exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from app.mapping.language import effort, values
from app.mapping.language.errors import ValueProblem

ABSENT: Final = object()
"""The value of a missing path; null comes from the data."""
_MANY = 1000


class LogicError(ValueProblem):
    """An error that a rule can catch with `try`; `data` is what it then sees."""

    def __init__(self, data: Any, message: str) -> None:
        super().__init__(message)
        self.data = data if isinstance(data, dict) else {"type": data}


def truthy(value: Any) -> bool:
    """JsonLogic's truth: like JavaScript, but an empty array is false. "0" is true."""
    return value is not None and value is not False and value not in (0, "", [])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _numeric(value: Any) -> Decimal | None:
    """JavaScript's Number(), with None for NaN."""
    if isinstance(value, bool):
        return Decimal(int(value))
    if _is_number(value):
        return values.exact_number(value)
    if value is None:
        return Decimal(0)
    if isinstance(value, str) and len(value) <= _MANY:
        try:
            number = Decimal(value.strip() or "0")
        except ArithmeticError:
            return None
        return number if number.is_finite() and abs(number.adjusted()) < _MANY else None
    return None


def operand(value: Any) -> Decimal:
    """A value as a number. Raises LogicError for NaN in JavaScript."""
    number = _numeric(value)
    if number is None:
        raise LogicError("NaN", f"{values.shown(value)} is not a number")
    return number


def _alike(left: Any, right: Any) -> bool:
    effort.weigh(left)
    effort.weigh(right)
    return bool(left == right)


def _loosely_equal(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return left is right
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if isinstance(left, (list, dict)) or isinstance(right, (list, dict)):
        return type(left) is type(right) and _alike(left, right)
    numbers = _numeric(left), _numeric(right)
    return None not in numbers and numbers[0] == numbers[1]


def _strictly_equal(left: Any, right: Any) -> bool:
    if _is_number(left) and _is_number(right):
        return values.exact_number(left) == values.exact_number(right)
    if isinstance(left, (list, dict)):
        return type(left) is type(right) and _alike(left, right)
    return type(left) is type(right) and bool(left == right)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def pair(left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return test(left, right)
        numbers = _numeric(left), _numeric(right)
        return None not in numbers and test(*numbers)

    return pair


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _loosely_equal,
    "!=": lambda left, right: not _loosely_equal(left, right),
    "===": _strictly_equal,
    "!==": lambda left, right: not _strictly_equal(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
}
"""Compares two values; a chain compares each value with the next."""


def _sum(*operands: Any) -> Any:
    total = Decimal(0)
    for value in operands:
        total = values.EXACT.add(total, operand(value))
    return values.canonical_number(total)


def _product(*operands: Any) -> Any:
    total = Decimal(1)
    for value in operands:
        total = values.EXACT.multiply(total, operand(value))
    return values.canonical_number(total)


def _minus(first: Any, *others: Any) -> Any:
    if not others:
        return values.canonical_number(operand(first).copy_negate() + 0)
    total = operand(first)
    for value in others:
        total = values.EXACT.subtract(total, operand(value))
    return values.canonical_number(total)


def _quotient(first: Any, *others: Any) -> Any:
    first, others = (first, others) if others else (1, (first,))
    total = operand(first)
    for value in others:
        divisor = operand(value)
        if not divisor:
            raise LogicError("NaN", "division by zero")
        total = total / divisor
    return values.canonical_number(total)


def _remainder(first: Any, *others: Any) -> Any:
    total = operand(first)
    for value in others:
        divisor = operand(value)
        if not divisor:
            raise LogicError("NaN", "division by zero")
        total = values.EXACT.remainder(total, divisor)
    return values.canonical_number(total)


def _merge(*lists: Any) -> list[Any]:
    merged: list[Any] = []
    for value in lists:
        merged += value if isinstance(value, list) else [value]
        if len(merged) > effort.LARGEST_VALUE:
            raise ValueProblem(f"merge produces more than {effort.LARGEST_VALUE:,} items")
    effort.spend(8 * len(merged))
    return merged


def _in(item: Any, container: Any) -> bool:
    if isinstance(container, str):
        effort.spend(effort.STEP + len(container))
        return values.text(item) in container
    if isinstance(container, list):
        effort.spend(effort.STEP * (1 + len(container)))
        return any(_strictly_equal(item, member) for member in container)
    return False


def _substr(value: Any, start: Any, length: Any = None) -> str:
    text, first = values.text(value), _whole(start)
    effort.spend(effort.STEP + len(text))
    rest = text[first:] if first >= 0 or -first <= len(text) else text
    return rest if length is None else rest[: _whole(length)]


def _whole(value: Any) -> int:
    number = operand(value)
    if abs(number) > effort.LARGEST_VALUE:
        raise LogicError("NaN", f"{values.shown(value)} is not a position in a text")
    return int(number)


def _cat(*parts: Any) -> str:
    joined = values.concatenated(map(values.text, parts))
    effort.spend(len(joined))
    return joined


def _extreme(choose: Callable[..., Decimal]) -> Callable[..., Any]:
    return lambda *operands: values.canonical_number(choose(map(operand, operands)))


_ANY = 99_999
OPERATIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "!": (lambda value=None: not truthy(value), 0, 1),
    "!!": (lambda value=None: truthy(value), 0, 1),
    "+": (_sum, 0, _ANY),
    "-": (_minus, 1, _ANY),
    "*": (_product, 0, _ANY),
    "/": (_quotient, 1, _ANY),
    "%": (_remainder, 2, _ANY),
    "min": (_extreme(min), 1, _ANY),
    "max": (_extreme(max), 1, _ANY),
    "in": (_in, 2, 2),
    "cat": (_cat, 0, _ANY),
    "substr": (_substr, 2, 3),
    "merge": (_merge, 0, _ANY),
}
"""Operators on evaluated operands: function, and minimum and maximum number of operands."""
