"""Coercion: convert values to the types of the target schema.

The schema decides, not the value: ``02`` stays text if the schema says string, and becomes 2 if it
says integer. A value that cannot be converted without loss is a problem of its field and is never
truncated. The rules, by the type in the schema:

============  ====================================================================================
string        numbers and booleans as their JSON text (``7.0`` → ``7``, true → ``true``)
integer       text that is a whole number, also ``12.0`` and ``007``; not 12.5, not true
number        text that is a plain decimal number with a point; a decimal comma needs `number(…)`
boolean       ``true``/``false`` in any case, and 1/0; yes, ja, on … need the cast `boolean`
array/object  no conversion; use the casts `list` and `json`
date          ISO dates; a date-time only at midnight, so that no time is lost
date-time     ISO date-times with an offset, a space instead of T allowed; a zone is never guessed
============  ====================================================================================

Blank text that cannot be a value (any type but string; dates, uuid, email and the like) is null.
Null is omitted if the schema does not allow it, so that `required` decides. Text stays text if the
schema allows text among other types. Without a type, values are unchanged. A value that already
satisfies the schema is never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from app.mapping import nodes, schema_cost
from app.mapping.scalars import CoercionError, Convert, Path, plain
from app.mapping.type_rules import BRANCHES, rule_of
from app.mapping.validation import Parts, compile_pattern, dialect_of, short_value, too_costly
from connectors.sdk import FieldError, RowData
from connectors.sdk.paths import MISSING

Coercion: TypeAlias = Callable[[RowData, "list[FieldError]"], RowData]
"""From a document to its canonical, typed form; errors of single fields go into the list."""


_CONTAINER_WORDS = frozenset(
    {"properties", "patternProperties", "additionalProperties", "items", "prefixItems"}
)
_TYPE_ALONE = frozenset({"type", "title", "description"})
"""Keywords of a branch that only restricts the type: values of that type are valid."""


def compile_coercion(schema: Mapping[str, Any]) -> Coercion:
    """Compile the types of a (valid) schema to a function for documents."""
    convert = _Compiler(schema).node(schema)
    cost = schema_cost.estimate(schema)
    cheap = cost.cheap

    def coerce(document: RowData, errors: list[FieldError]) -> RowData:
        if not cheap and (refused := too_costly(document, cost)) is not None:
            errors.append(refused)
            return document
        try:
            result: RowData = convert(document)
        except CoercionError as fault:
            errors.extend(
                FieldError(".".join(map(str, path)), message, short_value(value))
                for path, message, value in fault.faults
            )
            return document
        return result

    return coerce


@dataclass(frozen=True, slots=True)
class Properties:
    """The members of a schema whose root only uses `properties` for types."""

    named: Mapping[str, Convert]
    other: Convert
    schemas: Mapping[str, Any]

    def convert(self, name: str) -> Convert:
        """The conversion of the member `name`."""
        return self.named.get(name, self.other)

    def schema(self, name: str) -> Any:
        """Its schema; an empty one if it is not among the properties."""
        return self.schemas.get(name, {})


def plain_properties(schema: Mapping[str, Any]) -> Properties | None:
    """The conversions of a document's members, or None if its root has other rules."""
    words = BRANCHES | {"patternProperties", "enum", "const"}
    if schema.get("type", "object") != "object" or not words.isdisjoint(schema):
        return None
    if not schema_cost.estimate(schema).cheap:
        return None
    compiler, schemas = _Compiler(schema), schema.get("properties", {})
    named = {name: compiler.node(sub) for name, sub in schemas.items()}
    other = compiler.node(schema.get("additionalProperties", True))
    return Properties(named, other, schemas)


