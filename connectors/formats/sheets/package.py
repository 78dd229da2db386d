"""The zip file of most workbooks."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import IO, Any, BinaryIO

from lxml import etree

from connectors.formats.sheets.cells import Refused, damaged, locked

LARGEST = 2 * 1024**3
"""Unpacked bytes of a workbook."""

RATIO = 250
"""More unpacked bytes per packed byte than in real workbooks."""

RATIO_FROM = 64 * 1024 * 1024
"""Unpacked bytes up to which the ratio is ignored."""

SHORT_PART = 64 * 1024 * 1024
"""Maximum bytes of a part that is read completely: lists of sheets, styles."""


class Package:
    """Parts by name, ignoring case and with backslashes, which some programs write."""

    def __init__(self, stream: BinaryIO) -> None:
        self._archive = zipfile.ZipFile(stream)
        self._parts = {
            info.filename.replace("\\", "/").lstrip("/").lower(): info
            for info in self._archive.infolist()
        }
        packed = sum(info.compress_size for info in self._parts.values())
        unpacked = sum(info.file_size for info in self._parts.values())
        self.most = max(RATIO_FROM, packed * RATIO)
        if unpacked > LARGEST or unpacked > self.most:
            raise too_large(f"The workbook unpacks to {unpacked // 2**20} MiB")

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._parts

    def size(self, name: str) -> int:
        return self._parts[name.lower()].file_size

    def open(self, name: str) -> IO[bytes]:
        info = self._parts.get(name.lower())
        if info is None:
            raise damaged(f"it has no part {name}")
        if info.flag_bits & 1:
            raise locked()
        return self._archive.open(info)

    def read(self, name: str) -> bytes:
        if self.size(name) > SHORT_PART:
            raise too_large(f"The part {name} of the workbook is {self.size(name) // 2**20} MiB")
        with self.open(name) as file:
            return file.read()

    def xml(self, name: str) -> etree._Element:
        return parse(self.read(name))


def too_large(what: str) -> Refused:
    return Refused("LimitError", what, "Save the sheet as CSV, which is read line by line")


def parse(data: bytes) -> etree._Element:
    """XML without a DTD's entities. Raises etree.LxmlError."""
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))


def elements(file: IO[bytes], tags: tuple[str, ...], events: tuple[str, ...]) -> Iterator[Any]:
    """Elements as they are parsed; the caller clears them."""
    yield from etree.iterparse(
        file, events=events, tag=tags, resolve_entities=False, no_network=True, huge_tree=True
    )


def forget(element: Any) -> None:
    """Free a processed element, and those before it."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]
