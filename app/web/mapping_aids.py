"""What the mapping editor makes of the sample: its fields, candidate keys, and grouped errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.mapping.readings import Texts
from app.sources.preview import PreviewRow
from app.web.languages import gettext as _
from connectors.sdk import JsonValue, Row, RowProblem

_LONGEST_KEY = 200
_DEEPEST = 4


@dataclass(slots=True)
class SourceField:
    """A field of the sample by its dotted name, with its values in the order of the rows."""

    name: str
    values: list[JsonValue] = field(default_factory=list)
    unique: bool = False
    """Every row has another value: it may be a key."""

    @property
    def example(self) -> JsonValue:
        return next((value for value in self.values if value not in (None, "")), None)


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem that several rows of the sample share; `cast` is a conversion that would help."""

    path: str
    message: str
    rows: int
    cast: Mapping[str, Any] | None = None

    @property
    def remedy(self) -> str:
        """The button that takes the cast over, in the language in force."""
        match self.cast:
            case {"type": "number", "decimal": ","}:
                return _("Read the decimal comma")
            case {"type": "number"}:
                return _("Read as a number")
            case {"type": "date", "format": layout}:
                return str(_("Read as a date: %s") % layout)
        return ""


def fields_of(sampled: Sequence[Row | RowProblem]) -> list[SourceField]:
    """The fields of the sample, in the order in which they appear."""
    found: dict[str, SourceField] = {}
    rows = [row.data for row in sampled if isinstance(row, Row)]
    for row in rows:
        for name, value in _leaves(row, ""):
            found.setdefault(name, SourceField(name)).values.append(value)
    for one in found.values():
        one.unique = len(rows) > 1 and _differ(one.values, len(rows))
    return list(found.values())


def faults_of(rows: Sequence[PreviewRow]) -> list[Fault]:
    """The problems of the previewed rows, the most frequent first."""
    grouped: dict[tuple[str, str], list[JsonValue]] = {}
    for row in rows:
        for problem in row.problems:
            grouped.setdefault((problem.path, problem.message), []).append(problem.value)
    found = [
        Fault(path, message, len(values), _cast(path, values))
        for (path, message), values in grouped.items()
    ]
    return sorted(found, key=lambda one: -one.rows)


def _leaves(node: Mapping[str, JsonValue], prefix: str) -> Iterator[tuple[str, JsonValue]]:
    for name, value in node.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and value and path.count(".") < _DEEPEST:
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _differ(values: Sequence[JsonValue], rows: int) -> bool:
    """Whether every row has a value of its own that can be a key."""
    texts = {
        str(value)
        for value in values
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""
    }
    return len(texts) == len(values) == rows and all(len(text) <= _LONGEST_KEY for text in texts)


def _cast(path: str, values: Sequence[JsonValue]) -> Mapping[str, Any] | None:
    """The conversion by which every one of these texts can be read, if there is exactly one."""
    texts = Texts()
    for value in values:
        if not isinstance(value, str):
            return None
        texts.add(value)
    cast = texts.reading().cast if path and "/" not in path and "." not in path else None
    return cast if isinstance(cast, Mapping) else None
