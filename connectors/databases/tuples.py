"""Rows as tuples from a database driver.

The raw form of a row is the `repr` of its tuple: short and exact for the types that drivers return,
and cheaper than JSON, which has no bytes, decimals or dates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.databases.lines import place
from connectors.sdk import canonical
from connectors.sdk.rows import (
    Batch,
    FieldError,
    JsonValue,
    Row,
    RowDecodeError,
    RowProblem,
    Stage,
)

ConvertItem = Callable[[Any], JsonValue]


@dataclass(frozen=True, slots=True)
class TupleColumn:
    """One column; `convert` raises ValueError if JSON cannot represent a value."""

    name: str
    type: str
    convert: ConvertItem


@dataclass(frozen=True, slots=True)
class TupleFormat:
    """How to read the tuples of a table or query. `key` names the columns used in positions."""

    columns: Sequence[TupleColumn]
    subject: str
    key: Sequence[str] = ()
    layout: bytes = field(init=False)

    def __post_init__(self) -> None:
        shape = ["tuples", 1, [[column.name, column.type] for column in self.columns]]
        object.__setattr__(self, "layout", canonical.dumps(shape))

    def decode(self, items: Sequence[Any], number: int) -> Row:
        """The row with this number. Raises RowDecodeError."""
        data: dict[str, JsonValue] = {}
        faults = []
        for column, item in zip(self.columns, items, strict=True):
            try:
                data[column.name] = None if item is None else column.convert(item)
            except ValueError as error:
                data[column.name] = shown = _shown(item)
                faults.append(FieldError(column.name, str(error), shown))
        position = place(self.subject, number, self.key, data)
        if faults:
            raise RowDecodeError(RowProblem(position, Stage.READ, tuple(faults), data))
        return Row(data, position)


def _shown(item: object) -> str:
    """An unreadable value for display; undecodable bytes are shown as marks."""
    return str(item).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass(slots=True, kw_only=True)
class TupleBatch(Batch):
    """A batch of tuples; only changed rows are converted."""

    format: TupleFormat
    items: Sequence[Sequence[Any]]
    first: int

    def __len__(self) -> int:
        return len(self.items)

    def row(self, index: int) -> Row:
        return self.format.decode(self.items[index], self.first + index)

    def raw(self) -> Sequence[bytes]:
        return [repr(item).encode("utf-8", "backslashreplace") for item in self.items]

    def keys(self, paths: Sequence[str]) -> list[str | None] | None:
        names = [column.name for column in self.format.columns]
        if any(path not in names for path in paths):
            return None
        parts = [self._key_part(names.index(path)) for path in paths]
        return [canonical.join_key(part) for part in zip(*parts, strict=True)]

    def _key_part(self, index: int) -> list[str | None]:
        convert = self.format.columns[index].convert

        def text(item: Any) -> str | None:
            try:
                return None if item is None else canonical.key_part(convert(item))
            except ValueError:  # decoding the row will report the error
                return None

        return [text(item[index]) for item in self.items]
