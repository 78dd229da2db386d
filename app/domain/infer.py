"""Schema inference: a proposal for a JSON Schema from rows, with notes on what is unsure.

It only proposes. A person reads the notes and saves the schema; from then on the schema decides
and nothing is guessed any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import jsonschema_rs

from app.domain.validation import DIALECT
from connectors.sdk import RowData, canonical

_MOST_EXAMPLES = 3
_MOST_VALUES = 12
"""More distinct texts than this are no enum."""
_ENUM_ROWS = 50
"""Fewer rows than this say nothing about an enum."""
_LONGEST_EXAMPLE = 100

_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)\.\d+", re.ASCII)
_LEADING_ZERO = re.compile(r"-?0\d+", re.ASCII)
_DECIMAL_COMMA = re.compile(r"-?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+", re.ASCII)
_BOOLEANS = frozenset({"true", "false"})
_FORMATS = ("date-time", "date", "time", "uuid", "email", "uri", "ipv4", "ipv6")
_VALIDATORS = {
    name: jsonschema_rs.Draft202012Validator(
        {"type": "string", "format": name}, validate_formats=True, offline=True
    )
    for name in _FORMATS
}


@dataclass(frozen=True, slots=True)
class Note:
    """What a person should look at, and where."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Inference:
    """The proposal."""

    schema: dict[str, Any]
    notes: tuple[Note, ...]
    rows: int


def infer_schema(rows: Iterable[RowData], *, title: str = "") -> Inference:
    """Propose a draft 2020-12 schema for objects like these rows."""
    seen = _Seen()
    for row in rows:
        seen.add(row)
    notes: list[Note] = []
    if not seen.count:
        notes.append(Note("", "there are no rows, so nothing can be said about fields"))
    schema: dict[str, Any] = {"$schema": DIALECT}
    if title:
        schema["title"] = title
    schema["type"] = "object"
    schema.update(_object_words(seen, "", notes))
    return Inference(schema, tuple(notes), seen.count)


@dataclass(slots=True)
class _Seen:
    """What was seen in one place of the rows."""

    count: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    blanks: int = 0
    members: dict[str, _Seen] = field(default_factory=dict)
    items: _Seen | None = None
    examples: list[Any] = field(default_factory=list)
    values: dict[str, int] | None = field(default_factory=dict)
    shapes: dict[str, int] = field(default_factory=dict)
    formats: set[str] | None = None

    def add(self, value: Any) -> None:
        self.count += 1
        kind = _kind(value)
        if kind == "string" and not value.strip():
            self.blanks += 1
            return
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind == "object":
            for name, member in value.items():
                self.members.setdefault(name, _Seen()).add(member)
        elif kind == "array":
            self.items = self.items or _Seen()
            for item in value:
                self.items.add(item)
        elif kind != "null":
            self._add_example(value)
            if kind == "string":
                self._add_text(value)

    def _add_example(self, value: Any) -> None:
        short = not isinstance(value, str) or len(value) <= _LONGEST_EXAMPLE
        if len(self.examples) < _MOST_EXAMPLES and short and value not in self.examples:
            self.examples.append(value)

    def _add_text(self, value: str) -> None:
        if self.values is not None:
            self.values[value] = self.values.get(value, 0) + 1
            if len(self.values) > _MOST_VALUES:
                self.values = None
        shape = _shape(value)
        self.shapes[shape] = self.shapes.get(shape, 0) + 1
        candidates = _FORMATS if self.formats is None else self.formats
        if candidates:
            self.formats = {name for name in candidates if _VALIDATORS[name].is_valid(value)}

    @property
    def texts(self) -> int:
        return self.kinds.get("string", 0)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float, Decimal)):
        return "integer" if isinstance(canonical.value(value), int) else "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "array"


def _shape(text: str) -> str:
    stripped = text.strip()
    for name, pattern in (
        ("integer", _INTEGER),
        ("number", _NUMBER),
        ("leading zero", _LEADING_ZERO),
        ("decimal comma", _DECIMAL_COMMA),
    ):
        if pattern.fullmatch(stripped):
            return name
    return "boolean" if stripped.lower() in _BOOLEANS else "text"


