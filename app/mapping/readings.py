"""How the texts of a column can be read: as numbers, dates, booleans, or only as text.

Every value counts: the first value that a reading does not accept eliminates it. If two readings
remain that give different values, the column stays text. `1,644` may be 1644 or 1.644, and a wrong
guess would be stored a thousand times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs

from app.mapping.casts import compile_cast
from app.mapping.language import dates
from app.mapping.spec import Cast
from app.mapping.types import compile_coercion
from connectors.sdk import FieldError
from connectors.sdk.counting import counted

LONGEST_TEXT = 1000
"""Longer texts are always text."""

_MOST_VALUES = 12
_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_LEADING_ZERO = re.compile(r"-?0\d+", re.ASCII)
_NUMBERS = {
    "plain": re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII),
    "comma": re.compile(r"-?(?:[1-9]\d{0,2}(?:\.\d{3})+|0|[1-9]\d*)(?:,\d+)?", re.ASCII),
    "grouped": re.compile(r"-?(?:[1-9]\d{0,2}(?:,\d{3})+|0|[1-9]\d*)(?:\.\d+)?", re.ASCII),
}
_CASTS: dict[str, Any] = {
    "plain": None,
    "comma": {"type": "number", "decimal": ","},
    "grouped": {"type": "number", "decimal": "."},
}
_WORDS = {"comma": "a decimal comma", "grouped": "commas between thousands", "plain": "a point"}
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}", re.ASCII)
_COMPACT_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", re.ASCII)
_LOCAL_TIME = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}[T ]\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?", re.ASCII
)
_LAYOUTS = ("%d-%m-%Y", "%m-%d-%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y")
_PAIRS = (
    ("true", "false"), ("ja", "nee"), ("j", "n"), ("yes", "no"), ("y", "n"), ("oui", "non"),
    ("on", "off"), ("waar", "onwaar"), ("t", "f"), ("si", "no"), ("sí", "no"),
)  # fmt: skip
_FLAG = compile_cast("boolean")
FORMATS = ("date-time", "date", "time", "uuid", "email", "uri", "ipv4", "ipv6")
_COERCED = {
    name: compile_coercion({"properties": {"x": {"type": "string", "format": name}}})
    for name in FORMATS
}
_VALIDATORS = {
    name: jsonschema_rs.Draft202012Validator(
        {"type": "string", "format": name}, validate_formats=True, offline=True
    )
    for name in FORMATS
}


@dataclass(frozen=True, slots=True)
class Reading:
    """The proposal for a column of texts."""

    words: Mapping[str, Any]
    """In the JSON Schema."""
    cast: Mapping[str, Any] | str | None = None
    """The cast for the mapping; None if coercion suffices."""
    note: str = ""


@dataclass(slots=True)
class Texts:
    """The texts of one column in order, without blank ones."""

    count: int = 0
    values: dict[str, int] | None = field(default_factory=dict)
    """How often each value occurred, while there are few."""
    _numbers: dict[str, int] = field(default_factory=dict)
    _styles: set[str] = field(default_factory=lambda: set(_NUMBERS))
    _integers: int = 0
    _numeric: int = 0
    _commas: bool = False
    _zeros: int = 0
    _compact: bool = True
    _local_times: bool = True
    _layouts: tuple[str, ...] | None = None
    _formats: tuple[str, ...] | None = None

    def add(self, value: str) -> None:
        self.count += 1
        text = value.strip()
        if len(text) > LONGEST_TEXT:
            self.values = None
            self._styles.clear()
            self._layouts = self._formats = ()
            self._local_times = self._compact = False
            return
        if self.values is not None:
            self.values[value] = self.values.get(value, 0) + 1
            if len(self.values) > _MOST_VALUES:
                self.values = None
        self._add_number(text)
        if self._layouts != ():
            self._add_date(text)
        self._local_times = self._local_times and _LOCAL_TIME.fullmatch(text) is not None
        candidates = FORMATS if self._formats is None else self._formats
        if candidates:
            self._formats = tuple(name for name in candidates if _has_format(name, value))

    def _add_number(self, text: str) -> None:
        integer = _INTEGER.fullmatch(text) is not None
        self._integers += integer
        zero = _LEADING_ZERO.fullmatch(text) is not None
        self._zeros += zero
        self._compact = self._compact and _COMPACT_DATE.fullmatch(text) is not None
        if integer:
            self._numeric += 1
            return
        styles = {style for style, form in _NUMBERS.items() if form.fullmatch(text)}
        self._numeric += bool(styles)
        if not zero:
            self._styles &= styles
        if styles:
            self._commas |= "," in text

    def _add_date(self, text: str) -> None:
        if _DATE.fullmatch(text) is None:
            self._layouts = ()
            return
        layouts = _LAYOUTS if self._layouts is None else self._layouts
        self._layouts = tuple(layout for layout in layouts if _is_date(text, layout))

    def reading(self) -> Reading:
        """The remaining reading, or text with a note."""
        return self._as_boolean() or self._as_number() or self._as_date() or self._as_text()

    def _as_boolean(self) -> Reading | None:
        words = {value.strip().lower() for value in self.values or ()}
        if words and words <= {"true", "false"}:
            return Reading({"type": "boolean"})
        if any(words == set(pair) for pair in _PAIRS) and all(map(_is_flag, words)):
            shown = " and ".join(sorted(words))
            return Reading(
                {"type": "boolean"}, "boolean", f"has only {shown}: proposed as a boolean"
            )
        return None

    def _as_number(self) -> Reading | None:
        if self._zeros:
            if self._integers + self._zeros < self.count:
                return None
            note = "looks like numbers but has leading zeros, so it is proposed as text"
            return Reading({"type": "string"}, note=note)
        if not self.count or not self._styles:
            return None
        if self._integers == self.count:
            return self._as_integer()
        styles = [style for style in ("plain", "comma", "grouped") if style in self._styles]
        if not self._commas:  # points alone: grouped reads them as plain does
            styles = [style for style in styles if style != "grouped"]
        if len(styles) > 1:
            said = " or ".join(_WORDS[style] for style in styles)
            note = (
                f"may be numbers with {said}, and the texts do not show which: proposed as text. "
                "Map it with the cast number and its decimal sign"
            )
            return Reading({"type": "string"}, note=note)
        style = styles[0]
        if style == "plain":
            note = "is text that can always be read as a number; keep it text if it is a code"
            return Reading({"type": "number"}, note=note)
        note = f"is numbers with {_WORDS[style]}: the mapping needs a cast"
        return Reading({"type": "number"}, _CASTS[style], note)

    def _as_integer(self) -> Reading:
        note = "is text that can always be read as an integer; keep it text if it is a code"
        if self.values is not None and {value.strip() for value in self.values} == {"0", "1"}:
            note = f"has only 0 and 1: it may be a boolean. It {note}"
        elif self._compact:
            note = f"may be dates such as 20251231. It {note}"
        return Reading({"type": "integer"}, note=note)

    def _as_date(self) -> Reading | None:
        if not self._layouts:
            return None
        if len(self._layouts) > 1:
            said = " or ".join(self._layouts)
            note = f"may be dates as {said}, and the texts do not show which: proposed as text"
            return Reading({"type": "string"}, note=note)
        (layout,) = self._layouts
        note = f"is dates as {layout}: the mapping needs a cast"
        return Reading(
            {"type": "string", "format": "date"}, {"type": "date", "format": layout}, note
        )

    def _as_text(self) -> Reading:
        if self._formats:
            return Reading({"type": "string", "format": self._formats[0]})
        if self._local_times and self.count:
            note = "looks like dates with a time but no zone: map it with the cast datetime"
            return Reading({"type": "string"}, note=note)
        if 0 < self._numeric < self.count:
            note = f"mixes numbers ({self._numeric:,}×) and other text; proposed as text"
            return Reading({"type": "string"}, note=note)
        return Reading({"type": "string"}, note=self._few_values())

    def _few_values(self) -> str:
        """Evidence for an enum, which a user must decide, because other values may follow."""
        values = self.values or {}
        if self.count < 50 or not len(values) >= 2 or min(values.values(), default=0) < 2:
            return ""
        ordered = sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))
        shown = ", ".join(f"{value[:40]} ({times:,}×)" for value, times in ordered)
        return (
            f"has only {counted(len(values), 'different value')}: {shown}. Make it an enum "
            f"if these are all"
        )


def _is_date(text: str, layout: str) -> bool:
    try:
        dates.read(text, layout, None)
    except ValueError:
        return False
    return True


def _is_flag(word: str) -> bool:
    try:
        return isinstance(_FLAG(word), bool)
    except ValueError:
        return False


def _has_format(name: str, value: str) -> bool:
    """Whether a value, after coercion, is valid in that format."""
    errors: list[FieldError] = []
    coerced = _COERCED[name]({"x": value}, errors).get("x")
    return not errors and _VALIDATORS[name].is_valid(coerced)


def example(value: Any, reading: Reading) -> Any:
    """A text of the column converted to the proposed type."""
    if reading.cast is not None:
        cast = reading.cast
        return compile_cast(cast if isinstance(cast, str) else Cast.model_validate(cast))(value)
    coerce = compile_coercion({"properties": {"x": dict(reading.words)}})
    return coerce({"x": value}, []).get("x", value)
