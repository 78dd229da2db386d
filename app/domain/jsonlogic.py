"""JsonLogic (https://jsonlogic.com): rules as JSON, compiled once into closures.

Written here because the libraries at hand lack operators (`filter`, `all`, `some`, `none`), do
not short-circuit, interpret the document anew for every row, or need a newer Python. Meaning as
published, with JavaScript's loose ``==`` and truth (an empty list is false), and with one
difference: ordering null against anything is false, as everywhere in the mapping language.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, TypeAlias

from app.domain import values
from app.domain.expression_errors import ExpressionError, ExpressionSyntaxError
from connectors.sdk import canonical

Rule: TypeAlias = Callable[[Any], Any]
"""From data to value. Raises ExpressionError."""

_DEEPEST = 50


def compile_rule(document: Any) -> Rule:
    """Compile a rule. Raises ExpressionSyntaxError that names an unknown operator."""
    rule = _compile(document, 0)

    def evaluate(data: Any) -> Any:
        try:
            return rule(data)
        except (ArithmeticError, TypeError, ValueError, RecursionError) as error:
            raise ExpressionError(str(error)) from error

    return evaluate


def truthy(value: Any) -> bool:
    """JsonLogic's truth: as JavaScript, but an empty array is false. "0" is true."""
    return value is not None and value is not False and value not in (0, "", [])


def _compile(node: Any, depth: int) -> Rule:
    if depth > _DEEPEST:
        raise ExpressionSyntaxError(f"the rule is nested more than {_DEEPEST} deep")
    if isinstance(node, list):
        items = [_compile(item, depth + 1) for item in node]
        return lambda data: [item(data) for item in items]
    if not isinstance(node, dict):
        constant = canonical.value(node)
        return lambda _data: constant
    if len(node) != 1:
        raise ExpressionSyntaxError("every JsonLogic object has exactly one operator")
    ((name, raw),) = node.items()
    arguments = raw if isinstance(raw, list) else [raw]
    args = [_compile(argument, depth + 1) for argument in arguments]
    if name in _LAZY:
        return _LAZY[name](args)
    if name in _EAGER:
        operation = _EAGER[name]
        return lambda data: operation(*(arg(data) for arg in args))
    known = ", ".join(sorted({*_LAZY, *_EAGER}))
    raise ExpressionSyntaxError(f"there is no JsonLogic operator {name!r}; there are {known}")


# --- data -----------------------------------------------------------------------------------


def _find(data: Any, path: Any) -> Any:
    """The value at a dotted path; None where there is none."""
    if path is None or path == "":
        return data
    for part in values.text(path).split("."):
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, (list, str)) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data


def _var(args: Sequence[Rule]) -> Rule:
    def var(data: Any) -> Any:
        found = _find(data, args[0](data) if args else "")
        return args[1](data) if found is None and len(args) > 1 else found

    return var


def _missing(args: Sequence[Rule]) -> Rule:
    def missing(data: Any) -> list[Any]:
        names = [arg(data) for arg in args]
        if names and isinstance(names[0], list):
            names = names[0]
        return [name for name in names if _find(data, name) in (None, "")]

    return missing


def _missing_some(args: Sequence[Rule]) -> Rule:
    if len(args) != 2:
        raise ExpressionSyntaxError("missing_some takes a number and a list of names")

    def missing_some(data: Any) -> list[Any]:
        least, names = args[0](data), args[1](data)
        absent = [name for name in names if _find(data, name) in (None, "")]
        return [] if len(names) - len(absent) >= least else absent

    return missing_some


# --- control ----------------------------------------------------------------------------------


def _if(args: Sequence[Rule]) -> Rule:
    def choose(data: Any) -> Any:
        index = 0
        while index + 1 < len(args):
            if truthy(args[index](data)):
                return args[index + 1](data)
            index += 2
        return args[index](data) if index < len(args) else None

    return choose


def _and(args: Sequence[Rule]) -> Rule:
    def both(data: Any) -> Any:
        value = None
        for arg in args:
            value = arg(data)
            if not truthy(value):
                break
        return value

    return both


def _or(args: Sequence[Rule]) -> Rule:
    def either(data: Any) -> Any:
        value = None
        for arg in args:
            value = arg(data)
            if truthy(value):
                break
        return value

    return either


def _over_items(combine: Callable[[list[Any], Rule], Any]) -> Callable[[Sequence[Rule]], Rule]:
    def build(args: Sequence[Rule]) -> Rule:
        if len(args) != 2:
            raise ExpressionSyntaxError("an operator over a list takes the list and a rule")

        def each(data: Any) -> Any:
            items = args[0](data)
            return combine(items if isinstance(items, list) else [], args[1])

        return each

    return build


