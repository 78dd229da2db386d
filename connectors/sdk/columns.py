"""The fields of many rows as JSON text, column by column: a load needs no object per value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What every value of a column is, but for nulls."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    STRING = "string"
    DATE = "date"
    """A string that is a date of RFC 3339: ``2024-02-29``."""
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Column:
    """One field of many rows, in the order of the rows; None is null.

    `texts` are the values in canonical JSON or, where `plain`, strings that need no escape in
    JSON, without their quotation marks.
    """

    kind: Kind
    texts: Sequence[str | None]
    nulls: bool = False
    """Whether one of them is null."""
    plain: bool = False

    def json(self) -> list[str]:
        """The canonical JSON of each value, null included."""
        if self.plain:
            return ["null" if text is None else f'"{text}"' for text in self.texts]
        return ["null" if text is None else text for text in self.texts]