class _Compiler:
    """Turns schema nodes into functions from value to value; `MISSING` means: omit."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._parts = Parts(root)
        self._references: dict[str, list[Convert]] = {}
        # up to draft 07 a reference replaces all other keywords
        self._alone = str(dialect_of(root)).startswith("http://json-schema.org/draft-0")

    def node(self, schema: Any) -> Convert:
        """The conversion of one schema node: $ref, type, allOf, anyOf and oneOf in turn."""
        if not isinstance(schema, dict) or not schema:
            return plain
        steps: list[Convert] = []
        if isinstance(schema.get("$ref"), str):
            steps.append(self._reference(schema["$ref"]))
            if self._alone:
                return steps[0]
        kinds = nodes.kinds(schema)
        if kinds:
            steps.append(self._typed(schema, kinds))
        elif not _CONTAINER_WORDS.isdisjoint(schema):
            steps.append(self._typed(schema, ("any",)))
        steps.extend(self.node(branch) for branch in schema.get("allOf", ()))
        steps.extend(
            self._choice(schema[word], only_one=word == "oneOf")
            for word in ("anyOf", "oneOf")
            if schema.get(word)
        )
        return _in_turn(steps)

    def _reference(self, reference: str) -> Convert:
        """Compiled once, and lazily if a schema refers to itself."""
        known = self._references.get(reference)
        if known is None:
            known = self._references[reference] = []
            known.append(self.node(nodes.resolve(self._root, reference)))
        if known:
            return known[0]
        compiled = known

        def later(value: Any) -> Any:
            return compiled[0](value)

        return later

    def _typed(self, schema: Mapping[str, Any], kinds: Sequence[str]) -> Convert:
        nullable = "null" in kinds or "any" in kinds
        named = [kind for kind in kinds if kind != "null"]
        if not named:
            return _only_null
        converters = {kind: self._kind(schema, kind) for kind in named}
        text_stays = "string" in converters and not rule_of("string", schema).blank_is_null
        convert = converters[named[0]] if len(named) == 1 else _one_of(converters)
        return _nulls(convert, nullable=nullable, blank=not text_stays and "any" not in kinds)

    def _kind(self, schema: Mapping[str, Any], kind: str) -> Convert:
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return self._array(schema)
        if kind == "any":
            return _by_shape(self._object(schema), self._array(schema))
        return rule_of(kind, schema).convert

    def _object(self, schema: Mapping[str, Any]) -> Convert:
        named = {name: self.node(sub) for name, sub in schema.get("properties", {}).items()}
        patterns = [
            (compile_pattern(pattern), self.node(sub))
            for pattern, sub in schema.get("patternProperties", {}).items()
        ]
        other = self.node(schema.get("additionalProperties", True))

        def unnamed(name: str) -> Convert:
            return next((sub for matches, sub in patterns if matches(name)), other)

        find = unnamed if patterns else (lambda _name: other)

        def convert(value: Any) -> Any:
            if type(value) is not dict:
                raise CoercionError(((), "is not an object", value))
            result: dict[str, Any] = {}
            faults: list[tuple[Path, str, Any]] = []
            for name, member in value.items():
                try:
                    converted = (named.get(name) or find(name))(member)
                except CoercionError as fault:
                    faults += [((name, *path), text, bad) for path, text, bad in fault.faults]
                else:
                    if converted is not MISSING:
                        result[name] = converted
            if faults:
                raise CoercionError(*faults)
            return result

        return convert

    def _array(self, schema: Mapping[str, Any]) -> Convert:
        leading, rest = schema.get("prefixItems", ()), schema.get("items", True)
        if isinstance(rest, list):  # up to draft 2019-09
            leading, rest = rest, schema.get("additionalItems", True)
        leading, other = [self.node(sub) for sub in leading], self.node(rest)

        def convert(value: Any) -> Any:
            if type(value) is not list and type(value) is not tuple:
                raise CoercionError(((), "is not an array", value))
            result: list[Any] = []
            faults: list[tuple[Path, str, Any]] = []
            for index, item in enumerate(value):
                try:
                    converted = (leading[index] if index < len(leading) else other)(item)
                except CoercionError as fault:
                    faults += [((index, *path), text, bad) for path, text, bad in fault.faults]
                else:
                    # omitting an item would shift the others
                    result.append(None if converted is MISSING else converted)
            if faults:
                raise CoercionError(*faults)
            return result

        return convert

    def _choice(self, branches: Iterable[Any], *, only_one: bool) -> Convert:
        """anyOf, oneOf: a value that a branch accepts is unchanged; else the first match converts.

        If none matches, use the first that can convert the value; the validator then reports the
        error. Branches of the value's own type come first.
        """
        listed = [branch for branch in branches if isinstance(branch, dict)]
        nullable = any("null" in self._all_kinds(branch) for branch in listed)
        checks = [self._parts.check(branch) for branch in listed]
        options = [
            (self._all_kinds(branch), self.node(branch))
            for branch in listed
            if tuple(self._all_kinds(branch)) != ("null",)
        ]
        alone = all("type" in branch and _TYPE_ALONE.issuperset(branch) for branch in listed)

        def stays(value: Any) -> bool:
            return not alone and any(check(value) for check in checks)

        def accepted(value: Any) -> bool:
            return alone or (stays(value) and (not only_one or sum(c(value) for c in checks) == 1))

        def convert(value: Any) -> Any:
            if value is None:
                return None if nullable or stays(None) else MISSING
            own = nodes.json_kinds(value)
            if stays(value):
                return plain(value)
            ordered = sorted(options, key=lambda option: not own & set(option[0]))
            taken: list[Any] = []
            first: CoercionError | None = None
            for _kinds_of, option in ordered:
                try:
                    converted = option(value)
                except CoercionError as fault:
                    first = first or fault
                    continue
                if converted is MISSING or accepted(converted):
                    taken = [converted]
                    break
                taken.append(converted)
            if taken:
                return None if taken[0] is MISSING and nullable else taken[0]
            if first is not None:
                raise first
            return plain(value)

        return convert

    def _all_kinds(self, branch: Mapping[str, Any]) -> Sequence[str]:
        reference = branch.get("$ref")
        kinds = nodes.kinds(branch)
        if not kinds and isinstance(reference, str) and reference not in self._references:
            target = nodes.resolve(self._root, reference)
            return nodes.kinds(target) if isinstance(target, dict) else ()
        return kinds


# --- combining conversions ----------------------------------------------------------------


def _in_turn(steps: Sequence[Convert]) -> Convert:
    if not steps:
        return plain
    if len(steps) == 1:
        return steps[0]

    def convert(value: Any) -> Any:
        for step in steps:
            value = step(value)
            if value is MISSING:
                return MISSING
        return value

    return convert


def _nulls(convert: Convert, *, nullable: bool, blank: bool) -> Convert:
    """Handle null, and blank text that means null, before the conversion."""
    absent = None if nullable else MISSING
    if blank:

        def with_blanks(value: Any) -> Any:
            if value is None or (type(value) is str and not value.strip()):
                return absent
            return convert(value)

        return with_blanks

    def with_nulls(value: Any) -> Any:
        return absent if value is None else convert(value)

    return with_nulls


def _only_null(value: Any) -> Any:
    if value is None or (type(value) is str and not value.strip()):
        return None
    raise CoercionError(((), "is not null", value))


def _one_of(converters: Mapping[str, Convert]) -> Convert:
    """Several types: the value's own type if listed, else the first possible one."""

    def convert(value: Any) -> Any:
        own = nodes.json_kinds(value)
        kinds = sorted(converters, key=lambda kind: kind not in own)
        for kind in kinds:
            try:
                return converters[kind](value)
            except CoercionError as fault:
                if kind in own:
                    raise fault
        raise CoercionError(((), f"is not one of {', '.join(sorted(converters))}", value))

    return convert


def _by_shape(as_object: Convert, as_array: Convert) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is dict:
            return as_object(value)
        return as_array(value) if type(value) is list else plain(value)

    return convert