def _reduce(args: Sequence[Rule]) -> Rule:
    if len(args) not in {2, 3}:
        raise ExpressionSyntaxError("reduce takes a list, a rule and a first value")

    def reduced(data: Any) -> Any:
        items = args[0](data)
        total = args[2](data) if len(args) == 3 else None
        for item in items if isinstance(items, list) else []:
            total = args[1]({"current": item, "accumulator": total})
        return total

    return reduced


_LAZY: dict[str, Callable[[Sequence[Rule]], Rule]] = {
    "var": _var,
    "missing": _missing,
    "missing_some": _missing_some,
    "if": _if,
    "?:": _if,
    "and": _and,
    "or": _or,
    "filter": _over_items(lambda items, rule: [item for item in items if truthy(rule(item))]),
    "map": _over_items(lambda items, rule: [rule(item) for item in items]),
    "all": _over_items(
        lambda items, rule: bool(items) and all(truthy(rule(item)) for item in items)
    ),
    "some": _over_items(lambda items, rule: any(truthy(rule(item)) for item in items)),
    "none": _over_items(lambda items, rule: not any(truthy(rule(item)) for item in items)),
    "reduce": _reduce,
}


# --- values ---------------------------------------------------------------------------------


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _numeric(value: Any) -> Decimal | None:
    """JavaScript's Number(): None stands for NaN."""
    if isinstance(value, bool):
        return Decimal(int(value))
    if _is_number(value):
        return values.exact_number(value)
    if value is None:
        return Decimal(0)
    if isinstance(value, str):
        try:
            number = Decimal(value.strip() or "0")
        except ArithmeticError:
            return None
        return number if number.is_finite() else None
    return None


def _loosely_equal(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return left is right
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if isinstance(left, (list, dict)) or isinstance(right, (list, dict)):
        return type(left) is type(right) and bool(left == right)
    numbers = _numeric(left), _numeric(right)
    return None not in numbers and numbers[0] == numbers[1]


def _strictly_equal(left: Any, right: Any) -> bool:
    if _is_number(left) and _is_number(right):
        return values.exact_number(left) == values.exact_number(right)
    return type(left) is type(right) and bool(left == right)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    def pair(left: Any, right: Any) -> bool:
        if left is None or right is None:
            return False
        if isinstance(left, str) and isinstance(right, str):
            return test(left, right)
        numbers = _numeric(left), _numeric(right)
        return None not in numbers and test(*numbers)

    def ordered(*values: Any) -> bool:
        return all(pair(one, other) for one, other in pairwise(values))

    return ordered


def _operand(value: Any) -> Decimal:
    number = _numeric(value)
    if number is None:
        raise ValueError(f"{values.text(value)!r} is not a number")
    return number


def _minus(first: Any, *second: Any) -> Any:
    if not second:
        return canonical.number(-_operand(first))
    return canonical.number(_operand(first) - _operand(second[0]))


def _merge(*values: Any) -> list[Any]:
    return [item for value in values for item in (value if isinstance(value, list) else [value])]


def _in(item: Any, container: Any) -> bool:
    if isinstance(container, str):
        return values.text(item) in container
    if isinstance(container, list):
        return any(_strictly_equal(item, member) for member in container)
    return False


def _substr(value: Any, start: int, length: int | None = None) -> str:
    text = values.text(value)
    rest = text[start:] if start >= 0 or -start <= len(text) else text
    return rest if length is None else rest[:length]


def _cat(*parts: Any) -> str:
    return values.concatenated(map(values.text, parts))


def _product(*values: Any) -> Any:
    return canonical.number(math.prod((_operand(value) for value in values), start=Decimal(1)))


_EAGER: dict[str, Callable[..., Any]] = {
    "==": _loosely_equal,
    "!=": lambda left, right: not _loosely_equal(left, right),
    "===": _strictly_equal,
    "!==": lambda left, right: not _strictly_equal(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "!": lambda value=None: not truthy(value),
    "!!": lambda value=None: truthy(value),
    "+": lambda *values: canonical.number(sum(map(_operand, values), Decimal(0))),
    "-": _minus,
    "*": _product,
    "/": lambda left, right: canonical.number(_operand(left) / _operand(right)),
    "%": lambda left, right: canonical.number(_operand(left) % _operand(right)),
    "min": lambda *values: canonical.number(min(map(_operand, values))),
    "max": lambda *values: canonical.number(max(map(_operand, values))),
    "in": _in,
    "cat": _cat,
    "substr": _substr,
    "merge": _merge,
}
