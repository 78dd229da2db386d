"""The process that reads one workbook, started by `connectors.formats.workbook`.

    python -m connectors.formats.sheets '{"fd": 5, "memory": 1073741824, …}'

Writes frames to standard output: four bytes of length, a line of JSON, then a line of JSON per
row. The last frame is ``end`` or ``error``; without one the process died.
"""

from __future__ import annotations

import os
import resource
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from connectors.formats.sheets import cells
from connectors.formats.sheets.book import Book
from connectors.formats.sheets.cells import BLANK, Line, Refused, damaged

_FIRST_ROWS = 50
"""Rows in the first frame: enough to detect the header."""

_FRAME_BYTES = 512 * 1024
_FRAME_ROWS = 1000
_DENSE = 256
"""Maximum cells for which a row is an array; a wider, mostly blank row is an object."""

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = b"PK\x03\x04"
_OLD_XLS = (b"\x09\x00", b"\x09\x02", b"\x09\x04", b"\x09\x08")
_ENCRYPTED = ("EncryptedPackage".encode("utf-16-le"), "DataSpaces".encode("utf-16-le"))


def main() -> None:
    request = orjson.loads(sys.argv[1])
    ceiling = request["memory"]
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    for given in (soft, hard):
        ceiling = min(ceiling, given) if given != resource.RLIM_INFINITY else ceiling
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer(request, sys.stdout.buffer)


def answer(request: dict[str, Any], out: BinaryIO) -> None:
    """Write the frames of one workbook; the last one is its result."""
    try:
        try:
            _read(request, out)
        except Refused:
            raise
        except MemoryError:
            raise _out_of_memory(request) from None
        except BrokenPipeError:
            os._exit(0)  # the reader has stopped
        except BaseException as error:  # a parser panic is not an Exception
            raise _explained(error) from None
    except Refused as refused:
        last = {"error": refused.kind, "what": refused.what, "hint": refused.hint}
        _write(out, orjson.dumps(last))


def _read(request: dict[str, Any], out: BinaryIO) -> None:
    with _content(request["fd"]) as stream:
        book = _open(stream)
        sheet = _chosen(book, request["sheet"], request["known"])
        visible = [found.name for found in book.sheets if found.is_visible]
        _write(out, orjson.dumps({"sheet": sheet, "sheets": visible}))
        sizes = 0
        lines: list[bytes] = []
        numbers: list[int] = []
        bad: dict[str, Any] = {}
        waiting, most = 0, _FIRST_ROWS

        def send() -> None:
            header = {"rows": numbers, "bad": bad, "share": round(book.share, 6)}
            _write(out, b"\n".join([orjson.dumps(header), *lines]))

        for line in _wanted(book.lines(sheet, fill_merged=request["fill_merged"]), request):
            text = _encoded(line.cells)
            if line.bad:
                bad[str(len(lines))] = {str(place): [*found] for place, found in line.bad.items()}
            lines.append(text)
            numbers.append(line.row)
            waiting += len(text)
            if len(lines) >= most or waiting > _FRAME_BYTES:
                send()
                sizes += waiting
                if sizes > book.most:
                    raise _repeats(sizes)
                lines, numbers, bad, waiting, most = [], [], {}, 0, _FRAME_ROWS
        send()
        _write(out, orjson.dumps({"end": True}))


def _content(fd: int) -> BinaryIO:
    """The file with a separate position; that of `fd` is shared with the parent."""
    try:
        return Path(f"/proc/self/fd/{fd}").open("rb")
    except OSError:
        return os.fdopen(fd, "rb")


def _open(stream: BinaryIO) -> Book:
    # Each kind needs its own parsers, and this process reads only one workbook.
    head = stream.read(len(_OLE))
    stream.seek(0)
    if head.startswith(_ZIP):
        from connectors.formats.sheets.package import Package

        package = Package(stream)
        if "xl/workbook.bin" in package:
            from connectors.formats.sheets.xlsb import XlsbBook

            return XlsbBook(stream, package)
        if "content.xml" in package:
            from connectors.formats.sheets.ods import OdsBook

            return OdsBook(stream, package)
        if "[content_types].xml" in package or "xl/workbook.xml" in package:
            from connectors.formats.sheets.xlsx import XlsxBook

            return XlsxBook(stream, package)
        if "encrypted-package" in package:
            raise cells.locked()
        raise cells.no_workbook("This zip file is not a workbook")
    if head == _OLE or head[:2] in _OLD_XLS:
        if head == _OLE and _is_locked(stream):
            raise cells.locked()
        from connectors.formats.sheets.xls import XlsBook

        return XlsBook(stream)
    if not head:
        raise Refused("DataError", "The file is empty")
    raise cells.no_workbook(_what_else(stream))


