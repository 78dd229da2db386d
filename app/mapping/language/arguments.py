"""Arguments of the functions of the mapping language: their number and types.

They are derived from the signatures in `app.mapping.language.functions`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from app.mapping.language.errors import ExpressionSyntaxError, ValueProblem


class Kinds:
    """The arguments of one function, besides the value it is applied to."""

    def __init__(self, function: Callable[..., Any], skipped: int) -> None:
        listed = list(inspect.signature(function).parameters.values())[skipped:]
        self._listed = listed
        self._skipped = skipped
        self._signature = inspect.Signature(listed)
        self._positional = [
            (parameter.name, _READERS.get(str(parameter.annotation)))
            for parameter in listed
            if parameter.kind is not inspect.Parameter.VAR_POSITIONAL
        ]
        self._named = dict(self._positional)

    def check(self, name: str, count: int, named: Iterable[str]) -> None:
        """Raise ExpressionSyntaxError unless this number of arguments and these names are valid."""
        try:
            self._signature.bind(*[None] * count, **dict.fromkeys(named))
        except TypeError:
            raise ExpressionSyntaxError(f"use {name} as {self._written(name)}") from None

    def settle(
        self, args: Iterable[Any], named: Mapping[str, Any], settled: Callable[[Any], Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments converted to the function's types. Raises ValueProblem."""
        found = []
        for place, value in enumerate(args):
            name, read = self._positional[place] if place < len(self._positional) else ("", None)
            found.append(value if read is None else read(name, value))
        read_named = {}
        for name, value in named.items():
            reader, value = self._named.get(name), settled(value)
            read_named[name] = value if reader is None else reader(name, value)
        return tuple(found), read_named

    def _written(self, name: str) -> str:
        words = ["x"] if self._skipped else []
        for parameter in self._listed:
            optional = parameter.default is not inspect.Parameter.empty
            several = parameter.kind is inspect.Parameter.VAR_POSITIONAL
            words.append(f"[{parameter.name}]" if optional or several else parameter.name)
        return f"{name}({', '.join(words)})"


@lru_cache(maxsize=256)
def kinds(function: Callable[..., Any], skip: int = 1) -> Kinds:
    """The arguments of `function` after the first `skip`."""
    return Kinds(function, skip)


def _text(name: str, value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, (int, float, Decimal)):
        from app.mapping.language.values import text

        return text(value)
    raise ValueProblem(f"needs text as {name}")


def _optional_text(name: str, value: Any) -> str | None:
    return None if value is None else _text(name, value)


def _whole(name: str, value: Any) -> int:
    if type(value) is int and -(2**31) < value < 2**31:
        return value
    raise ValueProblem(f"needs a whole number as {name}")


def _number(name: str, value: Any) -> float:
    if isinstance(value, (int, float, Decimal)) and type(value) is not bool:
        number = float(value)
        if abs(number) < 1e9:
            return number
        raise ValueProblem(f"{name} is too large")
    raise ValueProblem(f"needs a number as {name}")


def _flag(name: str, value: Any) -> bool:
    if type(value) is bool:
        return value
    raise ValueProblem(f"needs true or false as {name}")


def _group(name: str, value: Any) -> int | str:
    return value if type(value) is str else _whole(name, value)


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "str": _text,
    "str | None": _optional_text,
    "int": _whole,
    "float": _number,
    "bool": _flag,
    "int | str": _group,
}
"""By the annotation of a parameter; without one of these it accepts any value."""
