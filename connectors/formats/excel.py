"""Workbooks (xlsx, xlsm, xlsb, xls, ods) to rows.

The process of `connectors.formats.workbook` returns the rows of a sheet as JSON in chunks, so
memory use does not grow with the sheet. Rows are decoded individually, on demand.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, Literal

from pydantic import Field, field_validator

from connectors.formats import base, workbook
from connectors.formats.sheet import Line, SheetBatch, SheetTable, header_of, table_of
from connectors.sdk import Batch, ConfigModel, RowProblem
from connectors.sdk.counting import counted

_RANGE = re.compile(r"\$?([A-Za-z]{0,3})\$?(\d{0,7})(?::\$?([A-Za-z]{0,3})\$?(\d{0,7}))?")


class ExcelOptions(ConfigModel):
    """The sheet of a workbook, and where its table is."""

    sheet: str | int | None = Field(
        None, description="Name, or number from 1; default: the first visible sheet"
    )
    header_row: int | None = Field(
        None,
        ge=0,
        description="Row number of the column names, as shown in the spreadsheet; 0: no "
        "header; default: the first row that is not blank, or the one below a title",
    )
    range: str = Field("", description="Cells of the table including its header, such as B3:F200")
    fill_merged: bool = Field(
        False, description="Give every cell of a merged area the value of that area"
    )
    nulls: list[str] = Field([], description="Texts that mean null; '' is an empty cell")
    error_cells: Literal["quarantine", "null"] = Field(
        "quarantine", description="How to treat a row with an error value such as #DIV/0!"
    )

    @field_validator("range")
    @classmethod
    def _valid_range(cls, value: str) -> str:
        Area.parse(value)
        return value


@dataclass(frozen=True, slots=True)
class Area:
    """Rows and columns of a sheet, inclusive, counted from 0; None: to the last."""

    top: int = 0
    left: int = 0
    bottom: int | None = None
    right: int | None = None

    @classmethod
    def parse(cls, text: str) -> Area:
        """``B3:F200``, ``A:F``, ``3:200`` or ``B3`` (from there on). Raises ValueError."""
        if not text.strip():
            return cls()
        found = _RANGE.fullmatch(text.strip())
        if not found or not any(found.groups()):
            raise ValueError("must be a range such as B3:F200, A:F or 3:200")
        left, top, right, bottom = found.groups()
        area = cls(
            top=int(top) - 1 if top else 0,
            left=_column(left) if left else 0,
            bottom=int(bottom) - 1 if bottom else None,
            right=_column(right) if right else None,
        )
        if area.top < 0 or not (
            (area.bottom is None or area.bottom >= area.top)
            and (area.right is None or area.right >= area.left)
        ):
            raise ValueError("must go from the upper left to the lower right cell")
        return area


def _column(letters: str) -> int:
    """``A`` is 0, ``Z`` 25, ``AA`` 26."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


class ExcelReader(base.FormatReader):
    """Reads one sheet of a workbook; see `ExcelOptions`."""

    def __init__(self, options: ExcelOptions | None = None) -> None:
        super().__init__()
        self.options = options or ExcelOptions()

    def batches(
        self, stream: BinaryIO, *, name: str = "", batch_size: int = base.BATCH_SIZE
    ) -> Generator[Batch]:
        options = self.options
        area = Area.parse(options.range)
        guesses_sheet = options.sheet in (None, "")
        request = {
            "sheet": options.sheet,
            "known": self.known("sheet", name) if guesses_sheet else None,
            "area": [area.top, area.left, area.bottom, area.right],
            "fill_merged": options.fill_merged,
            "error_cells": options.error_cells,
        }
        with closing(workbook.frames(stream, request, name)) as frames:
            book = next(frames).header
            if guesses_sheet:
                self.settle("sheet", book["sheet"], name, "sheet")
            where = base.at(name, f"sheet {book['sheet']}")
            first = next(frames)
            progress = _Progress()
            head = list(progress.lines([first]))
            table, header, lines = table_of(
                head, progress.lines(frames), self._header_row(head, name), options.nulls, where
            )
            if header is not None:
                self.settle_columns(table.columns, base.at(where, f"row {header + 1}"))
            self.facts = {
                "sheet": book["sheet"],
                "sheets": book["sheets"],
                "rows": progress.estimate(),
                "columns": len(table.columns),
            }
            if header is not None:
                self.facts["header_row"] = header + 1
            strays: list[Line] = []
            if header is not None and not any(name in table.unnamed for name in self.key):
                lines = (row for row in lines if not _is_stray(row, table, strays))
            yield from _batches(lines, table, batch_size, progress, strays)

    def _header_row(self, head: Sequence[Line], name: str) -> int | None:
        """The row number of the names: as set, as found earlier, or as detected."""
        if self.options.header_row is not None or not head:
            return self.options.header_row
        known = self.known("header_row", name)
        found = known if isinstance(known, int) else header_of(head) + 1
        self.settle("header_row", found, name, "header_row")
        return found


class _Progress:
    """An estimate of the number of rows, from the share of the sheet read so far."""

    def __init__(self) -> None:
        self._rows = 0
        self._share = 1.0

    def lines(self, frames: Iterable[workbook.Frame]) -> Iterator[Line]:
        for frame in frames:
            numbers, bad = frame.header["rows"], frame.header["bad"]
            self._rows += len(numbers)
            self._share = frame.header["share"]
            for index, (row, line) in enumerate(zip(numbers, frame.lines, strict=True)):
                found = bad.get(str(index)) if bad else None
                cells = {int(place): (cell[0], cell[1]) for place, cell in (found or {}).items()}
                yield Line(row, line, cells)

    def estimate(self) -> int:
        return round(self._rows / self._share) if self._share else self._rows


def _is_stray(row: Line, table: SheetTable, strays: list[Line]) -> bool:
    found = table.is_stray(row)
    if found:
        strays.append(row)
    return found


def _batches(
    rows: Iterator[Line],
    table: SheetTable,
    size: int,
    progress: _Progress,
    strays: Sequence[Line],
) -> Generator[Batch]:
    lines: list[bytes] = []
    numbers: list[int] = []
    problems: list[RowProblem] = []

    def batch() -> Batch:
        return SheetBatch(
            layout=table.layout,
            table=table,
            lines=lines,
            numbers=numbers,
            problems=problems,
            total=progress.estimate(),
        )

    for line in rows:
        if line.bad:
            problems.append(table.problem(line))
        else:
            lines.append(line.json)
            numbers.append(line.row)
        if len(lines) + len(problems) >= size:
            yield batch()
            lines, numbers, problems = [], [], []
    last = batch()
    if strays:
        place = table.position(strays[0].row)
        left = "is left" if len(strays) == 1 else "are left"
        said = counted(len(strays), "row has", "rows have")
        what = "nothing under the headings of the table, but something next to them, and"
        last.warnings = [f"{said} {what} {left} out; the first: {place}"]
    if lines or problems or strays:
        yield last
