"""JSON Schema: check and compile schemas once, validate rows against them.

Draft 2020-12, and 2019-09, 07, 06 and 04 by their own rules if `$schema` names one of them. Formats
are enforced. Nothing is downloaded: a schema can refer only to itself. The cost of validation is
known in advance (`app.mapping.schema_cost`), and patterns have limited backtracking, so no schema
and no row can stall a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any, Protocol, TypeAlias
from urllib.parse import quote

import jsonschema_rs
from jsonschema_rs import ValidationErrorKind

from app.mapping import schema_cost
from connectors.sdk import ConfigurationError, FieldError, JsonValue, RowData, canonical
from connectors.sdk.redact import shorten

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VALIDATORS = {
    DIALECT: jsonschema_rs.Draft202012Validator,
    "https://json-schema.org/draft/2019-09/schema": jsonschema_rs.Draft201909Validator,
    "http://json-schema.org/draft-07/schema": jsonschema_rs.Draft7Validator,
    "http://json-schema.org/draft-06/schema": jsonschema_rs.Draft6Validator,
    "http://json-schema.org/draft-04/schema": jsonschema_rs.Draft4Validator,
}
"""By `$schema`; a schema without one is draft 2020-12."""

Schema: TypeAlias = "dict[str, Any]"
Validator: TypeAlias = Callable[[RowData], tuple[FieldError, ...]]
"""From a document to its errors; empty if it is valid."""


class _Compiled(Protocol):
    """The interface used of a validator of any draft."""

    def is_valid(self, instance: Any) -> bool: ...

    def iter_errors(self, instance: Any) -> Any: ...


_MOST_ERRORS = 50
LARGEST_WORK = 20_000_000
"""Maximum visits for validating one document; a second or two."""
_LARGEST_LISTING = 20_000
"""Maximum visits for listing every error: the validator keeps them all in memory."""
_BACKTRACKING_WORK = 500
"""Visits counted for a value if a pattern needs a backtracking engine."""
_PAGE = 100
"""Characters of text that count as one value."""
_BACKTRACKING = jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000)


def check_schema(schema: Any, *, where: str = "") -> None:
    """Raise ConfigurationError unless this is a usable schema for objects."""
    faults = schema_faults(schema)
    if faults:
        raise ConfigurationError(
            "This is not a valid JSON Schema",
            where=where,
            faults=faults,
            hint="See https://json-schema.org/understanding-json-schema",
        )


def schema_faults(schema: Any) -> dict[str, str]:
    """Why a schema is not usable, as {path: message}; empty if it is."""
    if not isinstance(schema, dict):
        return {"(schema)": "a schema must be a JSON object"}
    dialect = dialect_of(schema)
    if dialect not in _VALIDATORS:
        known = ", ".join(_VALIDATORS)
        return {"$schema": f"{shorten(str(dialect), 100)!r} is not supported; use one of {known}"}
    try:
        schema_cost.estimate(schema)
        canonical.value(schema)
    except ValueError as error:  # its size, or an invalid JSON number
        return {"(schema)": str(error)}
    faults = {
        _dotted(error.instance_path) or "(schema)": shorten(error.message)
        for error in _meta(dialect).iter_errors(schema)
    }
    if faults:
        return dict(list(faults.items())[:_MOST_ERRORS])
    kinds = schema.get("type", "object")
    if "object" not in ([kinds] if isinstance(kinds, str) else kinds):
        return {"type": "objects of a register are JSON objects, so the type must be object"}
    try:
        _compile(schema)
    except jsonschema_rs.ValidationError as error:
        return {_dotted(error.instance_path) or "(schema)": shorten(error.message)}
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        return {"$ref": f"{shorten(str(error))}; a schema can only refer to itself (#/$defs/…)"}
    return {}


def dialect_of(schema: Mapping[str, Any]) -> Any:
    """The draft named by a schema, as a URL without fragment."""
    dialect = schema.get("$schema", DIALECT)
    return dialect.rstrip("#") if isinstance(dialect, str) else dialect


@cache
def _meta(dialect: str) -> _Compiled:
    """The validator for schemas; a worker compiles a plan for every source."""
    return _VALIDATORS[dialect]({"$schema": dialect, "$ref": dialect}, offline=True)


def _compile(schema: Any, registry: jsonschema_rs.Registry | None = None) -> _Compiled:
    dialect = dialect_of(schema) if isinstance(schema, dict) else DIALECT
    return _VALIDATORS.get(dialect, _VALIDATORS[DIALECT])(
        schema,
        validate_formats=True,
        offline=True,
        pattern_options=_BACKTRACKING,
        registry=registry,
    )


def compile_validator(schema: Schema) -> Validator:
    """The validator for documents against `schema`. Raises ConfigurationError for a bad schema.

    Documents are canonical JSON values; big integers and Decimals are compared exactly.
    """
    check_schema(schema)
    cost = schema_cost.estimate(schema)
    validator = _compile(schema)
    is_valid = validator.is_valid
    unmeasured = cost.cheap and not cost.backtracks
    coarse = _Coarse(schema)

    def validate(document: RowData) -> tuple[FieldError, ...]:
        if not unmeasured and (refused := too_costly(document, cost)) is not None:
            return (refused,)
        if is_valid(document):
            return ()
        if cost.most * _measured(document)[0] > _LARGEST_LISTING:
            return coarse.errors(document)
        return tuple(map(_field_error, list(validator.iter_errors(document))[:_MOST_ERRORS]))

    return validate


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Whether a text matches, according to the validator (ECMA 262, bounded backtracking)."""
    try:
        return _compile({"pattern": pattern}).is_valid
    except (ValueError, jsonschema_rs.ValidationError):
        return lambda _text: False


