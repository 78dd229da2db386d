"""Connector types, and their settings as people and forms need them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from app.sources.settings.setting_schema import Node, SettingSchema, is_null, variant
from connectors.sdk import OpenRegisterError, registry


def types() -> list[dict[str, Any]]:
    """Every installed connector; one that cannot be loaded says what to install."""
    listed = []
    for found in registry.available().values():
        line: dict[str, Any] = {"type": found.name, "package": f"{found.package} {found.version}"}
        try:
            loaded = found.load()
        except OpenRegisterError as error:
            listed.append({**line, "title": found.name, "summary": str(error), "available": False})
        else:
            listed.append(
                {**line, "title": loaded.title, "summary": loaded.summary, "available": True}
            )
    return listed


def schema(type_name: str) -> dict[str, Any]:
    """The JSON Schema of a connector's settings; secrets carry ``"format": "password"``."""
    document: dict[str, Any] = registry.get(type_name).Config.model_json_schema()
    return document


def fields(type_name: str) -> list[dict[str, Any]]:
    """The settings line by line, nested ones dotted: field, type, required, help, default.

    Where a setting takes one of several shapes (`auth`, `pagination`), the lines of all shapes are
    merged: `required` is what every shape asks for, and the help names the shapes of the others.
    """
    settings = SettingSchema(schema(type_name))
    return list(_lines(settings, settings.root, ""))


def _lines(
    settings: SettingSchema, node: Node, prefix: str, *, needed: bool = True
) -> list[dict[str, Any]]:
    """The lines of one model; `needed`: the model itself cannot be left out."""
    lines = []
    for name, raw in node.get("properties", {}).items():
        field = settings.resolved(raw)
        path = f"{prefix}{name}"
        required = name in node.get("required", [])
        choices = settings.choices(field)
        shapes = [choice for choice in choices if choice.get("properties")]
        plain = [choice for choice in choices if choice not in shapes and not is_null(choice)]
        if plain or not shapes:
            lines.append(
                {
                    "field": path,
                    "type": _type(settings, {"anyOf": plain} if shapes else field),
                    "required": required and needed,
                    "help": field.get("description", ""),
                    "default": field.get("default"),
                }
            )
        if shapes:
            always = needed and required and len(shapes) == len(choices)
            lines += _merged(settings, shapes, f"{path}.", raw, needed=always)
    return lines


def _merged(
    settings: SettingSchema,
    shapes: list[Node],
    prefix: str,
    parent: Node,
    *,
    needed: bool,
) -> list[dict[str, Any]]:
    """One line per field of the shapes that a setting may have."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for shape in shapes:
        word = variant(shape) or str(shape.get("title", ""))
        for line in _lines(settings, shape, prefix):
            found.setdefault(line["field"], []).append((word, line))
    lines = []
    for path, lines_of_shapes in found.items():
        alike = [line for _, line in lines_of_shapes]
        everywhere = len(alike) == len(shapes) and all(line["required"] for line in alike)
        defaults = [line["default"] for line in alike if line["default"] is not None]
        lines.append(
            {
                "field": path,
                "type": "|".join(dict.fromkeys(_words(line["type"] for line in alike))),
                "required": needed and everywhere,
                "help": _help(lines_of_shapes, len(shapes), prefix, needed=needed)
                or parent.get("description", ""),
                "default": defaults[0] if defaults and _all_equal(defaults) else None,
            }
        )
    # the word that chooses the shape comes first
    return sorted(lines, key=lambda line: line["field"] != f"{prefix}type")


def _help(
    found: list[tuple[str, dict[str, Any]]], shapes: int, prefix: str, *, needed: bool
) -> str:
    """What the shapes say about a field: once where they agree, otherwise shape by shape."""
    if shapes == 1:
        ((_, line),) = found
        if line["required"] and not needed:
            return f"{line['help']} (required with {prefix.rstrip('.')})"
        return str(line["help"])
    texts: dict[str, list[str]] = {}
    for word, line in found:
        if line["help"]:
            texts.setdefault(line["help"], []).append(
                f"{word} (required)" if line["required"] else word
            )
    if len(texts) == 1 and len(found) == shapes and not any(line["required"] for _, line in found):
        return next(iter(texts))
    return "; ".join(f"{', '.join(words)}: {text}" for text, words in texts.items())


def _words(types: Iterable[str]) -> Iterator[str]:
    for kind in types:
        yield from kind.split("|")


def _all_equal(values: list[Any]) -> bool:
    return all(value == values[0] for value in values)


def _type(settings: SettingSchema, node: Node) -> str:
    if "const" in node:
        return str(node["const"])
    if "enum" in node:
        return "|".join(map(str, node["enum"]))
    if node.get("format") == "password":
        return "secret"
    if "anyOf" in node or "oneOf" in node:
        names = [_type(settings, choice) for choice in settings.choices(node)]
        return "|".join(dict.fromkeys(name for name in names if name != "null"))
    return str(node.get("type", "any"))
