"""Map, coerce and validate many plain rows at once, column by column.

Covers the mappings of `app.mapping.fast_rows` with schemas whose root only lists properties and
which of them are required. Objects are assembled as JSON text; a value is created only if the
schema checks something that the column's kind does not settle. For anything unusual it returns
None, and the rows are processed individually, which also produces all error messages. Both ways
give identical objects, to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any

import orjson

from app.mapping.fast_rows import is_plain
from app.mapping.fields import FieldRule
from app.mapping.scalars import Convert
from app.mapping.type_rules import only_rule
from app.mapping.types import Properties, plain_properties
from app.mapping.validation import DIALECT, compile_items, dialect_of
from connectors.sdk import canonical, paths
from connectors.sdk.columns import Column, Kind
from connectors.sdk.paths import MISSING

_ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
    | {"$comment", "$schema", "$defs"}
)
_ROOT = _ANNOTATIONS | {"$id", "type", "properties", "required", "additionalProperties"}
_NUL = "\\u0000"
"""The JSON escape of the character that PostgreSQL's jsonb cannot store."""


class _GiveUp(Exception):  # noqa: N818  # not an error: the rows are processed individually
    """These rows must be processed individually."""


class Columnwise:
    """The fast path of one mapping and schema. `names`: the fields it needs; None: all."""

    def __init__(
        self,
        properties: Properties,
        schema: Mapping[str, Any],
        sources: Mapping[str, str] | None,
        constants: Mapping[str, Any],
    ) -> None:
        self.names = None if sources is None else sorted(set(sources.values()))
        self._sources = sources
        self._constants = constants
        self._properties = properties
        self._required = frozenset(schema.get("required", ()))
        self._definitions = schema.get("$defs", {})
        self._known: dict[str, _Property] = {}

    def __call__(self, columns: Mapping[str, Column], count: int) -> list[bytes] | None:
        """Canonical JSON of the objects for `count` rows, or None."""
        sources = {name: name for name in columns} if self._sources is None else self._sources
        try:
            members = {
                target: self._property(target).members(columns[source])
                for target, source in sources.items()
                if source in columns
            }
            for target, value in self._constants.items():
                text = None if value is None else canonical.dumps(value).decode()
                column = Column(Kind.ANY, [text] * count, nulls=value is None)
                members[target] = self._property(target).members(column)
        except _GiveUp:
            return None
        if not all(name in members and members[name].complete for name in self._required):
            return None
        return _documents(members)

    def _property(self, name: str) -> _Property:
        found = self._known.get(name)
        if found is None:
            convert, schema = self._properties.convert(name), self._properties.schema(name)
            found = self._known[name] = _Property(convert, schema, self._definitions)
        return found


def compile_columnwise(
    rules: Sequence[FieldRule], schema: Mapping[str, Any], *, takes_everything: bool
) -> Columnwise | None:
    """The fast path for this mapping and schema, or None if they need the general one."""
    properties = plain_properties(schema)
    closed = schema.get("additionalProperties", True) not in (True, {})
    if dialect_of(schema) != DIALECT:
        return None
    if properties is None or closed or not _ROOT.issuperset(schema) or _refers_far(schema):
        return None
    if takes_everything:
        return None if rules else Columnwise(properties, schema, None, {})
    if not rules or not all(map(is_plain, rules)):
        return None
    constants = {rule.steps[0]: rule.evaluate({}) for rule in rules if rule.constant}
    sources = {
        rule.steps[0]: paths.plain_name(rule.source or ()) or ""
        for rule in rules
        if not rule.constant
    }
    return Columnwise(properties, schema, sources, constants)


def _refers_far(schema: Mapping[str, Any]) -> bool:
    """Whether a property may depend on parts of the schema besides itself and `$defs`."""
    text = canonical.dumps(schema)
    near = text.count(b'"$ref":"#/$defs/')
    anchored = b'"$dynamic' in text or b'"$anchor"' in text
    return anchored or text.count(b'"$ref"') > near or text.count(b'"$id"') > ("$id" in schema)


