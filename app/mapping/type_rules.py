"""The rule of each type: how a value becomes it, and which values are of it already.

Said once, for the general way (`app.mapping.types`) and for both fast ones (`fast_rows`,
`fast_columns`): a fast way may leave out a conversion only where its rule says that the
conversion would give the value back.
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
"""Words by which more than a type may decide what becomes of a value."""


@dataclass(frozen=True, slots=True)
class TypeRule:
    """What becomes of a value where the schema asks for one type.

    `convert`: from a value that is neither null nor blank to the typed one.
    `row_test`: a condition in Python over `v`; a value for which it is true stays as it is.
    `column_kinds`: columns of these kinds hold nothing but values that stay, nulls and, where
    `blank_is_null`, blank texts.
    `blank_is_null`: no value of this type is blank text, so blank text means null.
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
        # the floats that are written without an exponent and are no whole number
        "type(v) is int or type(v) is float and 1e-4 <= v < 1e15 and v % 1.0",
        frozenset({Kind.INTEGER, Kind.NUMBER}),
    ),
    "boolean": TypeRule(boolean, "v is True or v is False", frozenset({Kind.BOOLEAN})),
}

_SOLID = TypeRule(string, "type(v) is str and v and not v.isspace()", frozenset({Kind.STRING}))
"""Text of a format that blank text never has."""

FORMATS: Mapping[str, TypeRule] = {
    # the same moment is written in many ways, of which one is kept: any text has to be read
    "date": TypeRule(formatted(dates.to_date), "False", frozenset({Kind.DATE})),
    "date-time": TypeRule(formatted(dates.to_date_time), "False", frozenset()),
    **dict.fromkeys(("time", "duration", "ipv4", "ipv6", "uri", "iri", "uuid"), _SOLID),
    **dict.fromkeys(("email", "idn-email", "hostname", "idn-hostname"), _SOLID),
}
"""Formats of text with a rule of their own; text of any other follows that of strings."""


def rule_of(kind: str, schema: Mapping[str, Any]) -> TypeRule:
    """The rule of a scalar type that `schema` names."""
    string_rule = TYPES["string"]
    return FORMATS.get(schema.get("format", ""), string_rule) if kind == "string" else TYPES[kind]


def only_rule(schema: Any) -> TypeRule | None:
    """The rule that alone decides what becomes of a value that is not null, or None.

    None where the schema names no type, several, or one that is not scalar, and where its
    branches may have a say.
    """
    if not isinstance(schema, dict) or not BRANCHES.isdisjoint(schema):
        return None
    named = [kind for kind in nodes.kinds(schema) if kind != "null"]
    return rule_of(named[0], schema) if len(named) == 1 and named[0] in TYPES else None
