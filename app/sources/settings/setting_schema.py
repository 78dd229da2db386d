"""Reading the JSON Schema that pydantic makes of settings: references, choices, variants.

The lines of `source:types` and the fields of a form are both made of what stands here.
"""

from __future__ import annotations

from typing import Any

Node = dict[str, Any]


class SettingSchema:
    """A schema with its definitions."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self._definitions = root.get("$defs", {})

    def resolved(self, node: Node) -> Node:
        """What a reference stands for, with what is said where it stands."""
        reference = node.get("$ref")
        if reference is None:
            return node
        found: Node = self._definitions[reference.rsplit("/", 1)[1]]
        return {**found, **{name: value for name, value in node.items() if name != "$ref"}}

    def choices(self, node: Node) -> list[Node]:
        """The shapes that a value may have, null among them; a list of one where it has one."""
        members = node.get("oneOf") or node.get("anyOf") or [node]
        return [self.resolved(member) for member in members]


def is_null(node: Node) -> bool:
    """Whether it only says that a setting may be left out."""
    return node.get("type") == "null"


def variant(node: Node) -> str | None:
    """The word in `type` that chooses this shape; None where none does."""
    word = node.get("properties", {}).get("type", {}).get("const")
    return word if isinstance(word, str) else None
