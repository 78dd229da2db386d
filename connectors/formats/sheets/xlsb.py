"""xlsb (MS-XLSB), with calamine, which keeps the sheet in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, BinaryIO

import python_calamine as calamine

from connectors.formats.sheets import cells
from connectors.formats.sheets.book import Book, SheetInfo, filled
from connectors.formats.sheets.cells import BLANK, Bad, Cell, Line
from connectors.formats.sheets.package import Package
from connectors.formats.sheets.xlsx import links_of

_BOOK = "xl/workbook.bin"
_BUNDLE = 156  # BrtBundleSh
_ROW, _ERROR, _FORMULA_ERROR = 0, 3, 11  # BrtRowHdr, BrtCellError, BrtFmlaError
_CODES = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}


class XlsbBook(Book):
    def __init__(self, stream: BinaryIO, package: Package) -> None:
        super().__init__(package.most)
        self._package = package
        stream.seek(0)
        self._book = calamine.CalamineWorkbook.from_filelike(stream)
        self.sheets = [
            SheetInfo(sheet.name, sheet.visible == calamine.SheetVisibleEnum.Visible)
            for sheet in self._book.sheets_metadata
            if sheet.typ == calamine.SheetTypeEnum.WorkSheet
        ]

    def lines(self, sheet: str, *, fill_merged: bool) -> Iterator[Line]:
        found = self._book.get_sheet_by_name(sheet)
        lines = self._lines(found, self._errors(sheet))
        if not fill_merged:
            return lines
        merged = found.merged_cell_ranges or []
        return filled(lines, [(top, left, end, right) for (top, left), (end, right) in merged])

    def _lines(
        self, sheet: calamine.CalamineSheet, errors: dict[tuple[int, int], str]
    ) -> Iterator[Line]:
        if sheet.start is None:
            return
        offset = sheet.start[1]  # rows begin in row 1, but in the first used column
        self.size = sheet.total_height
        broken = {row for row, _ in errors}
        for row, values in enumerate(sheet.iter_rows()):
            line = Line(row, [BLANK] * offset)
            for value in values:
                cell = _cell(value)
                if isinstance(cell, Bad):
                    line.bad[len(line.cells)] = cell
                    cell = BLANK
                line.cells.append(cell)
            if row in broken:
                for (at, column), code in errors.items():
                    if at == row:
                        line.bad[column] = cells.error(code)
                line.cells.extend([BLANK] * (max(line.bad) + 1 - len(line.cells)))
            self.done = row + 1
            yield line

    def _errors(self, sheet: str) -> dict[tuple[int, int], str]:
        """The error cells of a sheet, which calamine returns as empty ones."""
        part = self._part(sheet)
        if part is None:
            return {}
        found: dict[tuple[int, int], str] = {}
        row = 0
        for kind, data in _records(self._package.read(part)):
            if kind == _ROW:
                row = int.from_bytes(data[:4], "little")
            elif kind in (_ERROR, _FORMULA_ERROR):
                column = int.from_bytes(data[:4], "little")
                found[row, column] = _CODES.get(data[8], "#ERROR!")
        return found

    def _part(self, sheet: str) -> str | None:
        links = links_of(self._package, _BOOK)
        for kind, data in _records(self._package.read(_BOOK)):
            if kind != _BUNDLE:
                continue
            link, rest = _text(data, 8)
            name, _ = _text(data, rest)
            if name == sheet:
                return links.get(link, ("", ""))[1] or None
        return None


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of every record (MS-XLSB 2.1.4); raises IndexError if truncated."""
    at = 0
    while at < len(data):
        kind = data[at]
        at += 1
        if kind & 0x80:
            kind = (kind & 0x7F) | (data[at] & 0x7F) << 7
            at += 1
        size = shift = 0
        while True:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80 or shift > 21:
                break
        yield kind, data[at : at + size]
        at += size


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A text preceded by its length, and its end."""
    end = at + 4 + 2 * int.from_bytes(data[at : at + 4], "little")
    return data[at + 4 : end].decode("utf-16-le", "replace"), end


def _cell(value: Any) -> Cell:
    match value:
        case "":
            return BLANK
        case str():
            return cells.text(value)
        case bool():
            return cells.TRUE if value else cells.FALSE
        case int() | float():
            return cells.number(cells.spelled(value))
        case dt.datetime():
            return cells.moment(value)
        case dt.date() | dt.time():
            return cells.text(value.isoformat())
        case dt.timedelta():
            return cells.text(cells.duration(value))
    return Bad(str(value)[:60], "The cell contains a value of an unknown type")
