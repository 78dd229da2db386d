"""Estimate the cost of validating a document against a JSON Schema, before validating.

A validator visits a place in a document once for every subschema that applies there. References in
`anyOf` can double that number at each step: 26 of them give 67 million visits. The estimate counts
visits by level of the document, following references and every keyword that applies a subschema
(JSON Schema 2020-12 core, section 10, and keywords of older drafts). It is an upper bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from connectors.sdk import canonical

LARGEST_SCHEMA = 1_000_000
"""Characters and nodes of a schema."""
DEEPEST_SCHEMA = 100
"""Levels of objects and arrays of a schema."""
MOST_VISITS = 10_000
"""Subschemas that may apply to one place in a document."""
DEEPEST_DOCUMENT = 200
_CHEAP = 30
_LARGEST_KNOWN = 50_000
"""Bytes of a schema whose cost is cached: compiling a plan needs it several times."""

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("not", "if", "then", "else")
_NAMED = ("dependentSchemas", "dependencies")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_APPLICATORS = frozenset(
    {*_LISTS, *_SINGLE, *_NAMED, *_REFERENCES, "properties", "patternProperties", "pattern"}
    | {"additionalProperties", "unevaluatedProperties", "propertyNames", "prefixItems", "items"}
    | {"additionalItems", "contains", "unevaluatedItems"}
)
_BACKTRACKS = re.compile(r"\(\?[=!<>]|\\[1-9k]|[*+?}]\+")


class SchemaSizeError(ValueError):
    """The schema is too large; the message states the limit."""


@dataclass(frozen=True, slots=True)
class Cost:
    """`visits[k]`: how often a place `k` levels down in a document may be visited.

    The last number applies to all deeper levels. `deepest`: allowed levels of a document.
    `backtracks`: whether a pattern needs an engine that may backtrack.
    """

    visits: tuple[int, ...]
    deepest: int = DEEPEST_DOCUMENT
    backtracks: bool = False

    @property
    def cheap(self) -> bool:
        """Whether documents need not be measured before validation."""
        return self.most <= _CHEAP and self.deepest == DEEPEST_DOCUMENT

    @property
    def most(self) -> int:
        """Maximum visits of any place."""
        return max(self.visits)


def estimate(schema: Any) -> Cost:
    """The cost of a schema. Raises SchemaSizeError for one that is too large."""
    try:
        text = canonical.dumps(schema)
    except (TypeError, ValueError, RecursionError):
        text = b""
    if text and len(text) <= _LARGEST_KNOWN:
        return _estimated(text)
    _check_size(schema)
    return _of(schema)


@lru_cache(maxsize=256)
def _estimated(text: bytes) -> Cost:
    schema = canonical.loads(text)
    _check_size(schema)
    return _of(schema)


def _of(schema: Any) -> Cost:
    if not isinstance(schema, dict):
        return Cost((1,))
    graph = _Graph(schema)
    visits: list[int] = []
    below = dict.fromkeys(graph.order, 0)
    for level in range(DEEPEST_DOCUMENT + 1):
        found = graph.level(below, level)
        most = found[id(schema)]
        if most > MOST_VISITS:
            if level < 3:
                raise SchemaSizeError(
                    "its references and combinations (anyOf, oneOf, allOf …) apply more than "
                    f"{MOST_VISITS:,} subschemas to one place of a document"
                )
            return Cost(tuple(visits), level - 1, graph.backtracks)
        visits.append(most)
        if level and found == below:
            break
        below = found
    return Cost(tuple(visits), backtracks=graph.backtracks)


def _check_size(schema: Any) -> None:
    size = 0
    waiting: list[tuple[Any, int]] = [(schema, 1)]
    while waiting:
        node, depth = waiting.pop()
        size += 1 + (len(node) if isinstance(node, (str, list, dict)) else 0)
        if size > LARGEST_SCHEMA:
            raise SchemaSizeError(f"it is larger than {LARGEST_SCHEMA:,} characters")
        if depth > DEEPEST_SCHEMA:
            raise SchemaSizeError(f"it is nested more than {DEEPEST_SCHEMA} levels deep")
        if isinstance(node, dict):
            size += sum(map(len, node))
            waiting += [(member, depth + 1) for member in node.values()]
        elif isinstance(node, list):
            waiting += [(item, depth + 1) for item in node]


class _Graph:
    """The subschemas reachable in a schema, parts before the whole."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._index = _Index(schema)
        self._groups: dict[int, tuple[list[int], ...]] = {}
        self._parts: dict[int, list[int]] = {}
        self._weight: dict[int, int] = {}
        self.order: list[int] = []
        self.backtracks = False
        waiting = [schema]
        while waiting:
            node = waiting.pop()
            if id(node) not in self._parts:
                waiting += self._add(node)
        self._sort()

    def _add(self, node: dict[str, Any]) -> list[dict[str, Any]]:
        key = id(node)
        if _APPLICATORS.isdisjoint(node):
            self._parts[key], self._weight[key] = [], 1
            return []
        parts = list(self._index.parts(node))
        # unevaluated members are determined by visiting the parts again
        twice = "unevaluatedProperties" in node or "unevaluatedItems" in node
        self._parts[key] = [id(part) for part in parts] * (2 if twice else 1)
        patterns = list(_patterns(node))
        self._weight[key] = 1 + len(patterns)
        self.backtracks = self.backtracks or any(map(_BACKTRACKS.search, patterns))
        groups = _groups(node)
        if any(groups):
            self._groups[key] = tuple([id(sub) for sub in group] for group in groups)
        return [*parts, *(sub for group in groups for sub in group)]

    def _sort(self) -> None:
        done: set[int] = set()
        for start in self._parts:
            path: list[tuple[int, Iterator[int]]] = []
            within: set[int] = set()
            if start not in done:
                path.append((start, iter(self._parts[start])))
                within.add(start)
            while path:
                node, parts = path[-1]
                part = next(parts, None)
                if part is None:
                    path.pop()
                    within.discard(node)
                    done.add(node)
                    self.order.append(node)
                elif part in within:
                    raise SchemaSizeError("a reference refers to itself without end")
                elif part not in done:
                    within.add(part)
                    path.append((part, iter(self._parts[part])))

    def level(self, below: Mapping[int, int], level: int) -> dict[int, int]:
        """Visits of a place `level` levels below each node; `below`: those one level higher up."""
        found: dict[int, int] = {}
        for key in self.order:
            total = self._weight[key] if not level else self._own(key, below)
            for part in self._parts[key]:
                total += found[part]
            found[key] = min(total, MOST_VISITS + 1)
        return found

    def _own(self, key: int, below: Mapping[int, int]) -> int:
        """Visits caused by a node's rules for members and items."""
        groups = self._groups.get(key)
        if groups is None:
            return 0
        named, patterns, others, items, rest = ([below[sub] for sub in group] for group in groups)
        members = max(named, default=0) + sum(patterns) + sum(others)
        return max(members, max(items, default=0) + sum(rest))


