"""Schema inference: propose a JSON Schema from rows, with notes on uncertain points.

The result is a proposal. A user reads the notes and saves the schema, which is then authoritative.
Schema and casts together accept every row they were derived from. What a sample may show by chance
(no missing values, few different values) becomes a note with its evidence, not a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.mapping.readings import Texts, example
from app.mapping.validation import DIALECT
from connectors.sdk import RowData, canonical, paths
from connectors.sdk.counting import counted

MOST_NAMES = 1000
"""Fields of one object; more are treated as keys of a map without fixed properties."""
MOST_LEVELS = 50
"""Levels examined; deeper ones are left open."""
MOST_VALUES = 5_000_000
"""Values examined, including nested ones."""

_MOST_EXAMPLES = 3
_LONGEST_EXAMPLE = 100
_OFTEN = 20


@dataclass(frozen=True, slots=True)
class Note:
    """A point for the user to check, and where."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Inference:
    """The proposal: a schema, and the casts that a mapping needs for valid rows."""

    schema: dict[str, Any]
    notes: tuple[Note, ...]
    rows: int
    casts: dict[str, Any] = field(default_factory=dict)


def infer_schema(
    rows: Iterable[RowData],
    *,
    title: str = "",
    enough: Callable[[], bool] = lambda: False,
    without_casts: frozenset[str] = frozenset(),
) -> Inference:
    """Propose a draft 2020-12 schema for objects like these rows.

    `enough` is called after each row to check for a time-out; `without_casts` are properties
    that the mapping already casts.
    """
    seen, budget = _Seen(), _Budget(MOST_VALUES)
    notes: list[Note] = []
    for row in rows:
        seen.add(row, budget)
        if budget.left <= 0 or enough():
            notes.append(
                Note("", f"only the first {counted(seen.count, 'row was', 'rows were')} examined")
            )
            break
    if not seen.count:
        notes.append(Note("", "there are no rows, so nothing can be said about fields"))
    schema: dict[str, Any] = {"$schema": DIALECT}
    if title:
        schema["title"] = title
    schema["type"] = "object"
    proposal = _Proposal(notes, without_casts)
    schema.update(proposal.object(seen, "", castable=True))
    proposal.note_always_there(seen)
    return Inference(schema, tuple(notes), seen.count, proposal.casts)


@dataclass(slots=True)
class _Budget:
    left: int


@dataclass(slots=True)
class _Seen:
    """What was seen at one place in the rows."""

    count: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    blanks: int = 0
    members: dict[str, _Seen] | None = field(default_factory=dict)
    """By name; None if there are too many names or levels."""
    items: _Seen | None = None
    examples: list[Any] = field(default_factory=list)
    texts: Texts = field(default_factory=Texts)

    def add(self, value: Any, budget: _Budget, levels: int = MOST_LEVELS) -> None:
        budget.left -= 1
        self.count += 1
        kind = _kind(value)
        if kind == "string" and not value.strip():
            self.blanks += 1
            return
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind in ("object", "array") and levels == 0:
            self.members = None
        elif kind == "object":
            self._add_members(value, budget, levels - 1)
        elif kind == "array":
            self.items = self.items or _Seen()
            for item in value:
                self.items.add(item, budget, levels - 1)
        elif kind != "null":
            short = not isinstance(value, str) or len(value) <= _LONGEST_EXAMPLE
            if len(self.examples) < _MOST_EXAMPLES and short and value not in self.examples:
                self.examples.append(value)
            if kind == "string":
                self.texts.add(value)

    def _add_members(self, value: dict[str, Any], budget: _Budget, levels: int) -> None:
        for name, member in value.items():
            if self.members is None:
                return
            place = self.members.get(name)
            if place is None:
                if len(self.members) >= MOST_NAMES:
                    self.members = None
                    return
                place = self.members[name] = _Seen()
            place.add(member, budget, levels)


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


