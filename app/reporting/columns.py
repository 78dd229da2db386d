"""Derive view columns from a JSON Schema: a name and an SQL type for each property.

Only the schema decides, not the values. A column has the property's name, quoted where SQL
requires it. A name that PostgreSQL would truncate at 63 bytes, or that is already used, gets a
suffix that is always the same for that name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.mapping import nodes

LONGEST_NAME = 63
"""Maximum length of a PostgreSQL name in bytes."""

STANDARD = ("_uuid", "_source", "_key", "_created", "_updated")
"""The first columns of every view."""

MOST_COLUMNS = 1500
"""A view has at most 1,600; further properties are in the object's data."""

_LARGEST = 2**63 - 1
_CONTAINERS = frozenset(
    {"properties", "patternProperties", "additionalProperties", "items", "prefixItems"}
)
_CHOICES = ("allOf", "anyOf", "oneOf")
_LONGEST_COMMENT = 1000
_MARK = 8  # hexadecimal digits


class Kind(StrEnum):
    """The SQL type of a column, in PostgreSQL's spelling."""

    TEXT = "text"
    BIGINT = "bigint"
    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "timestamp with time zone"
    JSON = "jsonb"


@dataclass(frozen=True, slots=True)
class Column:
    """Column `name` for the property `member`; `comment` is one line of description."""

    name: str
    member: str
    kind: Kind
    comment: str


def columns(schema: Mapping[str, Any]) -> list[Column]:
    """The columns of a schema, in the order of its properties."""
    listed: dict[str, list[Any]] = {}
    for member, node in _properties(schema, schema, set()):
        # jsonb cannot hold these characters, so no object can have such a property
        if "\0" not in member and _encodable(member):
            listed.setdefault(member, []).append(node)
    found = dict(list(listed.items())[:MOST_COLUMNS])
    names = column_names(found)
    return [
        Column(
            names[member],
            member,
            _kind({kind for node in given for kind in _kinds(schema, node, set())}),
            _comment(schema, member, names[member], given),
        )
        for member, given in found.items()
    ]


def column_names(members: Iterable[str]) -> dict[str, str]:
    """A unique column name for each property."""
    members = list(members)
    taken = {*STANDARD, *(member for member in members if _fits(member))}
    names = {member: member for member in members if _fits(member)}
    for member in members:
        if member in names:
            continue
        name = shortened(member or "property", member)
        number = 1
        while name in taken:
            number += 1
            name = shortened(member or "property", f"{member}\0{number}")
        taken.add(name)
        names[member] = name
    return names


def view_name(register: str, schema: str) -> str:
    """The name of the view of a register's schema: ``register__schema``.

    A name that is too long or ambiguous (``a__b`` + ``c``, ``a`` + ``b__c``) ends in a hash
    suffix.
    """
    name = f"{register}__{schema}"
    readings = sum(name.startswith("__", place) for place in range(len(name)))
    if readings == 1 and len(name) <= LONGEST_NAME:
        return name
    return shortened(name, f"{register}/{schema}")


def shortened(name: str, identity: str) -> str:
    """`name`, truncated if necessary, with a suffix derived from `identity`."""
    mark = hashlib.sha256(identity.encode()).hexdigest()[:_MARK]
    kept = name.encode()[: LONGEST_NAME - _MARK - 1].decode(errors="ignore")
    return f"{kept}_{mark}"


def _fits(member: str) -> bool:
    return 0 < len(member.encode()) <= LONGEST_NAME and member not in STANDARD


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _properties(root: Mapping[str, Any], node: Any, seen: set[str]) -> Iterator[tuple[str, Any]]:
    """Every property that the root, or a part of it, mentions."""
    if not isinstance(node, dict):
        return
    yield from node.get("properties", {}).items()
    for part in _parts(root, node, seen):
        yield from _properties(root, part, seen)


def _kinds(root: Mapping[str, Any], node: Any, seen: set[str]) -> Iterator[Kind]:
    """The SQL types of the values a node allows; empty if it does not restrict them."""
    if not isinstance(node, dict):
        return
    named = [name for name in nodes.kinds(node) if name != "null"]
    for name in named:
        yield _named(node, name)
    if not nodes.kinds(node) and not _CONTAINERS.isdisjoint(node):
        yield Kind.JSON
    for part in _parts(root, node, seen):
        yield from _kinds(root, part, seen)


def _parts(root: Mapping[str, Any], node: Mapping[str, Any], seen: set[str]) -> Iterator[Any]:
    """The subschemas of a node; the target of a reference is visited once."""
    reference = node.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        seen.add(reference)
        yield nodes.resolve(root, reference)
    for word in _CHOICES:
        yield from node.get(word, ())


def _named(node: Mapping[str, Any], name: str) -> Kind:
    match name:
        case "string":
            return {"date": Kind.DATE, "date-time": Kind.TIME}.get(
                node.get("format", ""), Kind.TEXT
            )
        case "integer":
            return Kind.NUMERIC if _wide(node) else Kind.BIGINT
        case "number":
            return Kind.NUMERIC
        case "boolean":
            return Kind.BOOLEAN
        case _:
            return Kind.JSON


def _wide(node: Mapping[str, Any]) -> bool:
    """Whether the schema allows values beyond the range of bigint."""
    bounds = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    return any(not -_LARGEST - 1 <= node.get(word, 0) <= _LARGEST for word in bounds)


def _kind(kinds: set[Kind]) -> Kind:
    """One type for all: numbers stay numbers, other scalars become text, the rest JSON."""
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds == {Kind.BIGINT, Kind.NUMERIC}:
        return Kind.NUMERIC
    return Kind.JSON if not kinds or Kind.JSON in kinds else Kind.TEXT


def _comment(root: Mapping[str, Any], member: str, name: str, given: list[Any]) -> str:
    words: list[str] = []
    for node in given:
        if not isinstance(node, dict):
            continue
        target = nodes.resolve(root, node["$ref"]) if isinstance(node.get("$ref"), str) else {}
        for key in ("title", "description"):
            text = node.get(key) or (target.get(key) if isinstance(target, dict) else None)
            if isinstance(text, str) and text.strip() and text not in words:
                words.append(text)
    said = ". ".join(" ".join(text.split()).rstrip(".") for text in words)
    shown = f"Property {member!r} of the schema" if name != member or not said else ""
    comment = ". ".join(filter(None, (said, shown)))
    # PostgreSQL text cannot hold either
    return comment.replace("\0", "").encode(errors="replace").decode()[:_LONGEST_COMMENT]
