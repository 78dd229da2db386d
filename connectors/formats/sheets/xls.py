"""xls, the binary format of Excel 2 to 2003, with xlrd."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

import xlrd

from connectors.formats.sheets import cells
from connectors.formats.sheets.book import Book, SheetInfo, filled
from connectors.formats.sheets.cells import BLANK, Cell, Line

_EOF, _BOF = 0x000A, 0x0809
_FORMULAS = (0x0006, 0x0206, 0x0406)
_CALCULATE = 0x03  # fAlwaysCalc, and calculate on load
_EMPTY_TEXT = b"\x03\0\0\0\0\0\xff\xff"
_NO_CALCULATOR = (0x0DBB, 0x07CC)
"""Build and year of Excel 97, which xlwt and similar programs still write."""

LARGEST = 512 * 1024 * 1024


class XlsBook(Book):
    def __init__(self, stream: BinaryIO) -> None:
        content = stream.read(LARGEST)
        super().__init__(max(64 * 1024 * 1024, len(content) * 250))
        try:
            # Formats distinguish dates from durations; the log would go to standard output.
            self._book = xlrd.open_workbook(
                file_contents=content, formatting_info=True, logfile=io.StringIO(), on_demand=True
            )
        except xlrd.XLRDError as error:
            if "encrypted" in str(error):
                raise cells.locked() from None
            raise
        for number, name in enumerate(self._book.sheet_names()):
            self.sheets.append(SheetInfo(name, self._book.sheet_by_index(number).visibility == 0))
            self._book.unload_sheet(number)

    def lines(self, sheet: str, *, fill_merged: bool) -> Iterator[Line]:
        found = self._lines(self._book.sheet_by_name(sheet))
        if not fill_merged:
            return found
        merged = self._book.sheet_by_name(sheet).merged_cells
        return filled(found, [(top, left, end - 1, right - 1) for top, end, left, right in merged])

    def _lines(self, sheet: xlrd.sheet.Sheet) -> Iterator[Line]:
        from_1904 = self._book.datemode == 1
        kinds = [self._kind(style) for style in self._book.xf_list]
        converters = {kind: cells.converter(kind, from_1904=from_1904) for kind in set(kinds)}
        self.size = sheet.nrows
        unsaved = self._unsaved(sheet.number)
        for row in range(sheet.nrows):
            line = Line(row, [])
            for column, cell in enumerate(sheet.row(row)):
                kind = kinds[cell.xf_index] if cell.xf_index is not None else "number"
                found: Cell
                match cell.ctype:
                    case xlrd.XL_CELL_NUMBER | xlrd.XL_CELL_DATE:
                        spelled = cells.spelled(cell.value)
                        found = converters[kind](spelled) if kind in converters else spelled
                    case xlrd.XL_CELL_BOOLEAN:
                        found = cells.TRUE if cell.value else cells.FALSE
                    case xlrd.XL_CELL_ERROR:
                        code = xlrd.error_text_from_code.get(cell.value, "#ERROR!")
                        found = cells.error(code)
                    case xlrd.XL_CELL_TEXT:
                        found = cells.text(cell.value)
                    case _:
                        found = BLANK
                if (row, column) in unsaved:
                    found = cells.no_result("a formula")
                if isinstance(found, bytes):
                    line.cells.append(found)
                else:
                    line.cells.append(BLANK)
                    line.bad[column] = found
            self.done = row + 1
            yield line

    def _unsaved(self, number: int) -> set[tuple[int, int]]:
        """Formulas that are calculated when the workbook is opened.

        Programs that do not calculate save a zero and a flag, or an empty text, in the FORMULA
        record (MS-XLS 2.4.127), whatever the result will be.
        """
        found = set()
        memory, at = self._book.mem, self._book._sh_abs_posn[number]
        calculates = True
        while at + 4 <= len(memory):
            kind, size = struct.unpack_from("<HH", memory, at)
            at += 4
            if kind == _EOF:
                break
            if kind == _BOF and size >= 8:
                calculates = struct.unpack_from("<4xHH", memory, at) != _NO_CALCULATOR
            elif kind in _FORMULAS and size >= 16:
                row, column, result, flags = struct.unpack_from("<HH2x8sH", memory, at)
                if (result == bytes(8) and flags & _CALCULATE) or (
                    result == _EMPTY_TEXT and not calculates
                ):
                    found.add((row, column))
            at += size
        return found

    def _kind(self, style: xlrd.formatting.XF) -> str:
        known = self._book.format_map.get(style.format_key)
        return cells.kind_of(style.format_key, known.format_str if known else None)
