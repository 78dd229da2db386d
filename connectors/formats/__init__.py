"""Formats of files and bodies: bytes in, batches of rows out.

reader = formats.reader("csv")                                  # or CsvReader(CsvOptions(…))
for batch in reader.batches(stream, name="file x.csv"): ...     # raw form, lazily decoded
for item in reader.rows(stream, name="file x.csv"): ...         # Row or RowProblem, one by one

A name is looked up in its module when it is first asked for: an API needs nothing of workbooks.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.formats.base import FormatReader, decoded
    from connectors.formats.csv import CsvOptions, CsvReader
    from connectors.formats.excel import ExcelOptions, ExcelReader
    from connectors.formats.json import JsonReader
    from connectors.formats.ndjson import NdjsonReader
    from connectors.formats.options import FileFields, Format, format_of, known_format, reader
    from connectors.formats.xml import XmlOptions, XmlReader

_MODULES = {
    "base": ("FormatReader", "decoded"),
    "csv": ("CsvOptions", "CsvReader"),
    "excel": ("ExcelOptions", "ExcelReader"),
    "json": ("JsonReader",),
    "ndjson": ("NdjsonReader",),
    "options": ("FileFields", "Format", "format_of", "known_format", "reader"),
    "xml": ("XmlOptions", "XmlReader"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "CsvOptions",
    "CsvReader",
    "ExcelOptions",
    "ExcelReader",
    "FileFields",
    "Format",
    "FormatReader",
    "JsonReader",
    "NdjsonReader",
    "XmlOptions",
    "XmlReader",
    "decoded",
    "format_of",
    "known_format",
    "reader",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
