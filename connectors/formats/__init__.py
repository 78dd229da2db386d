"""Formats of files and bodies: bytes in, batches of rows out.

reader = formats.reader("csv")                                  # or CsvReader(CsvOptions(…))
for batch in reader.batches(stream, name="file x.csv"): ...     # raw form, lazily decoded
for item in reader.rows(stream, name="file x.csv"): ...         # Row or RowProblem, one by one

Names are imported from their modules on first use, so that an API never loads the workbook code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.sdk.exports import lazily

if TYPE_CHECKING:
    from connectors.formats.base import FormatReader, decoded
    from connectors.formats.body import BodyFormat, BodyReader, sample_of
    from connectors.formats.csv import CsvOptions, CsvReader
    from connectors.formats.excel import ExcelOptions, ExcelReader
    from connectors.formats.json import JsonReader
    from connectors.formats.ndjson import NdjsonReader
    from connectors.formats.options import FileFields, Format, format_of, known_format, reader
    from connectors.formats.xml import XmlOptions, XmlReader

_MODULES = {
    "base": ("FormatReader", "decoded"),
    "body": ("BodyFormat", "BodyReader", "sample_of"),
    "csv": ("CsvOptions", "CsvReader"),
    "excel": ("ExcelOptions", "ExcelReader"),
    "json": ("JsonReader",),
    "ndjson": ("NdjsonReader",),
    "options": ("FileFields", "Format", "format_of", "known_format", "reader"),
    "xml": ("XmlOptions", "XmlReader"),
}

__all__ = [
    "BodyFormat",
    "BodyReader",
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
    "sample_of",
]

__getattr__ = lazily(__name__, _MODULES)
