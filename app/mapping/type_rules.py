"""The rule of each type: how values are converted to it, and which values already have it.

The general path (`app.mapping.types`) and both fast ones (`fast_rows`, `fast_columns`) share these
rules: a fast path may skip a conversion only if the rule says that it would return the same value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.mapping import nodes
from app.mapping.language import dates
from app.mapping.scalars import Convert, boolean, formatted, integer, number, string
from connectors.sdk.columns import Kind

BRANCHES = frozenset({"$ref", "allOf", "anyOf", "oneOf"})
"""Keywords through which more than the type may determine a value."""


@dataclass(frozen=True, slots=True)
class TypeRule:
    """How a value is converted if the schema requires one type.

    `convert`: from a value that is neither null nor blank to the typed one.
    `row_test`: a Python condition on `v`; a value for which it is true stays unchanged.
    `column_kinds`: columns of these kinds contain only unchanged values, nulls and, if
    `blank_is_null`, blank texts.
    `blank_is_null`: blank text is never a value of this type, so it means null.
    """

    convert: Convert
    row_test: str
    column_kinds: frozenset[Kind]
    blank_is_null: bool = True


TYPES: Mapping[str, TypeRule] = {
    "string": TypeRule(
        string, "type(v) is str", frozenset({Kind.STRING, Kind.DATE}), blank_is_null=False
    ),
    "integer": TypeRule(integer, "type(v) is int", frozenset({Kind.INTEGER})),
    "number": TypeRule(
        number,
        # floats that are written without an exponent and are not whole numbers
        "type(v) is int or type(v) is float and 1e-4 <= v < 1e15 and v % 1.0",
        frozenset({Kind.INTEGER, Kind.NUMBER}),
    ),
    "boolean": TypeRule(boolean, "v is True or v is False", frozenset({Kind.BOOLEAN})),
}

_SOLID = TypeRule(string, "type(v) is str and v and not v.isspace()", frozenset({Kind.STRING}))
"""Text in a format that is never blank."""

FORMATS: Mapping[str, TypeRule] = {
    # a time can be written in many ways, one of which is kept, so every text must be parsed
    "date": TypeRule(formatted(dates.to_date), "False", frozenset({Kind.DATE})),
    "date-time": TypeRule(formatted(dates.to_date_time), "False", frozenset()),
    **dict.fromkeys(("time", "duration", "ipv4", "ipv6", "uri", "iri", "uuid"), _SOLID),
    **dict.fromkeys(("email", "idn-email", "hostname", "idn-hostname"), _SOLID),
}
"""Text formats with their own rule; text of other formats follows the rule of strings."""


def rule_of(kind: str, schema: Mapping[str, Any]) -> TypeRule:
    """The rule for a scalar type named by `schema`."""
    string_rule = TYPES["string"]
    return FORMATS.get(schema.get("format", ""), string_rule) if kind == "string" else TYPES[kind]


def only_rule(schema: Any) -> TypeRule | None:
    """The rule that alone determines a non-null value, or None.

    None if the schema has no type, several types or a type that is not scalar, or if its
    branches may matter.
    """
    if not isinstance(schema, dict) or not BRANCHES.isdisjoint(schema):
        return None
    named = [kind for kind in nodes.kinds(schema) if kind != "null"]
    return rule_of(named[0], schema) if len(named) == 1 and named[0] in TYPES else None
