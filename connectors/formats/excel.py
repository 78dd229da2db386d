"""Workbooks (xlsx, xlsm, xlsb, xls, ods) to rows, by calamine.

Calamine reads a worksheet as a whole, so memory grows with the sheet, though not with the
workbook. Rows become JSON one by one, when they are wanted.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, TypeAlias

import orjson
import python_calamine as calamine
from pydantic import Field, field_validator

from connectors.formats import base
from connectors.formats.workbook import column_number, error_cells, explain, refuse_bomb
from connectors.sdk import (
    Batch,
    ConfigModel,
    DataError,
    FieldError,
    JsonValue,
    MissingError,
    Row,
    RowData,
    RowProblem,
    Stage,
    canonical,
)

Cell: TypeAlias = "str | int | float | bool | dt.date | dt.datetime | dt.time | dt.timedelta"

Errors: TypeAlias = "dict[tuple[int, int], str]"
"""Error codes such as #N/A by row and column, both from 0."""

_RANGE = re.compile(r"\$?([A-Za-z]{0,3})\$?(\d*)(?::\$?([A-Za-z]{0,3})\$?(\d*))?")


class ExcelOptions(ConfigModel):
    """Which sheet of a workbook, and where on it the table is."""

    sheet: str | int | None = Field(
        None, description="Name, or number from 1; left out: the first visible sheet"
    )
    header_row: int | None = Field(
        None,
        ge=0,
        description="Row number of the column names as the spreadsheet shows it; 0: there is "
        "none; left out: the first row that is not blank",
    )
    range: str = Field("", description="The cells of the table with its header, such as B3:F200")
    fill_merged: bool = Field(
        False, description="Give every cell of a merged area the value that the area shows"
    )
    nulls: list[str] = Field([], description="Texts that mean null; '' is an empty cell")
    error_cells: Literal["quarantine", "null"] = Field(
        "quarantine", description="What a cell such as #DIV/0! does to its row"
    )

    @field_validator("range")
    @classmethod
    def _valid_range(cls, value: str) -> str:
        Area.parse(value)
        return value


@dataclass(frozen=True, slots=True)
class Area:
    """Rows and columns of a sheet, both ends included, counted from 0; None: to the last."""

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
            left=column_number(left) if left else 0,
            bottom=int(bottom) - 1 if bottom else None,
            right=column_number(right) if right else None,
        )
        if area.top < 0 or not (
            (area.bottom is None or area.bottom >= area.top)
            and (area.right is None or area.right >= area.left)
        ):
            raise ValueError("must go from the upper left to the lower right cell")
        return area


@dataclass(frozen=True, slots=True)
class SheetTable:
    """Where the cells of a row go."""

    columns: tuple[str, ...]
    unnamed: frozenset[str]
    nulls: frozenset[str]
    name: str
    layout: bytes

    def position(self, number: int) -> str:
        return base.at(self.name, f"row {number}")

    def data(self, cells: Sequence[Cell]) -> RowData:
        """The fields of a row; a column without a heading counts only where it holds something."""
        fields = {
            name: _CONVERT[type(cell)](cell) for name, cell in zip(self.columns, cells, strict=True)
        }
        for name in self.unnamed:
            if fields[name] == "":
                del fields[name]
        if self.nulls:
            return {name: None if value in self.nulls else value for name, value in fields.items()}
        return fields


@dataclass(slots=True, kw_only=True)
class SheetBatch(Batch):
    """Rows as calamine gave them, turned into JSON on demand."""

    table: SheetTable
    cells: Sequence[list[Cell]]
    numbers: Sequence[int]
    _raw: list[bytes] | None = field(default=None, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.cells)

    def row(self, index: int) -> Row:
        return Row(self.table.data(self.cells[index]), self.table.position(self.numbers[index]))

    def raw(self) -> Sequence[bytes]:
        if self._raw is None:
            self._raw = [orjson.dumps(cells, default=str) for cells in self.cells]
        return self._raw


