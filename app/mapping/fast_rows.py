"""Map and coerce plain rows with one generated function, which covers most rows.

Covers mappings whose fields are single row fields (or constants) and schemas whose root is a plain
list of properties. For anything unusual in a row the function returns None, and the row takes the
general path, which also produces all error messages. Both paths give the same objects; this one
is only faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from app.mapping.fields import FieldRule
from app.mapping.scalars import Convert
from app.mapping.type_rules import only_rule
from app.mapping.types import Properties, plain_properties
from connectors.sdk import RowData, paths
from connectors.sdk.paths import MISSING

Fused: TypeAlias = Callable[[RowData], "RowData | None"]
"""From a row to its typed document, or None if it must take the general path."""


def compile_fused(
    rules: Sequence[FieldRule], schema: Mapping[str, Any], *, takes_everything: bool
) -> Fused | None:
    """The function for this mapping and schema, or None if they need the general path."""
    properties = plain_properties(schema)
    if properties is None:
        return None
    if takes_everything:
        return None if rules else _passthrough(properties)
    if not all(is_plain(rule) for rule in rules):
        return None
    return _generated(rules, properties)


def is_plain(rule: FieldRule) -> bool:
    """Whether the property is one row field or a constant, without further processing."""
    simple = rule.constant or (rule.source is not None and paths.plain_name(rule.source))
    return (
        bool(simple)
        and rule.untouched
        and len(rule.steps) == 1
        and rule.lookup is None
        and rule.finish is None
    )


def _generated(rules: Sequence[FieldRule], properties: Properties) -> Fused:
    """Generated code with a few lines per field; names are passed as values, never as code."""
    known: dict[str, Any] = {"MISSING": MISSING}
    lines = ["def fused(row):", "  get = row.get", "  data = {}", "  try:", "    pass"]
    for number, rule in enumerate(rules):
        target = rule.steps[0]
        settled = only_rule(properties.schema(target))
        stays = "False" if settled is None else settled.row_test
        known[f"t{number}"], known[f"c{number}"] = target, properties.convert(target)
        if rule.constant:
            known[f"k{number}"] = rule.evaluate({})
            value = f"k{number}"
        else:
            known[f"s{number}"] = paths.plain_name(rule.source or ())
            value = f"get(s{number}, MISSING)"
        lines += [
            f"    v = {value}",
            f"    if {stays}: data[t{number}] = v",
            "    elif v is not MISSING:",
            f"      v = c{number}(v)",
            f"      if v is not MISSING: data[t{number}] = v",
        ]
    lines += ["  except Exception: return None", "  return data"]
    exec("\n".join(lines), known)  # noqa: S102  # made of the numbers and tests above only
    fused: Fused = known["fused"]
    return fused


def _passthrough(properties: Properties) -> Fused:
    """Every field of the row under its own name."""
    converters: dict[str, Convert] = {}

    def fused(row: RowData) -> RowData | None:
        data: RowData = {}
        try:
            for name, value in row.items():
                convert = converters.get(name) or properties.convert(name)
                converted = convert(value)
                if converted is not MISSING:
                    data[name] = converted
        except Exception:  # the general path reports it
            return None
        return data

    converters.update({name: properties.convert(name) for name in properties.named})
    return fused
