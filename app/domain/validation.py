"""JSON Schema draft 2020-12: schemas checked and compiled once, rows checked against them.

Formats are asserted. Nothing is fetched: a schema refers to itself only. Patterns run with a
bound on backtracking, so that no row can stall a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

import jsonschema_rs
from jsonschema_rs import Draft202012Validator, ValidationErrorKind

from connectors.sdk import ConfigurationError, FieldError, JsonValue, RowData, canonical
from connectors.sdk.redact import shorten

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema: TypeAlias = "dict[str, Any]"
Validator: TypeAlias = Callable[[RowData], tuple[FieldError, ...]]
"""From a document to what is wrong with it; empty when it is valid."""

_MOST_ERRORS = 50
_BACKTRACKING = jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000)


def check_schema(schema: Any, *, where: str = "") -> None:
    """Raise ConfigurationError unless this is a draft 2020-12 schema for objects."""
    faults = schema_faults(schema)
    if faults:
        raise ConfigurationError(
            "This is not a usable JSON Schema",
            where=where,
            faults=faults,
            hint="See https://json-schema.org/understanding-json-schema",
        )


def schema_faults(schema: Any) -> dict[str, str]:
    """What keeps a schema from being used, as {path: message}; empty when nothing does."""
    if not isinstance(schema, dict):
        return {"(schema)": "a schema is a JSON object"}
    dialect = schema.get("$schema", DIALECT)
    if not isinstance(dialect, str) or dialect.rstrip("#") != DIALECT:
        return {"$schema": f"only draft 2020-12 ({DIALECT}) is supported, not {dialect!r}"}
    faults = {
        _dotted(error.instance_path) or "(schema)": shorten(error.message)
        for error in _meta().iter_errors(schema)
    }
    if faults:
        return faults
    kinds = schema.get("type", "object")
    if "object" not in ([kinds] if isinstance(kinds, str) else kinds):
        return {"type": "an object of a register is a JSON object, so the type must be object"}
    try:
        _compile(schema)
    except jsonschema_rs.ValidationError as error:
        return {_dotted(error.instance_path) or "(schema)": shorten(error.message)}
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        return {"$ref": f"{shorten(str(error))}; a schema can refer to itself only (#/$defs/…)"}
    return {}


@cache
def _meta() -> Draft202012Validator:
    """The check of schemas themselves; a worker compiles a plan for every source."""
    return Draft202012Validator({"$schema": DIALECT, "$ref": DIALECT}, offline=True)


def _compile(schema: Any) -> Draft202012Validator:
    return Draft202012Validator(
        schema, validate_formats=True, offline=True, pattern_options=_BACKTRACKING
    )


def compile_validator(schema: Schema) -> Validator:
    """The check of documents against `schema`. Raises ConfigurationError on a bad schema.

    Documents are canonical JSON values; big integers and Decimals are compared exactly.
    """
    check_schema(schema)
    validator = _compile(schema)
    is_valid = validator.is_valid

    def validate(document: RowData) -> tuple[FieldError, ...]:
        if is_valid(document):
            return ()
        errors: list[FieldError] = []
        for error in validator.iter_errors(document):
            errors.append(_field_error(error))
            if len(errors) == _MOST_ERRORS:
                break
        return tuple(errors)

    return validate


def compile_items(schema: Any, definitions: Mapping[str, Any]) -> Callable[[list[JsonValue]], bool]:
    """The check whether all values of a list satisfy `schema`, which may refer to `#/$defs/…`."""
    whole = {"$schema": DIALECT, "$defs": definitions, "type": "array", "items": schema}
    return _compile(whole).is_valid


def _field_error(error: jsonschema_rs.ValidationError) -> FieldError:
    path: list[str | int] = list(error.instance_path)
    kind = error.kind
    if isinstance(kind, ValidationErrorKind.Required):
        missing = str(kind.property).strip('"')
        return FieldError(_dotted([*path, missing]), "is required but missing")
    if isinstance(kind, ValidationErrorKind.AdditionalProperties) and len(kind.unexpected) == 1:
        return FieldError(_dotted([*path, kind.unexpected[0]]), "is not a property of the schema")
    return FieldError(_dotted(path), shorten(error.message, 500), short_value(error.instance))


def short_value(value: Any) -> JsonValue:
    """A value for an error message: as it is when small, else the start of its text."""
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