class ExcelReader(base.FormatReader):
    """Reads one sheet of a workbook; see `ExcelOptions`."""

    def __init__(self, options: ExcelOptions | None = None) -> None:
        super().__init__()
        self.options = options or ExcelOptions()

    def batches(
        self, stream: BinaryIO, *, name: str = "", batch_size: int = base.BATCH_SIZE
    ) -> Generator[Batch]:
        stream = base.rewindable(stream)
        refuse_bomb(stream, name)
        with self._workbook(stream, name) as workbook:
            meta = self._choose(workbook, name)
            sheet = workbook.get_sheet_by_name(meta.name)
            errors = error_cells(stream, meta.name)
            where = base.at(name, f"sheet {meta.name}")
            rows = self._rows(sheet, {row for row, _ in errors}, where)
            table, rows = self._table(rows, errors, where)
            self.facts = {
                "sheet": meta.name,
                "sheets": [
                    other.name
                    for other in workbook.sheets_metadata
                    if other.visible == calamine.SheetVisibleEnum.Visible
                ],
                "rows": sheet.total_height,
                "columns": len(table.columns),
            }
            if errors:
                self.facts["error_cells"] = len(errors)
            yield from _batches(rows, table, self.options.error_cells, errors, batch_size)

    def _workbook(self, stream: BinaryIO, name: str) -> calamine.CalamineWorkbook:
        start = stream.tell()
        try:
            return calamine.CalamineWorkbook.from_filelike(stream)
        except (calamine.CalamineError, OSError) as error:
            stream.seek(start)
            raise explain(stream, error, name) from None
        finally:
            stream.seek(start)

    def _choose(self, workbook: calamine.CalamineWorkbook, where: str) -> calamine.SheetMetadata:
        """The sheet that is meant. Raises MissingError with the names there are."""
        sheets = [
            sheet
            for sheet in workbook.sheets_metadata
            if sheet.typ == calamine.SheetTypeEnum.WorkSheet
        ]
        visible = [s for s in sheets if s.visible == calamine.SheetVisibleEnum.Visible]
        wanted = self.options.sheet
        if wanted is None or wanted == "":
            if visible:
                return visible[0]
            raise MissingError("The workbook has no visible sheet", where=where)
        by_name = [sheet for sheet in sheets if sheet.name == str(wanted)]
        if by_name:
            return by_name[0]
        number = int(wanted) if str(wanted).isdecimal() else 0
        if 1 <= number <= len(visible):
            return visible[number - 1]
        raise MissingError(
            f"The workbook has no sheet '{wanted}'",
            where=where,
            hint=f"It has {base.listing([sheet.name for sheet in visible])}; numbers begin at 1",
        )

    def _rows(
        self, sheet: calamine.CalamineSheet, with_errors: set[int], where: str
    ) -> Iterator[_Line]:
        """The rows within the range that are not blank."""
        if sheet.start is None:
            return
        area = Area.parse(self.options.range)
        offset = sheet.start[1]  # iter_rows begins in row 1, but in the first used column
        left = max(area.left - offset, 0)
        right = None if area.right is None else max(area.right + 1 - offset, 0)
        fill = _Merged(sheet, offset) if self.options.fill_merged else None
        try:
            for row, cells in enumerate(sheet.iter_rows()):
                if fill is not None:
                    fill(row, cells)
                if row < area.top:
                    continue
                if area.bottom is not None and row > area.bottom:
                    return
                if left or right is not None:
                    cells = cells[left:right]
                if cells.count("") != len(cells) or row in with_errors:
                    yield _Line(row, offset + left, cells)
        except calamine.CalamineError as error:
            raise DataError(f"The sheet cannot be read: {error}", where=where) from None

    def _table(
        self, rows: Iterator[_Line], errors: Errors, where: str
    ) -> tuple[SheetTable, Iterator[_Line]]:
        """The table and the rows below its header. Raises DataError where there is no header."""
        wanted = self.options.header_row
        first = next((line for line in rows if not wanted or line.row >= wanted - 1), None)
        if first is None or (wanted and first.row != wanted - 1):
            raise DataError(
                f"Row {wanted} holds no column names" if wanted else "There is nothing to read",
                where=where,
                hint="Set sheet, header_row or range; nothing was deleted",
            )
        if wanted == 0:
            names = [""] * len(first.cells)
            return self._make_table(names, where), itertools.chain([first], rows)
        broken = first.errors(errors)
        if broken:
            raise DataError(
                f"The header holds the error {next(iter(broken.values()))}",
                where=base.at(where, f"row {first.row + 1}"),
                hint="Repair the cell, or set header_row or range",
            )
        names = [str(_CONVERT[type(cell)](cell)).strip() for cell in first.cells]
        return self._make_table(names, where), rows

    def _make_table(self, names: list[str], where: str) -> SheetTable:
        columns = base.column_names(names, where)
        keep_all = self.options.header_row == 0
        unnamed = () if keep_all else (c for c, n in zip(columns, names, strict=True) if not n)
        nulls = sorted(self.options.nulls)
        return SheetTable(
            columns=columns,
            unnamed=frozenset(unnamed),
            nulls=frozenset(nulls),
            name=where,
            layout=base.fingerprint([*columns, None, *nulls, None, *names]),
        )