def _groups(node: Mapping[str, Any]) -> tuple[list[dict[str, Any]], ...]:
    """Subschemas for members by name, by pattern, for any member; for items by index, any item."""
    items = node.get("items")
    return (
        _values(node.get("properties")),
        _values(node.get("patternProperties")),
        _schemas(
            node.get(word)
            for word in ("additionalProperties", "unevaluatedProperties", "propertyNames")
        ),
        _schemas([*_list(node.get("prefixItems")), *_list(items)]),
        _schemas(
            [
                items,
                node.get("additionalItems"),
                node.get("contains"),
                node.get("unevaluatedItems"),
            ]
        ),
    )


def _patterns(node: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(node.get("pattern"), str):
        yield node["pattern"]
    if isinstance(node.get("patternProperties"), dict):
        yield from node["patternProperties"]


def _schemas(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)]


def _values(value: Any) -> list[dict[str, Any]]:
    return _schemas(value.values()) if isinstance(value, dict) else []


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


class _Index:
    """Resolves references, including between resources of a bundled schema (core, 8.2 and 9.3)."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._base: dict[int, str] = {}
        self._resources: dict[str, Any] = {"": root}
        self._anchors: dict[str, list[dict[str, Any]]] = {}
        waiting: list[tuple[Any, str]] = [(root, "")]
        while waiting:
            node, base = waiting.pop()
            if isinstance(node, dict):
                base = self._note(node, base)
                waiting += [(member, base) for member in node.values()]
            elif isinstance(node, list):
                waiting += [(item, base) for item in node]

    def _note(self, node: dict[str, Any], base: str) -> str:
        name = node.get("$id", node.get("id"))
        if isinstance(name, str):
            where, anchor = urldefrag(_joined(base, name))
            if anchor:
                self._anchors.setdefault(anchor, []).append(node)
            else:
                base = where
                self._resources.setdefault(base, node)
        for word in ("$anchor", "$dynamicAnchor"):
            if isinstance(node.get(word), str):
                self._anchors.setdefault(node[word], []).append(node)
        self._base[id(node)] = base
        return base

    def parts(self, node: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Subschemas that apply to the same place as `node`."""
        for word in _LISTS:
            yield from _schemas(_list(node.get(word)))
        yield from _schemas(node.get(word) for word in _SINGLE)
        for word in _NAMED:
            yield from _values(node.get(word))
        for word in _REFERENCES:
            if isinstance(node.get(word), str):
                yield from _schemas(self._targets(node, node[word]))

    def _targets(self, node: Mapping[str, Any], reference: str) -> list[Any]:
        where, fragment = urldefrag(_joined(self._base.get(id(node), ""), reference))
        if not fragment:
            return [self._resources.get(where)]
        if fragment.startswith("/"):
            return [_pointed(self._resources.get(where), unquote(fragment))]
        return list(self._anchors.get(unquote(fragment), ()))  # any of that name: a dynamic one may


def _joined(base: str, reference: str) -> str:
    # urljoin drops a base with an unknown scheme, such as urn:
    return f"{base}{reference}" if reference.startswith("#") else urljoin(base, reference)


def _pointed(node: Any, pointer: str) -> Any:
    for part in pointer[1:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict):
            node = node.get(name)
        elif isinstance(node, list) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        else:
            return None
    return node
