"""xlsx and xlsm (ECMA-376, transitional and strict), row by row.

Rows are cut out of the text of a sheet and their cells found with one expression, which is about
five times faster than a parser; a row that the expression does not match completely goes to lxml.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import IO, Any, BinaryIO

from lxml import etree

from connectors.formats.sheets import cells
from connectors.formats.sheets.book import Area, Book, SheetInfo, filled
from connectors.formats.sheets.cells import BLANK, Bad, Cell, Convert, Line
from connectors.formats.sheets.package import Package, elements, forget, parse
from connectors.formats.sheets.shapes import Found, Shapes
from connectors.formats.sheets.texts import (
    CHUNK,
    closing,
    root_of,
    shared_strings,
    text_of,
    unescaped,
)

_LONGEST_ROW = 64 * 1024 * 1024
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_SHEET_DATA = re.compile(rb"<((?:\w+:)?)sheetData\s*(/?)>")


class XlsxBook(Book):
    def __init__(self, stream: BinaryIO, package: Package) -> None:
        super().__init__(package.most)
        self._package = package
        self._part = _document(package)
        workbook = package.xml(self._part)
        if etree.QName(workbook).localname != "workbook":
            raise cells.no_workbook()
        links = links_of(package, self._part)
        properties = next(workbook.iter("{*}workbookPr"), None)
        value = "" if properties is None else properties.get("date1904", "")
        self._from_1904 = value.lower() in ("1", "true")
        self._targets: dict[str, str] = {}
        for element in workbook.iter("{*}sheet"):
            name = element.get("name") or ""
            ids = [v for k, v in element.attrib.items() if str(k).endswith("}id")]
            kind, target = links.get(str(ids[0]) if ids else "", ("", ""))
            if kind.endswith("/worksheet") and target in package:
                self.sheets.append(SheetInfo(name, element.get("state", "visible") == "visible"))
                self._targets[name] = target
        self._others = {kind.rpartition("/")[2]: target for kind, target in links.values()}

    def lines(self, sheet: str, *, fill_merged: bool) -> Iterator[Line]:
        part = self._targets[sheet]
        merged = self._merged(part) if fill_merged else []
        with self._package.open(part) as file:
            self.size = self._package.size(part)
            reader = _Sheet(self._strings(), self._formats(), self)
            found = reader.lines(file)
            yield from filled(found, merged) if merged else found

    def _merged(self, part: str) -> list[Area]:
        found: list[Area] = []
        with self._package.open(part) as file:
            rest = b""
            while chunk := file.read(CHUNK):
                text = rest + chunk
                for left, top, right, bottom in _MERGED.findall(text):
                    found.append(
                        (
                            int(top) - 1,
                            cells.column(left.decode()),
                            int(bottom) - 1,
                            cells.column(right.decode()),
                        )
                    )
                rest = text[max(text.rfind(b"<"), len(text) - 500) :]
        return sorted(set(found))

    def _strings(self) -> list[bytes]:
        part = self._others.get("sharedStrings", "")
        if part not in self._package:
            return []
        with self._package.open(part) as file:
            return shared_strings(file)

    def _formats(self) -> list[str]:
        part = self._others.get("styles", "")
        if part not in self._package:
            return []
        styles = self._package.xml(part)
        codes = {
            element.get("numFmtId", ""): element.get("formatCode", "")
            for element in styles.iter("{*}numFmt")
            if element.get("formatCode")
        }
        kinds = []
        for group in styles.iter("{*}cellXfs"):
            for style in group.iter("{*}xf"):
                number = style.get("numFmtId", "0")
                whole = int(number) if number.isdigit() else 0
                kinds.append(cells.kind_of(whole, codes.get(number)))
        return kinds

    def convert(self, kind: str) -> Convert:
        return cells.converter(kind, from_1904=self._from_1904)


def _document(package: Package) -> str:
    """The workbook part, whose name varies."""
    if "_rels/.rels" in package:
        for link in package.xml("_rels/.rels"):
            kind = (link.get("Type") or "").lower()
            if kind.endswith("/officedocument"):
                target = (link.get("Target") or "").lstrip("/")
                if target in package:
                    return target
    return "xl/workbook.xml"


def links_of(package: Package, part: str) -> dict[str, tuple[str, str]]:
    """Type and part of every relationship, by its id."""
    folder, name = posixpath.split(part)
    found = {}
    for link in package.xml(f"{folder}/_rels/{name}.rels"):
        target = (link.get("Target") or "").replace("\\", "/")
        path = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
        found[link.get("Id") or ""] = (link.get("Type") or "", posixpath.normpath(path))
    return found


class _Sheet:
    """The rows of one sheet."""

    def __init__(self, strings: list[bytes], kinds: list[str], book: XlsxBook) -> None:
        self._strings = strings
        self._book = book
        self._kinds = kinds
        self._converters = {kind: book.convert(kind) for kind in {"number", *kinds}}
        self._by_attributes: dict[bytes, tuple[Convert, bool]] = {}
        self._columns: dict[bytes, int] = {}
        self._shapes = Shapes(_CELL)

    def lines(self, file: IO[bytes]) -> Iterator[Line]:
        text = file.read(CHUNK)
        root = root_of(text)
        while root and not (begin := _SHEET_DATA.search(text)) and len(text) < 2**24:
            chunk = file.read(CHUNK)
            if not chunk:
                break
            text += chunk
        begin = _SHEET_DATA.search(text)
        if root is None or begin is None or begin[1]:
            file.seek(0)
            yield from self._parsed(file)
        elif not begin[2]:
            yield from self._cut(file, text[begin.end() :], root)

    def _cut(self, file: IO[bytes], rest: bytes, root: bytes) -> Iterator[Line]:
        """Rows by splitting the text; `root` declares the namespaces for lxml."""
        number = -1
        shapes = self._shapes
        done = False
        while not done:
            end = rest.find(b"</sheetData")
            if end >= 0:
                rest, done = rest[:end], True
            pieces = rest.split(b"</row>")
            rest = pieces.pop()
            for piece in pieces:
                self._book.done += len(piece)
                line = shapes.read(piece) or self._matched(piece, number)
                if line is None:
                    for line in self._rest(piece + b"</row>", root, number):
                        number = line.row
                        yield line
                else:
                    number = line.row
                    yield line
            if done:
                yield from self._rest(rest, root, number)
                return
            chunk = file.read(CHUNK)
            if not chunk:
                raise cells.damaged("the sheet ends too early")
            rest += chunk
            if len(rest) > _LONGEST_ROW:
                raise cells.damaged("a row of the sheet does not end")

    def _rest(self, piece: bytes, root: bytes, number: int) -> Iterator[Line]:
        """Rows that need a parser. Raises etree.LxmlError."""
        if piece.strip():
            for row in parse(root + piece + closing(root)).iter("{*}row"):
                line = self._element(row, number)
                number = line.row
                yield line

    def _matched(self, piece: bytes, before: int) -> Line | None:
        """A row by expression alone; None if it contains anything unusual."""
        head = _ROW.match(piece)
        if head is None or b"<!" in piece or b"<?" in piece:
            return None
        found = _CELL.findall(piece)
        if len(found) != piece.count(b"<c"):
            return None
        row = int(head[1]) - 1 if head[1] else before + 1
        line = Line(row, [])
        values, columns, known = line.cells, self._columns, self._by_attributes
        for letters, attributes, formula, value, inline in found:
            if letters:
                index = columns.get(letters)
                if index is None:
                    index = cells.column(letters.decode())
                    if index >= WIDEST:
                        return None
                    columns[letters] = index
                if index != len(values):
                    if index < len(values):
                        return None
                    values.extend([BLANK] * (index - len(values)))
            if not (value or formula or inline):
                values.append(BLANK)
                continue
            convert, is_text = known.get(attributes) or self._kind(attributes)
            if value or inline:
                cell = convert(value or inline)
            elif is_text:
                cell = BLANK  # a formula whose result is an empty text
            else:
                cell = cells.no_result(f"={_plain(formula)}")
            if type(cell) is bytes:
                values.append(cell)
            else:
                line.bad[len(values)] = cell  # type: ignore[assignment]
                values.append(BLANK)
        if not line.bad:
            self._shapes.learn(piece, head, found, self._convert, columns.__getitem__)
        return line

    def _convert(self, cell: Found) -> Convert | None:
        """The converter for the value of a cell; None if it has no value."""
        _, attributes, _, value, inline = cell
        return self._kind(attributes)[0] if value or inline else None

    def _kind(self, attributes: bytes) -> tuple[Convert, bool]:
        named = dict(_ATTRIBUTE.findall(attributes))
        kind = named.get(b"t", b"n").decode()
        style = named.get(b"s", b"")
        found = self._converter(kind, style.decode()), kind in ("str", "inlineStr")
        if len(self._by_attributes) < 10_000:
            self._by_attributes[attributes] = found
        return found

    def _converter(self, kind: str, style: str) -> Convert:
        if kind == "s":
            return self._shared
        if kind in ("str", "inlineStr"):
            return lambda value: cells.text(unescaped(value.decode()))
        if kind == "b":
            return lambda value: cells.TRUE if value.strip() in (b"1", b"true") else cells.FALSE
        if kind == "e":
            return lambda value: cells.error(value.strip()[:40].decode(errors="replace"))
        if kind == "d":
            return lambda value: cells.iso(value.decode())
        number = int(style) if style.isdigit() else 0
        return self._converters[self._kinds[number] if number < len(self._kinds) else "number"]

    def _shared(self, value: bytes) -> Cell:
        try:
            return self._strings[int(value)]
        except (ValueError, IndexError):
            return Bad(value[:20].decode(errors="replace"), "The text of the cell is missing")

    def _parsed(self, file: IO[bytes]) -> Iterator[Line]:
        number = -1
        for _, row in elements(file, ("{*}row",), ("end",)):
            line = self._element(row, number)
            forget(row)
            self._book.done = file.tell()
            number = line.row
            yield line

    def _element(self, row: Any, before: int) -> Line:
        number = row.get("r") or ""
        line = Line(int(number) - 1 if number.isdigit() else before + 1, [])
        values: dict[int, bytes] = {}
        index = -1
        for cell in row.iterchildren("{*}c"):
            letters = (cell.get("r") or "").rstrip("0123456789")
            index = cells.column(letters) if letters.isalpha() and letters.isascii() else index + 1
            if index >= WIDEST:
                raise cells.damaged(f"a cell is called {cell.get('r')}"[:60])
            found = self._cell(cell)
            values[index] = found if isinstance(found, bytes) else BLANK
            if not isinstance(found, bytes):
                line.bad[index] = found
        line.cells = [values.get(place, BLANK) for place in range(max(values, default=-1) + 1)]
        return line

    def _cell(self, cell: Any) -> Cell:
        kind, style = cell.get("t") or "n", cell.get("s") or ""
        value, formula = cell.find("{*}v"), cell.find("{*}f")
        if kind == "inlineStr":
            inline = cell.find("{*}is")
            return BLANK if inline is None else cells.text(text_of(inline))
        text = "" if value is None else value.text or ""
        if text:
            return self._converter(kind, style)(text.encode())
        if formula is not None and kind != "str":
            return cells.no_result(f"={(formula.text or '')[:60]}")
        return BLANK


WIDEST = 16_384
"""Columns of a sheet."""

_ROW = re.compile(rb'\s*<row(?: r="(\d{1,7})")?(?: [\w:]+="[^"<&]*")*\s*>')
_ATTRIBUTE = re.compile(rb'([\w:]+)="([^"]*)"')
_CELL = re.compile(
    rb'<c(?: r="([A-Z]{1,3})\d+")?((?: [\w:]+="[^"<&]*")*)\s*'
    rb'(?:/>|>\s*(?:(<f(?: [\w:]+="[^"<]*")*\s*(?:/>|>[^<]*</f>))\s*)?'
    rb'(?:<v(?: xml:space="preserve")?(?:/>|>([^<&\r]*)</v>)\s*)?'
    rb'(?:<is><t(?: xml:space="preserve")?(?:/>|>([^<&\r]*)</t>)</is>\s*)?</c>)'
)


def _plain(formula: bytes) -> str:
    return re.sub(rb"<[^>]*>", b"", formula)[:60].decode(errors="replace")
