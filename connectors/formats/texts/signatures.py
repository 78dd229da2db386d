"""Identify a file by its first bytes, whatever its name."""

from __future__ import annotations

import codecs
import re

_SIGNATURES = (
    (b"PK\x03\x04", "a zip file (or a workbook such as xlsx)", "zip"),
    (b"PK\x05\x06", "an empty zip file", "zip"),
    (b"\x1f\x8b", "a gzip file", "gzip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file, such as xls", "excel"),
    (b"%PDF-", "a PDF document", ""),
    (b"BZh", "a bzip2 file", ""),
    (b"\xfd7zXZ\x00", "an xz file", ""),
    (b"7z\xbc\xaf\x27\x1c", "a 7z file", ""),
    (b"Rar!\x1a\x07", "a rar file", ""),
    (b"\x28\xb5\x2f\xfd", "a zstd file", ""),
    (b"PAR1", "a Parquet file", ""),
    (b"SQLite format 3\x00", "an SQLite database", ""),
    (b"\x89PNG", "a picture (PNG)", ""),
    (b"\xff\xd8\xff", "a picture (JPEG)", ""),
    (b"GIF8", "a picture (GIF)", ""),
)
_WIDE = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_HTML = re.compile(rb"\s*(?:<!doctype html|<html|<head|<body)", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml\s")
_JSON = re.compile(rb"""\s*(?:\{\s*(?:"(?:[^"\\]|\\.)*"\s*:|\}\s*$)|\[\s*(?:\{\s*"|\]\s*$))""")
_HINTS = {
    "zip": "Set compression: zip, or format: excel for a workbook",
    "gzip": "Set compression: gzip",
    "excel": "Set format: excel",
    "json": "Set format: json, or format: ndjson for one object per line",
    "xml": "Set format: xml",
    "html": "The server may have returned a page instead of the file: check the URL, "
    "the credentials, and whether the service is down",
    "wide": "JSON must be in UTF-8 (RFC 8259, section 8.1): save it as UTF-8",
}


def binary(head: bytes) -> tuple[str, str] | None:
    """The type of a binary file ("a PDF document") and how to fix it; None if it is not one."""
    for signature, name, kind in _SIGNATURES:
        if head.startswith(signature):
            return name, _HINTS.get(kind, "Unpack or convert it first")
    return None


def other_text(head: bytes) -> tuple[str, str] | None:
    """The same for HTML, XML and JSON; `head` is UTF-8 without a byte order mark."""
    for pattern, name, kind in (
        (_HTML, "an HTML page", "html"),
        (_XML, "an XML document", "xml"),
        (_JSON, "JSON", "json"),
    ):
        if pattern.match(head):
            return name, _HINTS[kind]
    return None


def wide_text(head: bytes) -> tuple[str, str] | None:
    """The same for UTF-16 and UTF-32, with or without a byte order mark."""
    for mark, name in _WIDE:
        if head.startswith(mark):
            return f"{name} text", _HINTS["wide"]
    start = head[:4]
    if len(start) == 4 and start.count(0) in (2, 3):  # RFC 4627, section 3
        return ("UTF-32 text" if start.count(0) == 3 else "UTF-16 text"), _HINTS["wide"]
    return None
