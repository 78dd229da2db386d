"""What calamine does not tell about a workbook: why it cannot be opened, and its error cells."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import python_calamine as calamine
from lxml import etree

from connectors.formats.unpack import RATIO, RATIO_FROM
from connectors.sdk import AuthenticationError, ConnectorError, DataError, LimitError, redact

LARGEST = 2 * 1024**3
"""Unpacked bytes of a workbook: calamine holds a sheet in memory."""

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_CHUNK = 1024 * 1024
_ERROR_MARK = re.compile(rb"""\bt=["']e["']""")
_ERROR_CELL = re.compile(
    rb"""<(?:\w+:)?c\s(?=[^>]*?\bt=["']e["'])[^>]*?\br=["']([A-Z]{1,3})(\d+)["'][^>]*>"""
    rb"""(?:(?!</(?:\w+:)?c>).)*?<(?:\w+:)?v>([^<]{1,20})<""",
    re.DOTALL,
)
_CELL_START = re.compile(rb"<(?:\w+:)?c\s")
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_RELATION = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"


def column_number(letters: str) -> int:
    """``A`` is 0, ``Z`` 25, ``AA`` 26."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def refuse_bomb(stream: BinaryIO, where: str) -> None:
    """Raise LimitError for a workbook that says it unpacks to more than is reasonable."""
    start = stream.tell()
    try:
        with zipfile.ZipFile(stream) as archive:
            packed = sum(info.compress_size for info in archive.infolist())
            unpacked = sum(info.file_size for info in archive.infolist())
    except zipfile.BadZipFile:
        return  # an xls, or broken: calamine decides
    finally:
        stream.seek(start)
    if unpacked > LARGEST or unpacked > max(RATIO_FROM, packed * RATIO):
        raise LimitError(
            f"The workbook unpacks to {unpacked // 2**20} MiB",
            where=where,
            hint="Save the sheet as CSV: that is read line by line",
        )


def explain(stream: BinaryIO, error: Exception, where: str) -> ConnectorError:
    """Why a file is no readable workbook; `stream` stands at its beginning."""
    head = stream.read(len(_OLE))
    if isinstance(error, calamine.PasswordError) or (
        head == _OLE and _ENCRYPTED in stream.read(_CHUNK)
    ):
        return AuthenticationError(
            "The workbook is protected by a password",
            where=where,
            hint="Save a copy without a password",
        )
    if not head:
        return DataError("The file is empty", where=where)
    if head.startswith(_ZIP) or head == _OLE:
        return DataError(
            f"The workbook is damaged or cut off ({redact.shorten(str(error), 100)})",
            where=where,
            hint="Upload it again; nothing was deleted",
        )
    return DataError(
        "This is not a workbook",
        where=where,
        hint="xlsx, xlsm, xlsb, xls and ods are read; for text set format: csv",
    )


def error_cells(stream: BinaryIO, sheet: str) -> dict[tuple[int, int], str]:
    """The error cells (``#N/A``, ``#DIV/0!``) of a sheet by row and column, both from 0.

    Calamine hands them out as empty text, which would turn a broken formula into a cleared
    field. Found in xlsx and xlsm, whose sheets are XML; empty for other kinds.
    """
    start = stream.tell()
    try:
        with zipfile.ZipFile(stream) as archive:
            part = _sheet_part(archive, sheet)
            return dict(_errors_in(archive, part)) if part else {}
    except (zipfile.BadZipFile, zlib.error, KeyError, etree.XMLSyntaxError):
        return {}  # not such a file, and calamine could read it
    finally:
        stream.seek(start)


def _sheet_part(archive: zipfile.ZipFile, sheet: str) -> str | None:
    names = set(archive.namelist())
    if "xl/workbook.xml" not in names:
        return None
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
    book = etree.fromstring(archive.read("xl/workbook.xml"), parser)
    links = etree.fromstring(archive.read("xl/_rels/workbook.xml.rels"), parser)
    targets = {link.get("Id"): link.get("Target") or "" for link in links}
    for element in book.iter("{*}sheet"):
        if element.get("name") == sheet:
            target = targets.get(element.get(_RELATION) or element.get(_STRICT_RELATION), "")
            path = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            return path if path in names else None
    return None


def _errors_in(archive: zipfile.ZipFile, part: str) -> Iterator[tuple[tuple[int, int], str]]:
    """Search the text of the sheet: parsing a million cells to find none would take seconds."""
    with archive.open(part) as file:
        rest = b""
        while chunk := file.read(_CHUNK):
            text = rest + chunk
            begins = text.rfind(b"<c ")
            if begins < 0 or len(text) - begins > _CHUNK:
                begins = max(len(text) - 16, 0)
            if _ERROR_MARK.search(text):
                yield from map(_place, _ERROR_CELL.finditer(text, 0, begins))
            rest = text[begins:]
        yield from map(_place, _ERROR_CELL.finditer(rest))


def _place(found: re.Match[bytes]) -> tuple[tuple[int, int], str]:
    letters, row, code = found.groups()
    return (int(row) - 1, column_number(letters.decode())), code.decode(errors="replace")