def _object_words(seen: _Seen, path: str, notes: list[Note]) -> dict[str, Any]:
    words: dict[str, Any] = {
        "properties": {
            name: _schema(member, f"{path}.{name}" if path else name, notes)
            for name, member in seen.members.items()
        }
    }
    objects = seen.kinds.get("object", 0)
    required = [
        name
        for name, member in seen.members.items()
        if member.count == objects and not member.blanks and "null" not in member.kinds
    ]
    if required:
        words["required"] = required
    return words


def _schema(seen: _Seen, path: str, notes: list[Note]) -> dict[str, Any]:
    kinds = set(seen.kinds) - {"null"}
    if not kinds:
        notes.append(Note(path, "is always empty, so its type is not known"))
        return {}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    if kinds == {"string"}:
        words = _text_schema(seen, path, notes)
    else:
        if len(kinds) > 1:
            counts = ", ".join(f"{kind} {seen.kinds.get(kind, 0):,}×" for kind in sorted(kinds))
            notes.append(Note(path, f"has values of several types: {counts}"))
        ordered = sorted(kinds)
        words = {"type": ordered[0] if len(ordered) == 1 else ordered}
    if "object" in kinds:
        words.update(_object_words(seen, path, notes))
    if "array" in kinds:
        items = seen.items
        if items is None or not items.count:
            notes.append(Note(path, "is always an empty list, so its items are not known"))
        else:
            words["items"] = _schema(items, f"{path}.*", notes)
    if "null" in seen.kinds:
        own = words["type"]
        words["type"] = [*([own] if isinstance(own, str) else own), "null"]
    if seen.examples and "enum" not in words:
        words["examples"] = [_example(value, words) for value in seen.examples]
    if "enum" in words and "null" in seen.kinds:
        words["enum"] = [*words["enum"], None]
    return words


def _text_schema(seen: _Seen, path: str, notes: list[Note]) -> dict[str, Any]:
    shapes = seen.shapes
    if "leading zero" in shapes:
        if set(shapes) <= {"integer", "leading zero"}:
            notes.append(
                Note(path, "looks like numbers but has leading zeros, so it is proposed as text")
            )
    elif "decimal comma" in shapes and set(shapes) <= {"integer", "decimal comma"}:
        notes.append(Note(path, "is numbers with a decimal comma: map it with number(…, ',')"))
        return {"type": "number"}
    elif set(shapes) <= {"integer", "number"}:
        kind = "integer" if set(shapes) == {"integer"} else "number"
        if kind == "integer" and seen.values is not None and set(seen.values) <= {"0", "1"}:
            notes.append(Note(path, "has only 0 and 1: it may be a boolean"))
        notes.append(
            Note(path, f"is text that always reads as {kind}; keep it text if it is a code")
        )
        return {"type": kind}
    elif set(shapes) == {"boolean"}:
        return {"type": "boolean"}
    elif len(shapes) > 1 and set(shapes) & {"integer", "number"}:
        numbers = shapes.get("integer", 0) + shapes.get("number", 0)
        notes.append(Note(path, f"mixes numbers ({numbers:,}×) and other text; proposed as text"))
    words: dict[str, Any] = {"type": "string"}
    if seen.formats:
        words["format"] = next(name for name in _FORMATS if name in seen.formats)
        if seen.blanks:
            notes.append(Note(path, "is blank in some rows; those objects will not have it"))
    elif _is_enum(seen):
        assert seen.values is not None  # _is_enum looked
        words["enum"] = sorted(seen.values)
        notes.append(Note(path, f"has only {len(seen.values)} different values; is that for good?"))
        if seen.blanks:
            words["enum"] = ["", *words["enum"]]
    return words


def _is_enum(seen: _Seen) -> bool:
    values = seen.values
    return (
        values is not None
        and seen.texts >= _ENUM_ROWS
        and len(values) >= 2
        and min(values.values()) >= 2
        and set(seen.shapes) == {"text"}
    )


def _example(value: Any, words: dict[str, Any]) -> Any:
    """An example in the proposed type, not in the source's spelling."""
    kinds = words.get("type", ())
    if isinstance(value, str) and "string" not in kinds:
        if "boolean" in kinds:
            return value.strip().lower() == "true"
        plain = value.strip()
        if "," in plain:
            plain = plain.replace(".", "").replace(",", ".")
        return canonical.number(Decimal(plain))
    return canonical.value(value)