@dataclass(frozen=True, slots=True)
class _Members:
    """One property of many objects, as `Column.texts`; None if an object lacks it."""

    texts: Sequence[str | None]
    complete: bool = True
    plain: bool = False


class _Property:
    """How a schema processes a column."""

    def __init__(self, convert: Convert, schema: Any, definitions: Mapping[str, Any]) -> None:
        self._convert = convert
        self._whole = schema
        self._schema: Mapping[str, Any] = schema if isinstance(schema, dict) else {}
        self._definitions = definitions
        self._rule = only_rule(schema)
        self._null_stays = convert(None) is None

    @cached_property
    def _is_valid(self) -> Callable[[list[Any]], bool]:
        return compile_items(self._whole, self._definitions)

    def members(self, column: Column) -> _Members:
        """The property of each object. Raises _GiveUp if the schema requires another value."""
        if _has_nul(column):
            raise _GiveUp
        if not self._keeps(column):
            return self._converted(column)
        if not self._settled(column.kind):
            values = _values(column)
            if column.nulls and not self._null_stays:
                values = [value for value in values if value is not None]
            if not self._is_valid(values):
                raise _GiveUp
        if not column.nulls:
            return _Members(column.texts, plain=column.plain)
        if self._null_stays:
            return _Members(column.json())
        return _Members(column.texts, complete=False, plain=column.plain)

    def _keeps(self, column: Column) -> bool:
        """Whether every value except null is certain to stay unchanged."""
        rule = self._rule
        if rule is None or column.kind not in rule.column_kinds:
            return False
        if column.kind is not Kind.STRING or not rule.blank_is_null:
            return True
        texts = filter(None, column.texts) if column.nulls else column.texts
        return column.plain and all(map(str.strip, texts))  # type: ignore[arg-type]

    def _settled(self, kind: Kind) -> bool:
        """Whether the kind alone implies that unchanged values, and null, are valid."""
        said = self._schema.keys() - _ANNOTATIONS
        if kind is Kind.DATE and self._schema.get("format") == "date":
            said -= {"format"}
        return said == {"type"}

    def _converted(self, column: Column) -> _Members:
        convert = self._convert
        try:
            values = [convert(value) for value in _values(column)]
        except Exception:  # the general path reports it
            raise _GiveUp from None
        present = [value for value in values if value is not MISSING]
        if not self._is_valid(present):
            raise _GiveUp
        dumps = canonical.dumps
        texts = [None if value is MISSING else dumps(value).decode() for value in values]
        return _Members(texts, complete=len(present) == len(values))


def _has_nul(column: Column) -> bool:
    if column.plain or column.kind not in (Kind.STRING, Kind.ANY):
        return False
    return any(_NUL in text for text in column.texts if text is not None)


def _values(column: Column) -> list[Any]:
    if column.plain:
        return list(column.texts)
    joined = f"[{','.join(column.json())}]"
    values: list[Any]
    if column.kind in (Kind.STRING, Kind.BOOLEAN):
        values = orjson.loads(joined)
    else:
        values = canonical.parse(joined)
    return values


def _documents(members: Mapping[str, _Members]) -> list[bytes] | None:
    """Objects with these members, in canonical JSON order."""
    pieces: list[Iterable[str]] = []
    names = sorted(members)
    opened = members[names[0]].complete  # then the brace can precede it, without a comma
    behind = ""  # what must follow the last value
    for number, name in enumerate(names):
        found = members[name]
        comma = "{" if opened and not number else ","
        label = f"{comma}{canonical.dumps(name).decode()}:"
        quote = '"' if found.plain else ""
        if found.complete:
            pieces += [repeat(behind + label + quote), found.texts]  # type: ignore[list-item]
            behind = quote
        else:
            before = label + quote
            pieces += [
                repeat(behind),
                ["" if text is None else f"{before}{text}{quote}" for text in found.texts],
            ]
            behind = ""
    pieces.append(repeat(behind + "}"))
    objects = list(map("".join, zip(*pieces, strict=False)))
    if opened:
        return list(map(str.encode, objects))
    if "}" in objects:
        return None  # an empty object is a problem of its row
    return [("{" + text[1:]).encode() for text in objects]
