r"""Paths: where in a row or a document a value stands.

===================  ============================================================
``name``             a field
``address.city``     a field of a nested object
``lines.0.sku``      an item of an array by number, also ``lines[0].sku``; ``-1`` is the last
``lines.*.sku``      that field of every item, as a list; several ``*`` give one flat list
``#``                the whole row or document
``a\.b``             the field called ``a.b``; a backslash also frees ``[``, ``*``, ``#``, ``\``
===================  ============================================================

Two readings share this. A mapping (`parse`, `getter`) takes a path for exactly what it says. The
settings of a connection (`at`) point into answers that others lay out, and there more is tried
first, in this order: a name may hold dots as it stands (``@odata.nextLink``), the shortest such
name before longer ones; below an array ``rel=next`` is the first item whose `rel` is *next*; a dot
alone is the whole document.

A path that leads nowhere gives `MISSING`, which is not null: null was said by the source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final, TypeAlias


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "missing"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""What a path gives that leads nowhere."""

Getter: TypeAlias = Callable[[Any], Any]

_STEP = re.compile(r"(?P<name>(?:\\.|[^\\.\[\]])+)?(?P<indices>(?:\[(?:-?\d+|\*)\])*)")
_INDEX = re.compile(r"\[(-?\d+|\*)\]")
_NUMBER = re.compile(r"-?\d+")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a member's name, or every item when `every`."""

    name: str
    every: bool = False
    index: int | None = None
    """The position in an array that the name also stands for, when it is a number."""


class PathError(ValueError):
    """The text is not a path; the message says where it goes wrong."""


def parse(text: str) -> tuple[Step, ...]:
    """The steps of a path; empty for ``#``. Raises PathError."""
    if text == "#":
        return ()
    if not text:
        raise PathError("the path is empty")
    steps: list[Step] = []
    at = 0
    while True:
        match = _STEP.match(text, at)
        assert match is not None  # both parts are optional
        if match.end() == at:
            raise PathError(f"a name is missing at character {at + 1} of {text!r}")
        if match["name"] is not None:
            steps.append(_step(match["name"]))
        elif not steps and at == 0 and match["indices"] == "":
            raise PathError(f"{text!r} does not start with a name")
        steps.extend(
            Step("*", every=True) if index == "*" else Step(index, index=int(index))
            for index in _INDEX.findall(match["indices"])
        )
        at = match.end()
        if at == len(text):
            return tuple(steps)
        if text[at] != ".":
            raise PathError(f"unexpected {text[at]!r} at character {at + 1} of {text!r}")
        at += 1


def _step(raw: str) -> Step:
    if raw == "*":
        return Step("*", every=True)
    if raw == "#":
        raise PathError("# is the whole row and stands alone")
    name = re.sub(r"\\(.)", r"\1", raw)
    return Step(name, index=int(name) if _NUMBER.fullmatch(raw) else None)


def escape(name: str) -> str:
    """The path of a single field, whatever its name."""
    escaped = re.sub(r"([\\.\[\]])", r"\\\1", name)
    return f"\\{escaped}" if escaped in {"*", "#"} else escaped


def plain_name(steps: Iterable[Step]) -> str | None:
    """The field's name when the path is one field of the row itself, else None."""
    listed = list(steps)
    return listed[0].name if len(listed) == 1 and not listed[0].every else None


def getter(steps: tuple[Step, ...]) -> Getter:
    """A function from row to value or `MISSING`."""
    if not steps:
        return _whole
    if len(steps) == 1 and not steps[0].every:
        return _member(steps[0])
    first, rest = steps[0], getter(steps[1:])
    if first.every:
        flatten = any(step.every for step in steps[1:])
        return _each(rest if len(steps) > 1 else _whole, flatten=flatten)
    head = _member(first)

    def walk(value: Any) -> Any:
        found = head(value)
        return MISSING if found is MISSING else rest(found)

    return walk


def _whole(value: Any) -> Any:
    return value


def _member(step: Step) -> Getter:
    name, index = step.name, step.index
    if index is None:

        def by_name(value: Any) -> Any:
            return value.get(name, MISSING) if type(value) is dict else MISSING

        return by_name

    def by_index(value: Any) -> Any:
        if type(value) is list:
            return value[index] if -len(value) <= index < len(value) else MISSING
        return value.get(name, MISSING) if type(value) is dict else MISSING

    return by_index


def _each(rest: Getter, *, flatten: bool) -> Getter:
    def every(value: Any) -> Any:
        if type(value) is not list:
            return MISSING
        found = [item for item in map(rest, value) if item is not MISSING]
        return [inner for item in found for inner in item] if flatten else found

    return every


# --- into documents of others ---------------------------------------------------------------


def at(document: Any, path: str) -> Any:
    """The value at a path of a connection's settings (``data.items``, ``a.0.b``), or MISSING."""
    found = _as_it_stands(document, path)
    if found is MISSING and (strict := _strict(path)) is not None:
        return strict(document)
    return found


@lru_cache(maxsize=512)
def _strict(path: str) -> Getter | None:
    """The reading of mappings, for paths that only this one understands."""
    if _SPECIAL.isdisjoint(path):
        return None
    try:
        return getter(parse(path))
    except PathError:
        return None


_SPECIAL = frozenset("\\[*#")


def _as_it_stands(document: Any, path: str) -> Any:
    if path in ("", "."):
        return document
    if isinstance(document, dict):
        if path in document:
            return document[path]
        head, dot, rest = path.partition(".")
        # A name may hold dots itself: try the shortest name first, then longer ones.
        while dot:
            if head in document:
                found = _as_it_stands(document[head], rest)
                if found is not MISSING:
                    return found
            more, dot, rest = rest.partition(".")
            head = f"{head}.{more}"
    elif isinstance(document, list):
        head, _, rest = path.partition(".")
        name, equals, wanted = head.partition("=")
        if equals:
            return next(
                (_as_it_stands(i, rest) for i in document if _has(i, name, wanted)), MISSING
            )
        if head.removeprefix("-").isdecimal() and -len(document) <= int(head) < len(document):
            return _as_it_stands(document[int(head)], rest)
    return MISSING


def _has(item: Any, name: str, wanted: str) -> bool:
    """Whether an item's field is `wanted` or a list with it, in any case of letters."""
    found = item.get(name) if isinstance(item, dict) else None
    texts = found if isinstance(found, list) else str(found).split()
    return wanted in [str(text).lower() for text in texts]
