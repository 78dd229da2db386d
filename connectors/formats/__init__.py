"""Formats of files and bodies: bytes in, batches of rows out.

reader = formats.reader("csv")                                  # or CsvReader(CsvOptions(…))
for batch in reader.batches(stream, name="file x.csv"): ...     # raw form, lazily decoded
for item in reader.rows(stream, name="file x.csv"): ...         # Row or RowProblem, one by one
"""

from connectors.formats.base import FormatReader, decoded
from connectors.formats.csv import CsvOptions, CsvReader
from connectors.formats.excel import ExcelOptions, ExcelReader
from connectors.formats.json import JsonReader
from connectors.formats.ndjson import NdjsonReader
from connectors.formats.options import FileFields, Format, format_of, known_format, reader
from connectors.formats.xml import XmlOptions, XmlReader

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
