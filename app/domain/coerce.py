"""Coercion: values take the types of the target schema, and never any other.

The schema decides, the value never does: ``02`` stays text where the schema says string and
becomes 2 where it says integer. What cannot be carried over without loss is a problem of that
field, not a cut value. The rules, by the type the schema asks for:

============  ====================================================================================
string        numbers and booleans as their JSON text (``7.0`` → ``7``, true → ``true``)
integer       text that is a whole number, also ``12.0`` and ``007``; not 12.5, not true
number        text that is a plain decimal number with a point; a decimal comma needs `number(…)`
boolean       ``true``/``false`` in any case, and 1/0; yes, ja, on … need the cast `boolean`
array/object  nothing is turned into one; the casts `list` and `json` do that
date          ISO dates; a date-time only at midnight, so that no time is lost
date-time     ISO date-times with an offset, a blank instead of T allowed; a zone is never guessed
============  ====================================================================================

Blank text where it can never be a value (any type but string; dates, uuid, email and the like)
is null. Null where the schema does not allow it is left out, so that `required` decides.
Text stays text where the schema allows text beside other types. Without a type, values stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from app.domain import moments, nodes
from app.domain.paths import MISSING
from app.domain.validation import short_value
from connectors.sdk import FieldError, RowData, canonical

Coercion: TypeAlias = Callable[[RowData, "list[FieldError]"], RowData]
"""From a document to its canonical, typed form; faults of single fields go into the list."""

Convert: TypeAlias = Callable[[Any], Any]
"""From a value to the typed one, or MISSING: leave it out. Raises CoercionError."""
_Path: TypeAlias = tuple[str | int, ...]

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_CONTAINER_WORDS = frozenset(
    {"properties", "patternProperties", "additionalProperties", "items", "prefixItems"}
)
_NEVER_EMPTY = frozenset(
    {
        "date",
        "date-time",
        "time",
        "duration",
        "email",
        "idn-email",
        "hostname",
        "idn-hostname",
        "ipv4",
        "ipv6",
        "uri",
        "iri",
        "uuid",
    }
)


class CoercionError(ValueError):
    """A value that cannot become what the schema asks for; may carry several, with their paths."""

    def __init__(self, *faults: tuple[_Path, str, Any]) -> None:
        super().__init__(faults)
        self.faults = faults


def compile_coercion(schema: Mapping[str, Any]) -> Coercion:
    """Compile a (valid) schema's types into a function over documents."""
    convert = _Compiler(schema).node(schema)

    def coerce(document: RowData, errors: list[FieldError]) -> RowData:
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
    """The members of a schema whose root says nothing but `properties` about types."""

    named: Mapping[str, Convert]
    other: Convert
    schemas: Mapping[str, Any]

    def convert(self, name: str) -> Convert:
        """The conversion of the member called `name`."""
        return self.named.get(name, self.other)

    def schema(self, name: str) -> Any:
        """Its schema; an empty one when it is not among the properties."""
        return self.schemas.get(name, {})


def plain_properties(schema: Mapping[str, Any]) -> Properties | None:
    """The conversions of a document's members one by one, or None where its root says more."""
    words = {"$ref", "allOf", "anyOf", "oneOf", "patternProperties", "enum", "const"}
    if schema.get("type", "object") != "object" or not words.isdisjoint(schema):
        return None
    compiler, schemas = _Compiler(schema), schema.get("properties", {})
    named = {name: compiler.node(sub) for name, sub in schemas.items()}
    other = compiler.node(schema.get("additionalProperties", True))
    return Properties(named, other, schemas)


