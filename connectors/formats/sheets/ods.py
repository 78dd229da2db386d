"""OpenDocument spreadsheets (ODF 1.3 part 3, section 9), row by row."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from lxml import etree

from connectors.formats.sheets import cells
from connectors.formats.sheets.book import Area, Book, SheetInfo, filled
from connectors.formats.sheets.cells import BLANK, Bad, Cell, Line
from connectors.formats.sheets.package import Package, elements, forget, too_large

_CONTENT = "content.xml"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_A_TABLE, _A_ROW = f"{_TABLE}table", f"{_TABLE}table-row"
_CALC = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}"
_ERROR = re.compile(r"#[A-Z_]+[A-Z0-9_/]*[!?]?|Err:\d{3}")
_BLANKS = re.compile(r"[ \t\r\n]+")
_DURATION = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_MOST_ROWS = 2**20
_MOST_COLUMNS = 2**14


class OdsBook(Book):
    def __init__(self, stream: BinaryIO, package: Package) -> None:
        super().__init__(package.most)
        self._package = package
        manifest = "META-INF/manifest.xml"
        if manifest in package and b"encryption-data" in package.read(manifest):
            raise cells.locked()
        hidden: set[str | None] = set()
        with package.open(_CONTENT) as file:
            tags = (f"{_STYLE}style", _A_TABLE, _A_ROW)
            for event, element in elements(file, tags, ("start", "end")):
                if element.tag == f"{_STYLE}style" and event == "end":
                    properties = element.find(f"{_STYLE}table-properties")
                    if properties is not None and properties.get(f"{_TABLE}display") == "false":
                        hidden.add(element.get(f"{_STYLE}name"))
                elif element.tag == _A_TABLE and event == "start":
                    if _depth(element) == 0:
                        style = element.get(f"{_TABLE}style-name")
                        name = element.get(f"{_TABLE}name") or ""
                        self.sheets.append(SheetInfo(name, style not in hidden))
                elif event == "end":
                    forget(element)

    def lines(self, sheet: str, *, fill_merged: bool) -> Iterator[Line]:
        if not fill_merged:
            yield from self._lines(sheet, [])
            return
        merged: list[Area] = []
        for _ in self._lines(sheet, merged):
            pass
        yield from filled(self._lines(sheet, []), merged)

    def _lines(self, sheet: str, merged: list[Area]) -> Iterator[Line]:
        with self._package.open(_CONTENT) as file:
            inside, row = False, 0
            self.size = self._package.size(_CONTENT)
            for event, element in elements(file, (_A_TABLE, _A_ROW), ("start", "end")):
                if element.tag == _A_TABLE:
                    if _depth(element) == 0:
                        if event == "end" and inside:
                            return
                        inside = event == "start" and element.get(f"{_TABLE}name") == sheet
                    continue
                if event == "start" or _depth(element) != 1:
                    continue
                times = _repeated(element, "number-rows-repeated", _MOST_ROWS - row)
                if inside:
                    yield from self._repeated(_line(element, row, merged), times)
                    row += times
                forget(element)
                self.done = file.tell()

    def _repeated(self, line: Line, times: int) -> Iterator[Line]:
        if not (line.cells or line.bad):
            return
        if times * sum(map(len, line.cells)) > self.most:
            raise too_large("The sheet repeats its cells far too often")
        for number in range(line.row, line.row + times):
            yield Line(number, list(line.cells), dict(line.bad))


def _depth(element: Any) -> int:
    return sum(1 for _ in element.iterancestors(_A_TABLE))


def _repeated(element: Any, name: str, most: int) -> int:
    """How often a row or a cell is repeated, at most as often as a sheet has room for."""
    times = element.get(f"{_TABLE}{name}", "1")
    return max(1, min(int(times), most)) if times.isdigit() and len(times) < 10 else 1


def _line(row: Any, number: int, merged: list[Area]) -> Line:
    line = Line(number, [])
    column = 0
    for cell in row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
        times = _repeated(cell, "number-columns-repeated", _MOST_COLUMNS - column)
        found = _cell(cell)
        if found != BLANK:
            line.cells.extend([BLANK] * (column - len(line.cells)))
            if isinstance(found, Bad):
                line.bad.update(dict.fromkeys(range(column, column + times), found))
                line.cells.extend([BLANK] * times)
            else:
                line.cells.extend([found] * times)
            wide = _repeated(cell, "number-columns-spanned", _MOST_COLUMNS - column)
            high = _repeated(cell, "number-rows-spanned", _MOST_ROWS - number)
            if wide > 1 or high > 1:
                merged.append((number, column, number + high - 1, column + wide - 1))
        column += times
        if column >= _MOST_COLUMNS:
            break
    return line


def _cell(cell: Any) -> Cell:
    kind = cell.get(f"{_OFFICE}value-type") or cell.get(f"{_CALC}value-type") or ""
    formula = cell.get(f"{_TABLE}formula")
    if cell.get(f"{_CALC}value-type") == "error" or formula:
        shown = _text_of(cell)
        if cell.get(f"{_CALC}value-type") == "error" or _ERROR.fullmatch(shown):
            return cells.error(shown[:40] or "error")
        if not kind and not shown:
            return cells.no_result(str(formula).partition(":")[2][:60])
    if kind in ("float", "percentage", "currency"):
        return cells.number((cell.get(f"{_OFFICE}value") or "").encode())
    if kind == "date":
        return cells.iso(cell.get(f"{_OFFICE}date-value") or "")
    if kind == "time":
        return _time(cell.get(f"{_OFFICE}time-value") or "")
    if kind == "boolean":
        return cells.TRUE if cell.get(f"{_OFFICE}boolean-value") == "true" else cells.FALSE
    string = cell.get(f"{_OFFICE}string-value")
    return cells.text(_text_of(cell) if string is None else string)


def _time(value: str) -> Cell:
    match = _DURATION.fullmatch(value)
    if match is None or not value.strip("-PT"):
        return Bad(value[:40], "The cell does not contain a duration")
    sign, days, hours, minutes, seconds = match.groups()
    try:
        span = dt.timedelta(
            int(days or 0), float(seconds or 0), 0, 0, int(minutes or 0), int(hours or 0)
        )
    except OverflowError:
        return Bad(value[:40], "The cell does not contain a duration")
    return cells.text(cells.duration(-span if sign else span))


def _text_of(cell: Any) -> str:
    """The paragraphs of a cell, one per line, without comments."""
    return "\n".join(_paragraph(child) for child in cell.iterchildren(f"{_TEXT}p", f"{_TEXT}h"))


def _paragraph(element: Any) -> str:
    parts: list[str] = []
    _gather(element, parts)
    return _BLANKS.sub(" ", "".join(parts)).strip(" ").translate(_MEANT)


_BLANK_MARK, _TAB_MARK, _BREAK_MARK = "\x01", "\x02", "\x03"
"""Stands for significant white space, and cannot occur in XML, until the text is complete."""

_MEANT = str.maketrans({_BLANK_MARK: " ", _TAB_MARK: "\t", _BREAK_MARK: "\n"})


def _gather(element: Any, parts: list[str]) -> None:
    parts.append(element.text or "")
    for child in element.iterchildren(tag=etree.Element):
        if child.tag == f"{_TEXT}s":
            times = child.get(f"{_TEXT}c", "1")
            most = 10_000  # nobody writes longer texts
            parts.append(_BLANK_MARK * min(int(times) if times.isdigit() else 1, most))
        elif child.tag == f"{_TEXT}tab":
            parts.append(_TAB_MARK)
        elif child.tag == f"{_TEXT}line-break":
            parts.append(_BREAK_MARK)
        elif child.tag not in (f"{_OFFICE}annotation", f"{_TEXT}note", f"{_TEXT}ruby-text"):
            _gather(child, parts)
        parts.append(child.tail or "")
