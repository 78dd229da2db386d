"""What comparisons, arithmetic and conditions mean in the mapping language.

- A comparison with null or a missing field is false, unless it is with the word ``none`` itself.
- A number compared with text reads the text as a JSON number (``"12" > 3``; ``"012"`` is none).
- Arithmetic is exact (``0.1 + 0.2 == 0.3``); with null it gives null.
- As a condition, missing, null, blank, empty and 0 are false, and text counts by the words of
  `connectors.sdk.truth`: ``"N"`` is false. In a filter, text that is neither yes nor no is an error
  of its row; in a template it is true, because something is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context as DecimalContext
from decimal import Decimal
from typing import Any, TypeAlias

from jinja2 import ChainableUndefined, StrictUndefined, Undefined, pass_context

from app.domain import functions
from connectors.sdk import canonical, truth
from connectors.sdk.redact import shorten

Tables: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Lookup tables of a mapping: ``{name: {text: value}}``."""

_EXACT = DecimalContext(prec=50)
_ROUNDED = DecimalContext(prec=15)


class MissingField(ChainableUndefined, StrictUndefined):
    """A field the row does not have: it may be asked for, compared, tested, given a default."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return f"{self._undefined_name} is missing in the row (use default(…) if it may be)"


class NullField(ChainableUndefined):
    """A missing field in a filter: null."""

    __slots__ = ()


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def output(value: Any) -> str:
    if isinstance(value, Undefined):
        return str(value)  # raises, naming the field
    return functions.text(value)


def _settled(value: Any) -> Any:
    """A value that is about to be used: a missing one raises (templates) or is null (filters)."""
    if isinstance(value, MissingField):
        str(value)
    return None if isinstance(value, Undefined) else value


def condition(value: Any) -> bool:
    """Whether a value counts as true in a filter. Raises ValueError for text that says neither."""
    if isinstance(value, Undefined):
        return False
    try:
        return truth.holds(value)
    except ValueError as error:
        raise ValueError(
            f"{shorten(repr(value), 80)} {error}; compare it (for example `field != none`)"
        ) from None


def present(value: Any) -> bool:
    """Whether a value counts as true in a template: `condition`, and any other text is true."""
    if isinstance(value, Undefined):
        return False
    try:
        return truth.holds(value)
    except ValueError:
        return True


def compare(name: str) -> Callable[[Any, Any], bool]:
    """A comparison that is false with null and reads text as a number where a number faces it."""
    operation = _COMPARISONS[name]

    def compared(left: Any, right: Any) -> bool:
        if left is None or right is None:
            return False
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            return False
        return operation(left, right)

    return compared


def _alike(left: Any, right: Any) -> tuple[Any, Any] | None:
    """Both sides as one comparable type, or None where they have none in common."""
    if isinstance(left, bool) or isinstance(right, bool):
        pair = _flag(left), _flag(right)
        return None if None in pair else pair
    if is_number(left) or is_number(right):
        numbers = _as_number(left), _as_number(right)
        return None if None in numbers else numbers
    return (left, right) if type(left) is type(right) else None


def _flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def _as_number(value: Any) -> Decimal | None:
    if is_number(value):
        return functions.exact_number(value)
    if not isinstance(value, str):
        return None
    try:
        found = canonical.loads(value)
    except ValueError:
        return None
    return functions.exact_number(found) if is_number(found) else None


def _equal(left: Any, right: Any) -> bool:
    pair = _alike(left, right)
    return pair is not None and bool(pair[0] == pair[1])


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def ordered(left: Any, right: Any) -> bool:
        if type(left) is int and type(right) is int:
            return test(left, right)
        pair = _alike(left, right)
        return pair is not None and not isinstance(pair[0], (dict, list)) and test(*pair)

    return ordered


def _within(item: Any, container: Any) -> bool:
    if isinstance(container, str):
        return isinstance(item, str) and item in container
    if isinstance(container, dict):
        return functions.text(item) in container
    if isinstance(container, (list, tuple)):
        return any(member is not None and _equal(item, member) for member in container)
    return False


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": _equal,
    "ne": lambda left, right: not _equal(left, right),
    "lt": _ordered(lambda left, right: bool(left < right)),
    "lteq": _ordered(lambda left, right: bool(left <= right)),
    "gt": _ordered(lambda left, right: bool(left > right)),
    "gteq": _ordered(lambda left, right: bool(left >= right)),
    "in": _within,
    "notin": lambda left, right: not _within(left, right),
}


def _calculate(name: str) -> Callable[[Any, Any], Any]:
    operation = _OPERATIONS[name]

    def calculated(left: Any, right: Any) -> Any:
        left, right = _settled(left), _settled(right)
        if left is None or right is None:
            return None
        if name == "+" and type(left) is type(right) and isinstance(left, (str, list)):
            if len(left) + len(right) > functions.LONGEST_TEXT:
                raise ValueError(f"+ gives more than {functions.LONGEST_TEXT:,} characters")
            return left + right
        exact = operation(functions.exact_number(left), functions.exact_number(right))
        return canonical.number(exact)

    return calculated


def _divide(left: Decimal, right: Decimal) -> Decimal:
    """Exact where it comes out even, else 15 digits: what a double holds without doubt."""
    quotient = _EXACT.divide(left, right)
    return _ROUNDED.plus(quotient) if len(quotient.as_tuple().digits) == _EXACT.prec else quotient


_OPERATIONS: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": _EXACT.add,
    "-": _EXACT.subtract,
    "*": _EXACT.multiply,
    "/": _divide,
    "//": _EXACT.divide_int,
    "%": _EXACT.remainder,
}


def _sliced(value: Any, start: Any, stop: Any, step: Any) -> Any:
    value = _settled(value)
    if value is None:
        return None
    if not isinstance(value, (str, list)):
        raise ValueError(f"a part can be cut from text and lists, not from {functions.kind(value)}")
    return value[start:stop:step]


def _null_safe(name: str, function: functions.Function) -> functions.Function:
    def call(value: Any, *args: Any, **named: Any) -> Any:
        value = _settled(value)
        if value is None:
            return None
        try:
            return function(
                value, *map(_settled, args), **{key: _settled(arg) for key, arg in named.items()}
            )
        except (ValueError, TypeError, ArithmeticError) as error:
            raise ValueError(f"{name}({shorten(repr(value), 80)}): {error}") from error

    return call


def _default(value: Any, other: Any = "", blank: bool = False) -> Any:
    """`other` where the value is missing or null; with `blank` also where it is empty text."""
    if value is None or isinstance(value, Undefined):
        return other
    return other if blank and isinstance(value, str) and not value.strip() else value


@pass_context
def _now(_context: Any, _value: None, *args: Any, **named: Any) -> str:
    return functions.now(*args, **named)


@pass_context
def _today(_context: Any, _value: None, *args: Any, **named: Any) -> str:
    return functions.today(*args, **named)


def filters(tables: Tables, *, strict: bool) -> dict[str, Callable[..., Any]]:
    """What an expression may call; `strict` (templates): a missing field is an error."""
    return {
        **{name: _null_safe(name, function) for name, function in functions.FUNCTIONS.items()},
        "map": _null_safe("map", functions.table_lookup(tables)),
        "default": _default,
        "json": lambda value: functions.json_(_settled(value)),
        "now": _now,
        "today": _today,
        "(truth)": present if strict else condition,
        "(slice)": _sliced,
        "(concat)": lambda parts: functions.limited("".join(map(output, parts))),
        "(is null)": lambda value: value is None or isinstance(value, Undefined),
        "(is not null)": lambda value: not (value is None or isinstance(value, Undefined)),
        **{f"({name})": compare(name) for name in _COMPARISONS},
        **{f"({name})": _calculate(name) for name in _OPERATIONS},
    }
