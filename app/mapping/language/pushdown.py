"""Which parts of a filter a database can evaluate without changing its meaning.

Only ``field == 'text'`` joined by ``and`` is used, and only for texts that the language never reads
as a number or a flag: such a text equals a field only if the field is exactly that text. The whole
filter is still evaluated for the remaining rows, so pushdown may only reduce them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from jinja2 import nodes

from app.mapping.language import expressions
from app.mapping.language.grammar import field_name
from connectors.sdk import canonical


class EqualText(NamedTuple):
    """The field at `path` equals `text`."""

    path: tuple[str, ...]
    text: str


def equal_texts(filter_: str) -> list[EqualText]:
    """Conditions that all rows matching the filter fulfil. Raises ExpressionSyntaxError."""
    environment = expressions.Environment(strict=False)
    return list(_conjuncts(expressions.parse_condition(environment, filter_.strip())))


def _conjuncts(node: nodes.Node) -> Iterator[EqualText]:
    match node:
        case nodes.And(left=left, right=right):
            yield from _conjuncts(left)
            yield from _conjuncts(right)
        case nodes.Filter(node=nodes.Node() as inner, name="(truth)"):
            yield from _conjuncts(inner)
        case nodes.Filter(node=nodes.Node() as left, name="(eq)", args=[nodes.Node() as right]):
            yield from _equal(left, right)
        case nodes.Filter(
            node=nodes.List(items=operands), name="(chain)", args=[nodes.List(items=names)]
        ):
            for name, (left, right) in zip(names, pairwise(operands), strict=True):
                if isinstance(name, nodes.Const) and name.value == "eq":
                    yield from _equal(left, right)


def _equal(left: nodes.Node, right: nodes.Node) -> Iterator[EqualText]:
    for field, value in ((left, right), (right, left)):
        path = _path(field)
        if path and isinstance(value, nodes.Const) and _only_text(value.value):
            yield EqualText(path, value.value)


def _path(node: nodes.Node) -> tuple[str, ...]:
    match node:
        case nodes.Name(name=spelled):
            name = field_name(spelled)
            return () if name == "row" else (name,)
        case nodes.Getattr(node=inner, attr=name):
            before = _path(inner)
            return (*before, name) if before else ()
        case _:
            return ()


def _only_text(value: Any) -> bool:
    """Whether the language always compares this constant as text."""
    if not isinstance(value, str) or "\0" in value or value.lower() in {"true", "false"}:
        return False
    try:
        found = canonical.loads(value)
    except ValueError:
        return True
    return isinstance(found, (str, dict, list)) or found is None
