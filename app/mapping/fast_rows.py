"""Mapping and coercion of plain rows as one generated function: most rows of most sources.

It covers mappings whose fields are single fields of the row (or constants) and schemas whose
root is a plain list of properties. Anything out of the ordinary in a row makes the function give
up with None; the row then goes the general way, which also words every error. So both ways give
the same objects, and this one only decides how soon.
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
"""From a row to its typed document, or None when it has to go the general way."""


def compile_fused(
    rules: Sequence[FieldRule], schema: Mapping[str, Any], *, takes_everything: bool
) -> Fused | None:
    """The function for this mapping and schema, or None where they need the general way."""
    properties = plain_properties(schema)
    if properties is None:
        return None
    if takes_everything:
        return None if rules else _passthrough(properties)
    if not all(is_plain(rule) for rule in rules):
        return None
    return _generated(rules, properties)


def is_plain(rule: FieldRule) -> bool:
    """Whether the property is one field of the row, or a constant, with nothing done to it."""
    simple = rule.constant or (rule.source is not None and paths.plain_name(rule.source))
    return (
        bool(simple)
        and rule.untouched
        and len(rule.steps) == 1
        and rule.lookup is None
        and rule.finish is None
    )


def _generated(rules: Sequence[FieldRule], properties: Properties) -> Fused:
    """Source code of a few lines per field; names reach it as values, never as code."""
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
        except Exception:  # the general way words it
            return None
        return data

    converters.update({name: properties.convert(name) for name in properties.named})
    return fused