class _Proposal:
    """The schema, assembled place by place, with its casts and notes."""

    def __init__(self, notes: list[Note], without_casts: frozenset[str]) -> None:
        self._notes = notes
        self._without_casts = without_casts
        self.casts: dict[str, Any] = {}

    def note_always_there(self, seen: _Seen) -> None:
        """List the candidates for `required`, which a sample cannot decide."""
        always = [
            name
            for name, member in (seen.members or {}).items()
            if member.count == seen.count and not member.blanks and "null" not in member.kinds
        ]
        if always and seen.count >= _OFTEN:
            shown = ", ".join(always[:20]) + (" …" if len(always) > 20 else "")
            self._note(
                "",
                f"these have a value in all {counted(seen.count, 'row')}; make them required if "
                f"they "
                f"always have: {shown}",
            )

    def object(self, seen: _Seen, path: str, *, castable: bool) -> dict[str, Any]:
        if seen.members is None:
            self._note(path, "has too many different names or levels, so they are left open")
            return {"properties": {}}
        return {
            "properties": {
                name: self._place(member, _below(path, name), castable=castable and bool(name))
                for name, member in seen.members.items()
            }
        }

    def _place(
        self, seen: _Seen, path: str, *, castable: bool, item: bool = False
    ) -> dict[str, Any]:
        kinds = set(seen.kinds) - {"null"}
        if not kinds:
            self._note(path, "is always empty, so its type is unknown")
            return {}
        if kinds == {"integer", "number"}:
            kinds = {"number"}
        if kinds == {"string"}:
            words = self._text(seen, path, castable=castable)
        else:
            words = self._kinds(seen, kinds, path)
        if "object" in kinds:
            words.update(self.object(seen, path, castable=castable and kinds == {"object"}))
        if "array" in kinds:
            self._items(seen, path, words)
        own = words["type"]
        blank = item and seen.blanks and (own != "string" or "format" in words)
        if "null" in seen.kinds or blank:  # a blank item cannot be omitted
            words["type"] = [*([own] if isinstance(own, str) else own), "null"]
        return words

    def _kinds(self, seen: _Seen, kinds: set[str], path: str) -> dict[str, Any]:
        if len(kinds) > 1:
            counts = ", ".join(f"{kind} {seen.kinds.get(kind, 0):,}×" for kind in sorted(kinds))
            self._note(path, f"has values of several types: {counts}")
        ordered = sorted(kinds)
        words: dict[str, Any] = {"type": ordered[0] if len(ordered) == 1 else ordered}
        if seen.examples:
            words["examples"] = [canonical.value(value) for value in seen.examples]
        return words

    def _text(self, seen: _Seen, path: str, *, castable: bool) -> dict[str, Any]:
        reading = seen.texts.reading()
        if reading.cast is not None and (not castable or path in self._without_casts):
            self._note(path, f"{reading.note}, which cannot be represented here; proposed as text")
            return {"type": "string", "examples": seen.examples}
        if reading.cast is not None:
            self.casts[path] = reading.cast
        if reading.note:
            self._note(path, reading.note)
        if "format" in reading.words and seen.blanks:
            self._note(path, "is blank in some rows; their objects will not have it")
        words = dict(reading.words)
        if seen.examples:
            words["examples"] = [example(value, reading) for value in seen.examples]
        return words

    def _items(self, seen: _Seen, path: str, words: dict[str, Any]) -> None:
        items = seen.items
        if seen.members is None:
            self._note(path, "has too many levels, so they are left open")
        elif items is None or not items.count:
            self._note(path, "is always an empty list, so its items are unknown")
        else:
            words["items"] = self._place(items, f"{path}.*", castable=False, item=True)

    def _note(self, path: str, message: str) -> None:
        self._notes.append(Note(path, message))


def _below(path: str, name: str) -> str:
    escaped = paths.escape(name)
    return f"{path}.{escaped}" if path else escaped