def compile_items(schema: Any, definitions: Mapping[str, Any]) -> Callable[[list[JsonValue]], bool]:
    """A test whether all list values satisfy `schema`, which may refer to `#/$defs/…`."""
    whole = {"$schema": DIALECT, "$defs": definitions, "type": "array", "items": schema}
    return _compile(whole).is_valid


def too_costly(document: RowData, cost: schema_cost.Cost) -> FieldError | None:
    """Why a document cannot be validated at all, or None."""
    values, depth = _measured(document)
    if depth > cost.deepest:
        return FieldError(
            "",
            f"is nested {depth} levels deep; this schema, whose combinations multiply with "
            f"every level, allows {cost.deepest}",
        )
    work = max(cost.visits[: depth + 1]) + (_BACKTRACKING_WORK if cost.backtracks else 0)
    if values * work > LARGEST_WORK:
        return FieldError(
            "", "is too large to validate against a schema with such branches or patterns"
        )
    return None


def _measured(document: Any) -> tuple[int, int]:
    """The number of values in a document, counting long texts as several, and of its levels."""
    values = deepest = 0
    waiting: list[tuple[Any, int]] = [(document, 0)]
    while waiting:
        value, depth = waiting.pop()
        values += 1
        if type(value) is str:
            values += len(value) // _PAGE
        elif type(value) is dict or type(value) is list:
            deepest = max(deepest, depth + 1)
            members = value.values() if type(value) is dict else value
            waiting += [(member, depth + 1) for member in members]
    return values, deepest