def _is_locked(stream: BinaryIO) -> bool:
    """Whether an xlsx is encrypted: it is then a compound file with these streams."""
    before = b""
    found = False
    while (chunk := stream.read(1024 * 1024)) and not found:
        found = any(name in before + chunk for name in _ENCRYPTED)
        before = chunk[-64:]
    stream.seek(0)
    return found


def _what_else(stream: BinaryIO) -> str:
    head = stream.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html", b"<table", b"<meta", b"<head")):
        return "This is an HTML page, not a workbook"
    if head.startswith(b"<?xml") and b"urn:schemas-microsoft-com:office:spreadsheet" in head:
        return "This is an XML spreadsheet of Excel 2003, not a workbook; save it as xlsx"
    return "This is not a workbook"


def _chosen(book: Book, wanted: Any, known: Any) -> str:
    """The selected sheet: as set, as found earlier, or the first visible one."""
    if known is not None and any(sheet.name == known for sheet in book.sheets):
        return str(known)
    visible = [sheet.name for sheet in book.sheets if sheet.is_visible]
    if wanted is None or wanted == "":
        if visible:
            return visible[0]
        raise Refused("MissingError", "The workbook has no visible sheet")
    if any(sheet.name == str(wanted) for sheet in book.sheets):
        return str(wanted)
    number = int(wanted) if str(wanted).isdecimal() and len(str(wanted)) < 9 else 0
    if 1 <= number <= len(visible):
        return visible[number - 1]
    shown = ", ".join(f"'{name[:60]}'" for name in visible[:8]) or "nothing"
    raise Refused(
        "MissingError",
        f"The workbook has no sheet '{str(wanted)[:100]}'",
        f"It has {shown}; numbers begin at 1",
    )


def _wanted(lines: Iterator[Line], request: dict[str, Any]) -> Iterator[Line]:
    """The non-blank rows within the range, without trailing blank cells."""
    top, left, bottom, right = request["area"]
    keeps_errors = request["error_cells"] == "quarantine"
    crops = left or right is not None
    for line in lines:
        if line.row < top:
            continue
        if bottom is not None and line.row > bottom:
            return
        if crops:
            end = len(line.cells) if right is None else right + 1
            line.cells = line.cells[left:end]
            line.bad = {at - left: bad for at, bad in line.bad.items() if left <= at < end}
        values, had_errors = line.cells, bool(line.bad)
        while values and values[-1] == BLANK:
            values.pop()
        if line.bad and not keeps_errors:
            line.bad = {at: bad for at, bad in line.bad.items() if not bad.is_error}
        if had_errors or (values and values.count(BLANK) != len(values)):
            yield line


def _encoded(values: list[bytes]) -> bytes:
    if len(values) > _DENSE and values.count(BLANK) > len(values) // 2:
        pairs = (b'"%d":%b' % (at, found) for at, found in enumerate(values) if found != BLANK)
        return b"{%b}" % b",".join(pairs)
    return b"[%b]" % b",".join(values)


def _write(out: BinaryIO, payload: bytes) -> None:
    out.write(struct.pack(">I", len(payload)))
    out.write(payload)
    out.flush()


def _out_of_memory(request: dict[str, Any]) -> Refused:
    from connectors.formats.sheets.package import too_large

    return too_large(f"The workbook needs more than {request['memory'] // 2**20} MiB of memory")


def _repeats(size: int) -> Refused:
    from connectors.formats.sheets.package import too_large

    return too_large(f"The rows of the sheet need {size // 2**20} MiB, far more than its file")


def _explained(error: BaseException) -> Refused:
    """The error for a damaged workbook, with the parser's message if it has one."""
    name = f"{type(error).__module__}.{type(error).__name__}"
    if name == "python_calamine._python_calamine.PasswordError":
        return cells.locked()
    if isinstance(error, RuntimeError) and "password" in str(error):
        return cells.locked()
    speaks = name.partition(".")[0] in ("zipfile", "lxml", "zlib", "xlrd", "python_calamine")
    return damaged(error if speaks else "")


if __name__ == "__main__":
    main()
