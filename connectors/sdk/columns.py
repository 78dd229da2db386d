"""Fields of many rows as JSON text, column by column, to load rows without creating objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The type of all values in a column, apart from nulls."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    STRING = "string"
    DATE = "date"
    """A string that is an RFC 3339 date: ``2024-02-29``."""
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Column:
    """One field of many rows, in row order; None is null.

    `texts` are the values in canonical JSON or, if `plain`, unquoted strings that need no
    escaping in JSON.
    """

    kind: Kind
    texts: Sequence[str | None]
    nulls: bool = False
    """Whether any of them is null."""
    plain: bool = False

    def json(self) -> list[str]:
        """The canonical JSON of each value, including nulls."""
        if self.plain:
            return ["null" if text is None else f'"{text}"' for text in self.texts]
        return ["null" if text is None else text for text in self.texts]
