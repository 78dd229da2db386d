"""The table on a sheet: its header row, and how rows become fields."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from connectors.formats import base
from connectors.sdk import (
    Batch,
    DataError,
    FieldError,
    JsonValue,
    Row,
    RowData,
    RowProblem,
    Stage,
    canonical,
)

Cells: TypeAlias = "list[Any] | dict[str, Any]"
"""The cells of a row from column A on; of a wide, mostly blank row only the filled ones."""

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LINE_BREAK = re.compile(r"\s*[\r\n\t]+\s*")
_LONG_TITLE = 20
_ALL_FIELDS = 1024
"""Maximum number of columns for which a row without a header has a field each."""


class Line(NamedTuple):
    """A row of the sheet: its number from 0, its cells as JSON, and its unreadable cells."""

    row: int
    json: bytes
    bad: dict[int, tuple[str, str]]
    """The displayed value and the problem of unreadable cells, by column."""

    def cells(self) -> dict[int, Any]:
        """The cells that are not blank, by column."""
        found = canonical.loads(self.json)
        pairs = found.items() if isinstance(found, dict) else enumerate(found)
        return {int(place): value for place, value in pairs if value != ""}


@dataclass(frozen=True, slots=True)
class SheetTable:
    """The columns of a table; the first one is `left`, counted from 0."""

    columns: tuple[str, ...]
    unnamed: frozenset[str]
    """Columns without a heading; they count only if they are not empty."""
    nulls: frozenset[str]
    left: int
    name: str
    layout: bytes
    headed: frozenset[int]
    """The places of the columns with a heading, from 0; all where there is no header."""

    @classmethod
    def of(
        cls, names: Sequence[str], *, left: int, keep_all: bool, nulls: Iterable[str], where: str
    ) -> SheetTable:
        """Raises DataError if two columns have the same name."""
        columns = base.column_names(names, where)
        unnamed = (c for c, name in zip(columns, names, strict=True) if not name)
        headed = (left + at for at, name in enumerate(names) if name or keep_all)
        parts: list[JsonValue] = [*columns, None, *sorted(nulls), None, *names, left]
        return cls(
            columns=columns,
            unnamed=frozenset(() if keep_all else unnamed),
            nulls=frozenset(nulls),
            left=left,
            name=where,
            layout=base.fingerprint(parts),
            headed=frozenset(headed),
        )

    def position(self, row: int) -> str:
        return base.at(self.name, f"row {row + 1}")

    def column(self, place: int) -> str:
        """The name of a column, even if the header has none."""
        at = place - self.left
        if at < 0:
            return f"column_{at}"
        return self.columns[at] if at < len(self.columns) else f"column_{at + 1}"

    def data(self, found: Cells) -> RowData:
        """The fields of a row."""
        if isinstance(found, dict):
            cells = {int(place): value for place, value in found.items()}
            end = self.left + len(self.columns)
            inside = [cells.get(place, "") for place in range(self.left, end)]
            outside = {p: value for p, value in cells.items() if not self.left <= p < end}
        else:
            inside, outside = self._parted(found)
        fields: RowData = dict(zip(self.columns, inside, strict=True))
        for name in self.unnamed:
            if fields[name] == "":
                del fields[name]
        for place, value in outside.items():
            if value != "":
                fields[self.column(place)] = value
        if self.nulls:
            return {name: None if value in self.nulls else value for name, value in fields.items()}
        return fields

    def _parted(self, found: list[Any]) -> tuple[list[Any], dict[int, Any]]:
        width = len(self.columns)
        if not self.left and len(found) <= width:  # nearly always
            return found + [""] * (width - len(found)), {}
        end = self.left + width
        inside = found[self.left : end]
        places = itertools.chain(range(min(self.left, len(found))), range(end, len(found)))
        return inside + [""] * (width - len(inside)), {place: found[place] for place in places}

    def is_stray(self, line: Line) -> bool:
        """Whether a row holds nothing in the columns that have a heading, but something elsewhere.

        Such as a note next to or below the table, which is not a row of it.
        """
        if 0 in self.headed and not line.bad and not line.json.startswith((b'[""', b"{")):
            return False  # nearly always: the first cell holds something
        places = {*line.cells(), *line.bad}
        return bool(places) and self.headed.isdisjoint(places)

    def problem(self, line: Line) -> RowProblem:
        """A row with unreadable cells, and its other values."""
        raw = self.data(canonical.loads(line.json))
        raw.update({self.column(place): shown for place, (shown, _) in line.bad.items()})
        errors = tuple(
            FieldError(self.column(place), message, shown)
            for place, (shown, message) in line.bad.items()
        )
        return RowProblem(self.position(line.row), Stage.READ, errors, raw)


@dataclass(slots=True, kw_only=True)
class SheetBatch(Batch):
    """Rows as JSON, decoded on demand."""

    table: SheetTable
    lines: Sequence[bytes]
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.lines)

    def row(self, index: int) -> Row:
        data = self.table.data(canonical.loads(self.lines[index]))
        return Row(data, self.table.position(self.numbers[index]))

    def raw(self) -> Sequence[bytes]:
        return self.lines

    def keys(self, paths: Sequence[str]) -> list[str | None] | None:
        columns = self.table.columns
        if not all(_PLAIN_NAME.fullmatch(path) and path in columns for path in paths):
            return None
        places = [self.table.left + columns.index(path) for path in paths]
        rows = canonical.loads(b"[%b]" % b",".join(self.lines))
        return [
            canonical.join_key([self._key_part(row, place) for place in places]) for row in rows
        ]

    def _key_part(self, row: Cells, place: int) -> str | None:
        if isinstance(row, dict):
            value = row.get(str(place))
        else:
            value = row[place] if place < len(row) else None
        return None if value in self.table.nulls else canonical.key_part(value)


def table_of(
    head: Sequence[Line],
    lines: Iterator[Line],
    wanted: int | None,
    nulls: Sequence[str],
    where: str,
) -> tuple[SheetTable, int | None, Iterator[Line]]:
    """The table, its header row from 0 (None: no header), and the rows below it.

    `head` are the first rows, `lines` the following ones; `wanted` is the row number of the
    names, 0 if there are none. Raises DataError if that row is empty.
    """
    rest = itertools.chain(head, lines)
    first = next((line for line in rest if not wanted or line.row >= wanted - 1), None)
    if first is None or (wanted and first.row != wanted - 1):
        raise DataError(
            f"Row {wanted} has no column names" if wanted else "There is nothing to read",
            where=where,
            hint="Set sheet, header_row or range; nothing was deleted",
        )
    left = min((min(line.cells(), default=0) for line in head), default=0)
    if wanted == 0:
        width = max((max(line.cells(), default=0) for line in head), default=0) + 1 - left
        table = SheetTable.of(
            [""] * width,
            left=left,
            keep_all=width <= _ALL_FIELDS,
            nulls=nulls,
            where=where,
        )
        return table, None, itertools.chain([first], rest)
    if first.bad:
        shown, message = next(iter(first.bad.values()))
        what = f"The header contains the error {shown}" if shown in message else message
        raise DataError(
            what,
            where=base.at(where, f"row {first.row + 1}"),
            hint="Correct the cell, or set header_row or range",
        )
    cells = first.cells()
    left = min([left, *cells])
    names = [_name(cells.get(place, "")) for place in range(left, max(cells, default=left) + 1)]
    table = SheetTable.of(names, left=left, keep_all=False, nulls=nulls, where=where)
    return table, first.row, rest


def _name(value: Any) -> str:
    """The name in a header cell; line breaks within a name are ignored."""
    shown = {True: "True", False: "False"}.get(value, value) if type(value) is bool else value
    return _LINE_BREAK.sub(" ", str(shown).strip())


def header_of(head: Sequence[Line]) -> int:
    """The row of the column names: the first one, or the first below a title.

    A title is a row with few cells, all text, above a row with at least twice as many, all
    distinct texts; a blank row between them, or words unlike a column name, confirm it.
    """
    first = head[0]
    is_title = False
    for line, below in itertools.pairwise(head[:20]):
        cells, next_cells = line.cells(), below.cells()
        if line.bad or below.bad or not all(isinstance(cell, str) for cell in cells.values()):
            break
        if len(cells) > 2:
            break
        is_title = (
            is_title
            or below.row > line.row + 1
            or any(
                len(cell) > _LONG_TITLE or cell.rstrip().endswith(":") for cell in cells.values()
            )
        )
        if is_title and _could_be_names(next_cells) and len(next_cells) >= 2 * len(cells):
            return below.row
    return first.row


def _could_be_names(cells: dict[int, Any]) -> bool:
    values = list(cells.values())
    texts = all(isinstance(value, str) and len(value) <= 200 for value in values)
    return len(values) > 1 and texts and len(set(values)) == len(values)
