"""The meaning of comparisons, arithmetic and conditions in the mapping language.

- A comparison with null or a missing field is false, unless it is with the literal ``none``.
- A number compared with text reads the text as a JSON number (``"12" > 3``; not ``"012"``).
- Arithmetic is exact (``0.1 + 0.2 == 0.3``); with null it gives null.
- As a condition, missing, null, blank, empty and 0 are false, and text is read with the words of
  `connectors.sdk.truth`: ``"N"`` is false. In a filter, other text is an error of its row; in a
  template it is true, because it is not empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context as DecimalContext
from decimal import Decimal
from itertools import pairwise
from typing import Any, TypeAlias

from jinja2 import ChainableUndefined, StrictUndefined, Undefined, pass_context

from app.mapping.language import arguments, effort, functions, values
from app.mapping.language.errors import ExpressionError, ValueProblem, in_words
from connectors.sdk import canonical, truth
from connectors.sdk.redact import shorten

Tables: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Lookup tables of a mapping: ``{name: {text: value}}``."""

_ITEM = 8
"""Cost of an item of a list, as many bytes of memory."""
_ROUNDED = DecimalContext(prec=15)


class MissingField(ChainableUndefined, StrictUndefined):
    """A missing field of the row: it may be tested, compared and given a default."""

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
    return values.text(value)


def _settled(value: Any) -> Any:
    """A value about to be used: a missing one raises (templates) or is null (filters)."""
    if isinstance(value, MissingField):
        str(value)
    return None if isinstance(value, Undefined) else value


def condition(value: Any) -> bool:
    """Whether a value is true in a filter. Raises ValueProblem for an unknown word."""
    if isinstance(value, Undefined):
        return False
    try:
        return truth.holds(value)
    except ValueError as error:
        shown = shorten(values.shown(value), 80)
        raise ValueProblem(f"{shown} {error}; compare it (for example `field != none`)") from None


def present(value: Any) -> bool:
    """Whether a value is true in a template: as `condition`, with any other text true."""
    if isinstance(value, Undefined):
        return False
    try:
        return truth.holds(value)
    except ValueError:
        return True


def compare(name: str) -> Callable[[Any, Any], bool]:
    """A comparison that is false with null, and reads text as a number if the other is one."""
    operation = _COMPARISONS[name]

    def compared(left: Any, right: Any) -> bool:
        if left is None or right is None:
            return False
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            return False
        return operation(left, right)

    return compared


def _alike(left: Any, right: Any) -> tuple[Any, Any] | None:
    """Both sides as one comparable type, or None if they have none in common."""
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
        return values.exact_number(value)
    if not isinstance(value, str):
        return None
    try:
        found = canonical.loads(value)
    except ValueError:
        return None
    return values.exact_number(found) if is_number(found) else None


def _equal(left: Any, right: Any) -> bool:
    if type(left) in (list, dict) and type(right) is type(left):
        effort.weigh(left)
        effort.weigh(right)
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
        return values.text(item) in container
    if isinstance(container, (list, tuple)):
        effort.spend(effort.STEP * len(container))
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
            if len(left) + len(right) > values.LONGEST_TEXT:
                raise ValueProblem(f"+ produces more than {values.LONGEST_TEXT:,} characters")
            effort.spend(len(left) + len(right))
            return left + right
        if name in _DIVISIONS and right == 0:
            raise ValueProblem("division by zero")
        exact = operation(values.exact_number(left), values.exact_number(right))
        return values.canonical_number(exact)

    return calculated


def _divide(left: Decimal, right: Decimal) -> Decimal:
    """Exact if finite, else 15 digits, which a double represents exactly."""
    quotient = values.EXACT.divide(left, right)
    return (
        _ROUNDED.plus(quotient)
        if len(quotient.as_tuple().digits) == values.EXACT.prec
        else quotient
    )


_DIVISIONS = frozenset({"/", "//", "%"})
_OPERATIONS: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": values.EXACT.add,
    "-": values.EXACT.subtract,
    "*": values.EXACT.multiply,
    "/": _divide,
    "//": values.EXACT.divide_int,
    "%": values.EXACT.remainder,
}


def _sliced(value: Any, start: Any, stop: Any, step: Any) -> Any:
    value, bounds = _settled(value), [_settled(bound) for bound in (start, stop, step)]
    if value is None:
        return None
    if not isinstance(value, (str, list)):
        raise ValueProblem(f"a slice needs text or a list, not {values.kind(value)}")
    if any(bound is not None and type(bound) is not int for bound in bounds) or bounds[2] == 0:
        raise ValueProblem("a slice needs whole numbers: [start:stop:step], step not 0")
    effort.spend(effort.STEP + len(value))
    return value[slice(*bounds)]


