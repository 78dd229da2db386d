"""The settings that every file-like source shares, and the reader that they ask for."""

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
    """Which files, what is in them, and what happens to them."""

    path: str = Field(
        min_length=1, description="Path of the file, or a glob: * and ? within a name, ** across"
    )
    format: Format | None = Field(None, description="Left out: by the ending of the file's name")
    records: str = Field("", description="JSON: dotted path of the array; XML: path of the element")
    csv: CsvOptions = Field(CsvOptions(), description="How the CSV is written")
    xml: XmlOptions = Field(XmlOptions(), description="How XML elements become fields")
    excel: ExcelOptions = Field(ExcelOptions(), description="Which sheet, and where its table is")
    compression: Literal["auto", "none", "gzip", "zip"] = Field(
        "auto", description="Seen by the first bytes of the file, unless given"
    )
    member: str = Field("", description="Glob of the members of a zip file that are read")
    select: Literal["all", "newest"] = Field(
        "all", description="Every file that matches, or the one that was written last"
    )
    contents: Literal["snapshot", "changes"] | None = Field(
        None,
        description="snapshot: the files together are all rows there are, so a row that is gone "
        "from them is gone; changes: each file adds to the ones before. Left out: snapshot, "
        "or changes where files are moved or deleted afterwards",
    )
    missing: Literal["error", "nothing_new"] = Field(
        "error", description="What it means that no file matches"
    )
    settle: float = Field(
        1.0,
        ge=0,
        le=60,
        description="Seconds that size and time of a new file must not change before it is read",
    )
    after: Literal["keep", "move", "delete"] = Field(
        "keep", description="What happens to a file once its rows are committed"
    )
    move_to: str = Field("", description="The directory for files that were read (after: move)")

    @model_validator(mode="after")
    def _target_of_move(self) -> FileFields:
        if (self.after == "move") != bool(self.move_to.strip()):
            raise ValueError("move_to goes with after: move, and is needed there")
        return self

    @property
    def is_snapshot(self) -> bool:
        if self.contents is not None:
            return self.contents == "snapshot"
        return self.after == "keep"


def format_of(name: str, given: Format | None = None) -> Format:
    """The format of a file by its name, unless given. Raises ConfigurationError."""
    found = given or known_format(name)
    if found is None:
        raise ConfigurationError(
            f"The format of '{PurePosixPath(name).name}' cannot be told from its name",
            where="format",
            hint="Set format to csv, json, ndjson, xml or excel",
        )
    return found


def known_format(name: str) -> Format | None:
    """The format that the ending of a name stands for; a ``.gz`` behind it does not count."""
    plain = name.lower().removesuffix(".gz")
    return ENDINGS.get(PurePosixPath(plain).suffix)


def reader(format: Format, fields: FileFields | None = None) -> FormatReader:  # noqa: A002
    """A reader of one format with the options of `fields` (without: everything detected)."""
    if format == "csv":
        return CsvReader(fields.csv if fields else None)
    if format == "json":
        return JsonReader(fields.records if fields else "")
    if format == "ndjson":
        return NdjsonReader()
    if format == "xml":
        return XmlReader(fields.records if fields else "", fields.xml if fields else None)
    return ExcelReader(fields.excel if fields else None)