class Parts:
    """Tests of values against parts of a schema, with everything they refer to."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._known: dict[int, Callable[[Any], bool]] = {}

    def check(self, part: Any) -> Callable[[Any], bool]:
        """The test for `part`, an object within the schema; compiled on first use.

        A part that cannot be tested separately accepts nothing.
        """

        def is_valid(value: Any) -> bool:
            found = self._known.get(id(part))
            if found is None:
                found = self._known[id(part)] = self._compiled(part)
            try:
                return found(value)
            except ValueError:  # not a JSON value
                return False

        return is_valid

    @cached_property
    def _registry(self) -> jsonschema_rs.Registry:
        named = {**self._root, "$schema": dialect_of(self._root)}
        return jsonschema_rs.Registry([(_HERE, named)])

    @cached_property
    def _pointers(self) -> dict[int, str]:
        found: dict[int, str] = {}
        waiting: list[tuple[Any, str]] = [(self._root, "")]
        while waiting:
            node, pointer = waiting.pop()
            found.setdefault(id(node), pointer)
            if isinstance(node, dict):
                waiting += [(value, f"{pointer}/{_token(name)}") for name, value in node.items()]
            elif isinstance(node, list):
                waiting += [(item, f"{pointer}/{place}") for place, item in enumerate(node)]
        return found

    def _compiled(self, part: Any) -> Callable[[Any], bool]:
        try:
            reference = f"{_HERE}#{self._pointers[id(part)]}"
            whole = {"$schema": dialect_of(self._root), "$ref": reference}
            return _compile(whole, self._registry).is_valid
        except (
            KeyError,
            ValueError,
            jsonschema_rs.ReferencingError,
            jsonschema_rs.ValidationError,
        ):
            return lambda _value: False


_HERE = "urn:openregister:schema"


def _token(name: str) -> str:
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~")


class _Coarse:
    """Errors of a document too large to list each one: property by property."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._parts = Parts(schema)
        self._known: dict[str, Callable[[Any], bool]] = {}

    def errors(self, document: RowData) -> tuple[FieldError, ...]:
        required = self._schema.get("required")
        found = [
            FieldError(name, "is required but missing")
            for name in (required if isinstance(required, list) else ())
            if name not in document
        ]
        for name, value in document.items():
            if not self._is_valid(name)(value):
                found.append(FieldError(name, f"does not match the schema {_NOT_LISTED}"))
        found = found or [FieldError("", f"does not match the schema {_NOT_LISTED}")]
        return tuple(found[:_MOST_ERRORS])

    def _is_valid(self, name: str) -> Callable[[Any], bool]:
        properties = self._schema.get("properties")
        if not isinstance(properties, dict) or name not in properties:
            return lambda _value: True
        if name not in self._known:
            self._known[name] = self._parts.check(properties[name])
        return self._known[name]


_NOT_LISTED = "(the row is too large for each of its errors to be listed)"


def _field_error(error: jsonschema_rs.ValidationError) -> FieldError:
    path: list[str | int] = list(error.instance_path)
    kind = error.kind
    if isinstance(kind, ValidationErrorKind.Required):
        missing = str(kind.property).strip('"')
        return FieldError(_dotted([*path, missing]), "is required but missing")
    if isinstance(kind, ValidationErrorKind.AdditionalProperties) and len(kind.unexpected) == 1:
        return FieldError(_dotted([*path, kind.unexpected[0]]), "is not a property of the schema")
    if isinstance(kind, _ENGINE_LIMITS):
        message = "cannot be compared with the pattern of the schema, which takes too long"
        return FieldError(_dotted(path), message, short_value(error.instance))
    return FieldError(_dotted(path), shorten(error.message, 500), short_value(error.instance))


_ENGINE_LIMITS = (
    ValidationErrorKind.BacktrackLimitExceeded,
    ValidationErrorKind.RegexEngineFailure,
)


def short_value(value: Any) -> JsonValue:
    """A value for an error message: unchanged if small, else the beginning of its text."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return shorten(value, 200)
    try:
        return shorten(canonical.dumps(canonical.value(value)).decode(), 200)
    except (ValueError, TypeError, RecursionError):
        if isinstance(value, (dict, list)):
            return "{…}" if isinstance(value, dict) else "[…]"
        return shorten(str(value), 200)


def _dotted(path: list[str | int]) -> str:
    return ".".join(str(part) for part in path)