class _Compiler:
    """Turns schema nodes into functions from value to value, `MISSING` meaning: leave out."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._references: dict[str, list[Convert]] = {}

    def node(self, schema: Any) -> Convert:
        """The conversion of one schema node; in turn for $ref, type, allOf, anyOf and oneOf."""
        if not isinstance(schema, dict) or not schema:
            return _plain
        steps: list[Convert] = []
        if isinstance(schema.get("$ref"), str):
            steps.append(self._reference(schema["$ref"]))
        kinds = nodes.kinds(schema)
        if kinds:
            steps.append(self._typed(schema, kinds))
        elif not _CONTAINER_WORDS.isdisjoint(schema):
            steps.append(self._typed(schema, ("any",)))
        steps.extend(self.node(branch) for branch in schema.get("allOf", ()))
        steps.extend(self._choice(schema[word]) for word in ("anyOf", "oneOf") if schema.get(word))
        return _in_turn(steps)

    def _reference(self, reference: str) -> Convert:
        """Compiled once, and late where a schema refers to itself."""
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
        text_stays = "string" in converters and schema.get("format") not in _NEVER_EMPTY
        convert = converters[named[0]] if len(named) == 1 else _one_of(converters)
        return _nulls(convert, nullable=nullable, blank=not text_stays and "any" not in kinds)

    def _kind(self, schema: Mapping[str, Any], kind: str) -> Convert:
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return self._array(schema)
        if kind == "string":
            return _FORMATS.get(schema.get("format", ""), _string)
        if kind == "any":
            return _by_shape(self._object(schema), self._array(schema))
        return _SCALARS[kind]

    def _object(self, schema: Mapping[str, Any]) -> Convert:
        named = {name: self.node(sub) for name, sub in schema.get("properties", {}).items()}
        patterns = [
            (re.compile(pattern), self.node(sub))
            for pattern, sub in schema.get("patternProperties", {}).items()
            if _compiles(pattern)
        ]
        other = self.node(schema.get("additionalProperties", True))

        def unnamed(name: str) -> Convert:
            return next((sub for pattern, sub in patterns if pattern.search(name)), other)

        find = unnamed if patterns else (lambda _name: other)

        def convert(value: Any) -> Any:
            if type(value) is not dict:
                raise CoercionError(((), "is not an object", value))
            result: dict[str, Any] = {}
            faults: list[tuple[_Path, str, Any]] = []
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
        leading = [self.node(sub) for sub in schema.get("prefixItems", ())]
        other = self.node(schema.get("items", True))

        def convert(value: Any) -> Any:
            if type(value) is not list and type(value) is not tuple:
                raise CoercionError(((), "is not an array", value))
            result: list[Any] = []
            faults: list[tuple[_Path, str, Any]] = []
            for index, item in enumerate(value):
                try:
                    converted = (leading[index] if index < len(leading) else other)(item)
                except CoercionError as fault:
                    faults += [((index, *path), text, bad) for path, text, bad in fault.faults]
                else:
                    # an item cannot be left out without moving the others
                    result.append(None if converted is MISSING else converted)
            if faults:
                raise CoercionError(*faults)
            return result

        return convert

    def _choice(self, branches: Iterable[Any]) -> Convert:
        """anyOf, oneOf: the first branch of the value's own type, else the first it can take."""
        listed = [branch for branch in branches if isinstance(branch, dict)]
        nullable = any("null" in self._all_kinds(branch) for branch in listed)
        options = [
            (self._all_kinds(branch), self.node(branch))
            for branch in listed
            if tuple(self._all_kinds(branch)) != ("null",)
        ]

        def convert(value: Any) -> Any:
            if value is None:
                return None if nullable else MISSING
            own = nodes.json_kinds(value)
            ordered = sorted(options, key=lambda option: not own & set(option[0]))
            first: CoercionError | None = None
            for _kinds_of, option in ordered:
                try:
                    converted = option(value)
                except CoercionError as fault:
                    first = first or fault
                else:
                    return None if converted is MISSING and nullable else converted
            if first is not None:
                raise first
            return _plain(value)

        return convert

    def _all_kinds(self, branch: Mapping[str, Any]) -> Sequence[str]:
        reference = branch.get("$ref")
        kinds = nodes.kinds(branch)
        if not kinds and isinstance(reference, str) and reference not in self._references:
            target = nodes.resolve(self._root, reference)
            return nodes.kinds(target) if isinstance(target, dict) else ()
        return kinds


def _compiles(pattern: str) -> bool:
    """Whether Python knows the pattern too: ECMA 262 has some that it does not."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


# --- how conversions combine ----------------------------------------------------------------


def _in_turn(steps: Sequence[Convert]) -> Convert:
    if not steps:
        return _plain
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
    """Null, and blank text where that means null, before the conversion proper."""
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
    """Several types: the value's own if it is among them, else the first it can take."""

    def convert(value: Any) -> Any:
        own = nodes.json_kinds(value)
        kinds = sorted(converters, key=lambda kind: kind not in own)
        for kind in kinds:
            try:
                return converters[kind](value)
            except CoercionError as fault:
                if kind in own:
                    raise fault
        raise CoercionError(((), f"is none of {', '.join(sorted(converters))}", value))

    return convert


def _by_shape(as_object: Convert, as_array: Convert) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is dict:
            return as_object(value)
        return as_array(value) if type(value) is list else _plain(value)

    return convert


# --- single values ----------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    try:
        return canonical.value(value)
    except ValueError as error:
        raise CoercionError(((), str(error), value)) from None


def _string(value: Any) -> Any:
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return str(_plain(value))
    raise CoercionError(((), "is not text", value))


def _formatted(convert: Callable[[str], str]) -> Convert:
    def formatted(value: Any) -> Any:
        if type(value) is not str:
            raise CoercionError(((), "is not text", value))
        try:
            return convert(value)
        except ValueError as error:
            raise CoercionError(((), str(error), value)) from None

    return formatted


def _number(value: Any) -> Any:
    kind = type(value)
    if kind is int:
        return value
    if kind is float or kind is Decimal:
        return _plain(value)
    if kind is str and _NUMBER.fullmatch(value.strip()):
        # a double holds 15 digits without doubt, so short texts need no exact arithmetic
        short = len(value) < 16 and "e" not in value and "E" not in value
        return canonical.number(float(value)) if short else _plain(Decimal(value.strip()))
    hint = "; number(…, ',') reads a decimal comma" if kind is str and "," in value else ""
    raise CoercionError(((), f"is not a number{hint}", value))


def _integer(value: Any) -> Any:
    if type(value) is int:
        return value
    if type(value) is str and len(value) < 19 and value.isascii() and value.isdecimal():
        return int(value)  # by far the most common text
    try:
        number = _number(value)
    except CoercionError:
        raise CoercionError(((), "is not a whole number", value)) from None
    if type(number) is not int:
        raise CoercionError(((), "is not a whole number, and would lose its fraction", value))
    return number


def _boolean(value: Any) -> Any:
    if type(value) is bool:
        return value
    known = _BOOLEANS.get(value.strip().lower()) if type(value) is str else _bit(value)
    if known is None:
        raise CoercionError(
            ((), "is neither true nor false (yes, ja, on … need the cast boolean)", value)
        )
    return known


def _bit(value: Any) -> bool | None:
    """1 and 0 as numbers of any kind; a signalling NaN can be compared with nothing."""
    if type(value) is Decimal and value.is_snan():
        return None
    if type(value) not in {int, float, Decimal} or value not in (0, 1):
        return None
    return bool(value)


_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_SCALARS: dict[str, Convert] = {"integer": _integer, "number": _number, "boolean": _boolean}
_FORMATS: dict[str, Convert] = {
    "date": _formatted(moments.to_date),
    "date-time": _formatted(moments.to_date_time),
}