def _each(value: Any, steps: int) -> Any:
    """The list of a loop; all its iterations are counted before the first."""
    value = _settled(value)
    if type(value) not in (list, dict, str):
        raise ValueProblem(f"a loop needs a list; this is {values.kind(value)}")
    effort.spend(effort.STEP * (1 + steps * len(value)))
    return value


def _concatenated(parts: list[Any]) -> str:
    effort.spend()
    joined = values.concatenated(map(output, parts))
    effort.spend(len(joined))
    return joined


def _chained(values: list[Any], names: list[str]) -> bool:
    """``a < b < c``: compare all neighbours."""
    return all(
        compare(name)(left, right)
        for name, (left, right) in zip(names, pairwise(values), strict=True)
    )


def _null_safe(name: str, function: functions.Function) -> functions.Function:
    kinds = arguments.kinds(function)

    def call(value: Any, *args: Any, **named: Any) -> Any:
        value = _settled(value)
        if value is None:
            effort.spend()
            return None
        units = effort.reading(value)
        try:
            if args or named:
                args, named = kinds.settle(map(_settled, args), named, _settled)
            result = function(value, *args, **named)
            kind = type(result)
            if kind is str:
                units += len(result)
            elif kind is list:
                units += _ITEM * len(result)
            effort.spend(units)
        except (effort.StoppedError, ExpressionError):
            raise
        except Exception as error:
            shown = shorten(values.shown(value), 80)
            raise ValueProblem(f"{name}({shown}): {in_words(error)}") from error
        return result

    return call


def _default(value: Any, other: Any = "", blank: bool = False) -> Any:
    """`other` if the value is missing or null; with `blank` also if it is empty text."""
    if value is None or isinstance(value, Undefined):
        return other
    return other if blank and isinstance(value, str) and not value.strip() else value


def _clock(function: functions.Function) -> functions.Function:
    kinds = arguments.kinds(function, skip=0)

    @pass_context  # prevents Jinja from evaluating it as a constant when compiling
    def read(_context: Any, _value: None, *args: Any, **named: Any) -> str:
        effort.spend()
        args, named = kinds.settle(map(_settled, args), named, _settled)
        moment: str = function(*args, **named)
        return moment

    return read


def _json(value: Any) -> str:
    effort.spend()
    return values.json_(_settled(value))


def _matching(value: Any, expression: Any) -> bool:
    effort.spend(effort.STEP + effort.size(value))
    expression = _settled(expression)
    if value is None or isinstance(value, Undefined):
        return False
    if type(expression) is not str:
        raise ValueProblem("`is matching` needs a regular expression")
    return functions.matches(value, expression)


def _divides(value: Any, divisor: Any) -> bool:
    value, divisor = _settled(value), _settled(divisor)
    if type(value) is not int or type(divisor) is not int or not divisor:
        raise ValueProblem("odd, even and divisibleby need whole numbers")
    return bool(value % divisor == 0)


TESTS: dict[str, Callable[..., bool]] = {
    "matching": _matching,
    "divisibleby": _divides,
    "even": lambda value: _divides(value, 2),
    "odd": lambda value: not _divides(value, 2),
}
"""Tests with our own semantics: ``name is matching('^A')``."""


def arguments_of(name: str) -> arguments.Kinds | None:
    """The arguments of a function besides its value; None for internal filters."""
    if name in _CLOCKS:
        return arguments.kinds(_CLOCKS[name], skip=0)
    function = {**functions.FUNCTIONS, **_OWN}.get(name)
    return None if function is None else arguments.kinds(function)


_CLOCKS: dict[str, functions.Function] = {"now": functions.now, "today": functions.today}
_OWN: dict[str, functions.Function] = {
    "default": _default,
    "json": _json,
    "map": functions.table_lookup({}),
}


def filters(tables: Tables, *, strict: bool) -> dict[str, Callable[..., Any]]:
    """The functions for an expression; `strict` (templates): a missing field is an error."""
    return {
        **{name: _null_safe(name, function) for name, function in functions.FUNCTIONS.items()},
        "map": _null_safe("map", functions.table_lookup(tables)),
        "default": _default,
        "json": _json,
        **{name: _clock(function) for name, function in _CLOCKS.items()},
        "(truth)": present if strict else condition,
        "(each)": _each,
        "(chain)": _chained,
        "(slice)": _sliced,
        "(concat)": _concatenated,
        "(is null)": lambda value: value is None or isinstance(value, Undefined),
        "(is not null)": lambda value: not (value is None or isinstance(value, Undefined)),
        **{f"({name})": compare(name) for name in _COMPARISONS},
        **{f"({name})": _calculate(name) for name in _OPERATIONS},
    }
