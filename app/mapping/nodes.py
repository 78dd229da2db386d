"""Nodes of a JSON Schema: their types, and the targets of their references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import unquote


def kinds(schema: Mapping[str, Any]) -> Sequence[str]:
    """The types of a node, or of its enum or const values; may be empty."""
    kinds = schema.get("type")
    if isinstance(kinds, str):
        return (kinds,)
    if isinstance(kinds, list):
        return tuple(kinds)
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    found = {kind for value in values for kind in json_kinds(value)}
    return tuple(sorted(found - {"integer"} if "number" in found else found))


def json_kinds(value: Any) -> set[str]:
    """The JSON types a value is of: a whole number is an integer and a number."""
    if value is None:
        return {"null"}
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, (int, float, Decimal)):
        exact = Decimal(value)
        whole = exact.is_finite() and exact == exact.to_integral_value()
        return {"integer", "number"} if whole else {"number"}
    if isinstance(value, str):
        return {"string"}
    return {"object"} if isinstance(value, dict) else {"array"}


def resolve(root: Mapping[str, Any], reference: str) -> Any:
    """What a local reference points to; an empty schema for anything else."""
    if reference == "#":
        return root
    if reference.startswith("#/"):
        node: Any = root
        for part in unquote(reference[2:]).split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and name.isdigit() and int(name) < len(node):
                node = node[int(name)]
            elif isinstance(node, dict) and name in node:
                node = node[name]
            else:
                return {}
        return node
    if reference.startswith("#"):
        return _anchored(root, reference[1:]) or {}
    return root if reference == root.get("$id") else {}


def _anchored(node: Any, name: str) -> Any:
    if isinstance(node, dict):
        if name in (node.get("$anchor"), node.get("$dynamicAnchor")):
            return node
        node = list(node.values())
    if isinstance(node, list):
        return next((hit for item in node if (hit := _anchored(item, name)) is not None), None)
    return None
