"""JsonLogic (https://jsonlogic.com): JSON rules compiled once to closures.

Implemented here because available libraries lack operators, do not short-circuit, interpret the
document again for every row, or need a newer Python. The semantics are those published there, with
JavaScript's loose comparisons and truth (an empty list is false). Later operators (`val`, `exists`,
`??`, `try`, `throw`, `preserve`, more than two operands) follow the suites of the json-logic
community. `docs/mapping.md` lists the differences between the two, and what applies here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from app.mapping.language import effort, logic_values, values
from app.mapping.language.errors import ExpressionError, ExpressionSyntaxError, in_words
from app.mapping.language.logic_values import LogicError, truthy
from connectors.sdk import canonical
from connectors.sdk.redact import shorten

__all__ = ["compile_rule", "truthy"]

_DEEPEST = 50
_LARGEST = 10_000
"""Maximum number of operators and values in a rule."""


class _Scope:
    """The data that a rule sees; `above` is the enclosing data of a list item or an error."""

    __slots__ = ("above", "data", "facts")

    def __init__(self, data: Any, above: _Scope | None = None, facts: Any = None) -> None:
        self.data = data
        self.above = above
        self.facts = facts

    def levels(self) -> Iterator[Any]:
        """The data, the variables of the enclosing iteration, its data, and so on."""
        scope: _Scope | None = self
        while scope is not None:
            yield scope.data
            yield scope.facts
            scope = scope.above


Rule: TypeAlias = Callable[[_Scope], Any]
"""From scope to value. Raises LogicError, or an error known to `in_words`."""


def compile_rule(document: Any) -> Callable[[Any], Any]:
    """A function from data to value, which raises ExpressionError.

    Raises ExpressionSyntaxError that names an unknown operator.
    """
    rule = _Compiler().rule(document, 0)

    def evaluate(data: Any) -> Any:
        opened = effort.begin()
        try:
            return rule(_Scope(data))
        except (effort.StoppedError, ExpressionError):
            raise
        except Exception as error:
            raise ExpressionError(shorten(in_words(error), 300)) from error
        finally:
            effort.end(opened)

    return evaluate


class _Compiler:
    def __init__(self) -> None:
        self._size = 0

    def rule(self, node: Any, depth: int) -> Rule:
        self._size += 1
        if depth > _DEEPEST:
            raise ExpressionSyntaxError(f"the rule is nested more than {_DEEPEST} levels deep")
        if self._size > _LARGEST:
            raise ExpressionSyntaxError(f"the rule has more than {_LARGEST:,} parts")
        if isinstance(node, list):
            items = [self.rule(item, depth + 1) for item in node]
            return lambda scope: [item(scope) for item in items]
        if not isinstance(node, dict) or not (node or not depth):
            return _constant(node)
        if len(node) != 1:
            raise ExpressionSyntaxError("every JsonLogic object must have exactly one operator")
        ((name, raw),) = node.items()
        return self._operator(name, raw, depth)

    def _operator(self, name: str, raw: Any, depth: int) -> Rule:
        if name == "preserve":
            return _constant(raw)
        listed = isinstance(raw, list)
        args = [self.rule(argument, depth + 1) for argument in (raw if listed else [raw])]
        if name in _LAZY:
            return _paid(_LAZY[name](args))
        operation = logic_values.OPERATIONS.get(name)
        if operation is None:
            known = ", ".join(sorted({*_LAZY, *logic_values.OPERATIONS, "preserve"}))
            raise ExpressionSyntaxError(
                f"there is no JsonLogic operator {shorten(name, 40)!r}; use one of {known}"
            )
        function, least, most = operation
        # an operand without brackets may produce all of them: {"max": {"var": "list"}}
        spreads = not listed and isinstance(raw, dict) and bool(raw) and most > 1
        if not spreads and not least <= len(args) <= most:
            raise ExpressionSyntaxError(_operands(name, least, most))

        def evaluate(scope: _Scope) -> Any:
            effort.spend()
            operands = [arg(scope) for arg in args]
            if spreads and type(operands[0]) is list:
                operands = operands[0]
            if spreads and not least <= len(operands) <= most:
                raise LogicError("Invalid Arguments", _operands(name, least, most))
            return function(*operands)

        return evaluate


def _constant(node: Any) -> Rule:
    try:
        constant = canonical.value(node)
    except ValueError as error:
        raise ExpressionSyntaxError(str(error)) from None
    return lambda _scope: constant


def _operands(name: str, least: int, most: int) -> str:
    number = (
        f"{least}" if least == most else f"{least} to {most}" if most < 99 else f"{least} or more"
    )
    return f"{name} takes {number} operands"


def _paid(rule: Rule) -> Rule:
    def evaluate(scope: _Scope) -> Any:
        effort.spend()
        return rule(scope)

    return evaluate


# --- data -----------------------------------------------------------------------------------


def _member(data: Any, name: Any) -> Any:
    """A member of an object or an item of a list; `ABSENT` if there is none."""
    if isinstance(data, dict):
        return data.get(name if type(name) is str else values.text(name), logic_values.ABSENT)
    if isinstance(data, (list, str)):
        text = values.text(name)
        if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < len(data):
            return data[int(text)]
    return logic_values.ABSENT


def _find(data: Any, path: Any) -> Any:
    """The value at a dotted path; None if there is none."""
    if path is None or path == "":
        return data
    for part in values.text(path).split("."):
        data = _member(data, part)
        if data is logic_values.ABSENT:
            return None
    return data


def _var(args: Sequence[Rule]) -> Rule:
    def var(scope: _Scope) -> Any:
        found = _find(scope.data, args[0](scope) if args else "")
        return args[1](scope) if found is None and len(args) > 1 else found

    return var


def _at(args: Sequence[Rule], scope: _Scope) -> Any:
    """The value at a path; a first part in brackets is the number of levels up."""
    parts = [arg(scope) for arg in args]
    if len(parts) == 1 and type(parts[0]) is list and not all(map(_is_level, parts[0])):
        parts = parts[0]
    data = scope.data
    if parts and type(parts[0]) is list and len(parts[0]) == 1 and _is_level(parts[0][0]):
        up = abs(parts.pop(0)[0])
        data = next((found for level, found in enumerate(scope.levels()) if level == up), None)
    for part in parts:
        if part is not None:
            data = _member(data, part)
    return data


def _is_level(value: Any) -> bool:
    return type(value) is int


def _val(args: Sequence[Rule]) -> Rule:
    def val(scope: _Scope) -> Any:
        found = _at(args, scope)
        return None if found is logic_values.ABSENT else found

    return val


def _exists(args: Sequence[Rule]) -> Rule:
    return lambda scope: _at(args, scope) is not logic_values.ABSENT


def _missing(args: Sequence[Rule]) -> Rule:
    def missing(scope: _Scope) -> list[Any]:
        names = [arg(scope) for arg in args]
        if names and isinstance(names[0], list):
            names = names[0]
        return _absent(scope, names)

    return missing


def _absent(scope: _Scope, names: Sequence[Any]) -> list[Any]:
    effort.spend(effort.STEP * len(names))
    return [name for name in names if _find(scope.data, name) in (None, "")]


def _missing_some(args: Sequence[Rule]) -> Rule:
    if len(args) != 2:
        raise ExpressionSyntaxError("missing_some takes a number and a list of names")

    def missing_some(scope: _Scope) -> list[Any]:
        least, names = logic_values.operand(args[0](scope)), args[1](scope)
        if not isinstance(names, list):
            raise LogicError("Invalid Arguments", "missing_some needs a list of names")
        absent = _absent(scope, names)
        return [] if len(names) - len(absent) >= least else absent

    return missing_some


# --- control ----------------------------------------------------------------------------------


def _if(args: Sequence[Rule]) -> Rule:
    def choose(scope: _Scope) -> Any:
        index = 0
        while index + 1 < len(args):
            if truthy(args[index](scope)):
                return args[index + 1](scope)
            index += 2
        return args[index](scope) if index < len(args) else None

    return choose


def _until(stop: Callable[[Any], bool], otherwise: Any) -> Callable[[Sequence[Rule]], Rule]:
    """The first value for which `stop` is true, else the last one."""

    def build(args: Sequence[Rule]) -> Rule:
        def first(scope: _Scope) -> Any:
            value = otherwise
            for arg in args:
                value = arg(scope)
                if stop(value):
                    break
            return value

        return first

    return build


def _chain(test: Callable[[Any, Any], bool], name: str) -> Callable[[Sequence[Rule]], Rule]:
    """A comparison of neighbouring operands, stopping at the first that fails."""

    def build(args: Sequence[Rule]) -> Rule:
        def compared(scope: _Scope) -> bool:
            left = args[0](scope)
            for arg in args[1:]:
                right = arg(scope)
                if not test(left, right):
                    return False
                left = right
            return True

        if len(args) < 2:
            raise ExpressionSyntaxError(f"{name} takes 2 or more operands")
        return compared

    return build


def _try(args: Sequence[Rule]) -> Rule:
    def attempt(scope: _Scope) -> Any:
        handler = scope
        for arg in args[:-1]:
            try:
                return arg(handler)
            except effort.StoppedError:
                raise
            except Exception as error:
                effort.spend()  # raises again if the row's budget is used up
                handler = _Scope(_as_data(error), scope)
        return args[-1](handler) if args else None

    return attempt


def _as_data(error: Exception) -> Any:
    return error.data if isinstance(error, LogicError) else {"type": in_words(error)}


def _throw(args: Sequence[Rule]) -> Rule:
    def throw(scope: _Scope) -> Any:
        found = args[0](scope) if args else None
        if not isinstance(found, dict):
            found = {"type": found}
        shown = shorten(values.text(found.get("type")), 200)
        raise LogicError(found, f"the rule reports: {shown}")

    return throw


# --- lists ------------------------------------------------------------------------------------


def _over_items(combine: Callable[[Iterator[Any], list[Any]], Any]) -> Callable[..., Rule]:
    """`combine` receives the rule's result for each item, lazily, and the items."""

    def build(args: Sequence[Rule]) -> Rule:
        if len(args) != 2:
            raise ExpressionSyntaxError("an operator over a list takes the list and a rule")

        def each(scope: _Scope) -> Any:
            found = args[0](scope)
            items = found if isinstance(found, list) else []
            effort.spend(effort.STEP * len(items))
            said = (
                args[1](_Scope(item, scope, {"index": place})) for place, item in enumerate(items)
            )
            return combine(said, items)

        return each

    return build