@dataclass(slots=True)
class _Line:
    """One row of a sheet: its number and the column of its first cell, both from 0."""

    row: int
    left: int
    cells: list[Cell]

    def errors(self, errors: Errors) -> dict[int, str]:
        """The error cells of this row, by their place in `cells`."""
        if not errors:
            return {}
        places = ((index, (self.row, self.left + index)) for index in range(len(self.cells)))
        return {index: errors[place] for index, place in places if place in errors}


class _Merged:
    """Fills merged areas, row by row, with the value of their upper left cell."""

    def __init__(self, sheet: calamine.CalamineSheet, offset: int) -> None:
        self._offset = offset
        self._areas = sorted(sheet.merged_cell_ranges or [], reverse=True)
        self._active: list[tuple[int, int, int, Cell]] = []

    def __call__(self, row: int, cells: list[Cell]) -> None:
        self._active = [area for area in self._active if area[0] >= row]
        while self._areas and self._areas[-1][0][0] <= row:
            (_, left), (bottom, right) = self._areas.pop()
            first, last = left - self._offset, min(right - self._offset, len(cells) - 1)
            if 0 <= first < len(cells):
                self._active.append((bottom, first, last, cells[first]))
        for _, first, last, value in self._active:
            for index in range(first, last + 1):
                cells[index] = value


def _batches(
    rows: Iterable[_Line], table: SheetTable, policy: str, errors: Errors, size: int
) -> Generator[Batch]:
    cells: list[list[Cell]] = []
    numbers: list[int] = []
    problems: list[RowProblem] = []
    for line in rows:
        broken = line.errors(errors)
        if broken and policy == "quarantine":
            problems.append(_problem(line, broken, table))
        else:
            cells.append(line.cells)
            numbers.append(line.row + 1)
        if len(cells) + len(problems) >= size:
            yield SheetBatch(
                layout=table.layout, table=table, cells=cells, numbers=numbers, problems=problems
            )
            cells, numbers, problems = [], [], []
    if cells or problems:
        yield SheetBatch(
            layout=table.layout, table=table, cells=cells, numbers=numbers, problems=problems
        )


def _problem(line: _Line, broken: dict[int, str], table: SheetTable) -> RowProblem:
    raw = table.data(line.cells)
    raw.update({table.columns[index]: code for index, code in broken.items()})
    return RowProblem(
        table.position(line.row + 1),
        Stage.READ,
        tuple(
            FieldError(table.columns[index], f"The cell holds the error {code}", code)
            for index, code in broken.items()
        ),
        raw,
    )


def _duration(span: dt.timedelta) -> str:
    """ISO 8601, in hours as spreadsheets count them: ``PT36H5M``."""
    seconds = span.total_seconds()
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [f"{hours}H" if hours else "", f"{minutes}M" if minutes else ""]
    parts.append(f"{rest:g}S" if rest or not any(parts) else "")
    return f"{sign}PT{''.join(parts)}"


def _same(cell: Any) -> JsonValue:
    return cell  # type: ignore[no-any-return]  # text, boolean or integer


_CONVERT: dict[type, Callable[[Any], JsonValue]] = {
    str: _same,
    bool: _same,
    int: _same,
    float: canonical.number,
    dt.date: dt.date.isoformat,
    dt.datetime: dt.datetime.isoformat,
    dt.time: dt.time.isoformat,
    dt.timedelta: _duration,
}
