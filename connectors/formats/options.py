"""Settings of all file-like sources, and the reader for them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field, model_validator

from connectors.formats.base import FormatReader
from connectors.formats.csv import CsvOptions, CsvReader
from connectors.formats.excel import ExcelOptions, ExcelReader
from connectors.formats.json import JsonReader
from connectors.formats.ndjson import NdjsonReader
from connectors.formats.xml import XmlOptions, XmlReader
from connectors.sdk import ConfigurationError, ConnectorConfig

Format = Literal["csv", "json", "ndjson", "xml", "excel"]

ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".geojson": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".xml": "xml",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xlsb": "excel",
    ".xls": "excel",
    ".ods": "excel",
}


class FileFields(ConnectorConfig):
    """Which files to read, their content, and what happens to them."""

    path: str = Field(
        min_length=1, description="Path of the file, or a glob: * and ? within a name, ** across"
    )
    format: Format | None = Field(None, description="Default: by the file name extension")
    records: str = Field("", description="JSON: path of the array; XML: path of the elements")
    csv: CsvOptions = Field(CsvOptions(), description="Format of CSV files")
    xml: XmlOptions = Field(XmlOptions(), description="Conversion of XML elements to fields")
    excel: ExcelOptions = Field(ExcelOptions(), description="Sheet and position of the table")
    compression: Literal["auto", "none", "gzip", "zip"] = Field(
        "auto", description="Default: detected from the first bytes"
    )
    member: str = Field("", description="Glob for the members of a zip file to read")
    select: Literal["all", "newest"] = Field(
        "all", description="Read every matching file, or only the newest"
    )
    contents: Literal["snapshot", "changes"] | None = Field(
        None,
        description="snapshot: the files together contain all rows, so a missing row was "
        "deleted; changes: each file adds to the previous ones. Default: snapshot, or changes "
        "if files are moved or deleted afterwards",
    )
    missing: Literal["error", "nothing_new"] = Field(
        "error", description="What to do if no file matches"
    )
    settle: float = Field(
        1.0,
        ge=0,
        le=60,
        description="Seconds during which a new file must be unchanged before it is read",
    )
    after: Literal["keep", "move", "delete"] = Field(
        "keep", description="What to do with a file once its rows are committed"
    )
    move_to: str = Field("", description="Directory for files that were read (after: move)")

    @model_validator(mode="after")
    def _target_of_move(self) -> FileFields:
        if (self.after == "move") != bool(self.move_to.strip()):
            raise ValueError("move_to requires after: move, and the reverse")
        return self

    @property
    def is_snapshot(self) -> bool:
        if self.contents is not None:
            return self.contents == "snapshot"
        return self.after == "keep"


def format_of(name: str, given: Format | None = None) -> Format:
    """The format of a file, by its name unless given. Raises ConfigurationError."""
    found = given or known_format(name)
    if found is None:
        raise ConfigurationError(
            f"The format of '{PurePosixPath(name).name}' cannot be determined from its name",
            where="format",
            hint="Set format to csv, json, ndjson, xml or excel",
        )
    return found


def known_format(name: str) -> Format | None:
    """The format for a file name extension, ignoring a ``.gz`` after it."""
    plain = name.lower().removesuffix(".gz")
    return ENDINGS.get(PurePosixPath(plain).suffix)


def reader(format: Format, fields: FileFields | None = None) -> FormatReader:  # noqa: A002
    """A reader for one format with the options of `fields` (without: everything is detected)."""
    if format == "csv":
        return CsvReader(fields.csv if fields else None)
    if format == "json":
        return JsonReader(fields.records if fields else "")
    if format == "ndjson":
        return NdjsonReader()
    if format == "xml":
        return XmlReader(fields.records if fields else "", fields.xml if fields else None)
    return ExcelReader(fields.excel if fields else None)