def _reduce(args: Sequence[Rule]) -> Rule:
    if len(args) not in {2, 3}:
        raise ExpressionSyntaxError("reduce takes a list, a rule and a first value")

    def reduced(scope: _Scope) -> Any:
        items = args[0](scope)
        total = args[2](scope) if len(args) == 3 else None
        for item in items if isinstance(items, list) else []:
            effort.spend()
            total = args[1](_Scope({"current": item, "accumulator": total}, scope))
        return total

    return reduced


_LAZY: dict[str, Callable[[Sequence[Rule]], Rule]] = {
    "var": _var,
    "val": _val,
    "exists": _exists,
    "missing": _missing,
    "missing_some": _missing_some,
    "if": _if,
    "?:": _if,
    "and": _until(lambda value: not truthy(value), False),
    "or": _until(truthy, False),
    "??": _until(lambda value: value is not None, None),
    "try": _try,
    "throw": _throw,
    "filter": _over_items(
        lambda said, items: [item for item, kept in zip(items, said, strict=True) if truthy(kept)]
    ),
    "map": _over_items(lambda said, _items: list(said)),
    "all": _over_items(lambda said, items: bool(items) and all(map(truthy, said))),
    "some": _over_items(lambda said, _items: any(map(truthy, said))),
    "none": _over_items(lambda said, _items: not any(map(truthy, said))),
    "reduce": _reduce,
    **{name: _chain(test, name) for name, test in logic_values.COMPARISONS.items()},
}
