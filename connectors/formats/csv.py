"""CSV to rows: detected dialect, strict quoting, values that stay text.

Lines without a quote are never taken apart until one of their values is wanted, so an unchanged
row costs little more than finding the end of its line. Quoting follows RFC 4180; where a line
breaks it, that line alone is a problem and reading goes on with the next one, so one stray quote
cannot swallow the rows behind it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from pydantic import Field, field_validator

from connectors.formats import base
from connectors.formats.dialect import (
    LONGEST_RECORD,
    Dialect,
    detect_delimiter,
    separator_line,
)
from connectors.formats.text import TextSource
from connectors.sdk import (
    Batch,
    ConfigModel,
    DataError,
    JsonValue,
    Row,
    RowData,
    RowDecodeError,
    RowProblem,
    canonical,
    redact,
)

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class CsvOptions(ConfigModel):
    """How a CSV file is written. What is left out is detected; `check` shows what was found."""

    encoding: str | None = Field(None, description="For example utf-8 or windows-1252; detected")
    delimiter: str | None = Field(None, description="One character, or 'tab'; detected")
    quote: str = Field('"', description="The quote character; empty: nothing is quoted")
    header_row: int = Field(
        1, ge=0, description="The line that holds the column names; 0: there is none"
    )
    columns: list[str] = Field([], description="Column names when no line holds them")
    nulls: list[str] = Field(
        [], description="Texts that mean null, for example '' or NULL; none by default"
    )

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        value = {"tab": "\t", "\\t": "\t", "": None}.get(value or "", value)
        if value is not None and (len(value) != 1 or not value.isascii() or value in '\r\n"'):
            raise ValueError("must be one ASCII character, or 'tab'")
        return value

    @field_validator("quote")
    @classmethod
    def _one_quote(cls, value: str) -> str:
        if len(value) > 1 or not value.isascii() or value in ("\r", "\n"):
            raise ValueError("must be one ASCII character, or empty")
        return value


@dataclass(frozen=True, slots=True)
class Table:
    """Where the cells of a record go."""

    dialect: Dialect
    columns: tuple[str, ...]
    unnamed: tuple[str, ...]
    """Columns without a heading; they count only where they hold something."""
    nulls: frozenset[str]
    name: str
    fingerprint: bytes
    """Eight bytes that differ when the same line would mean another row (a renamed column)."""

    def position(self, line: int) -> str:
        return base.at(self.name, f"line {line}")

    def problem(self, record: bytes, line: int, message: str) -> RowProblem:
        return base.problem(
            self.position(line), message, {"line": redact.shorten(record.decode(errors="replace"))}
        )

    def row(self, record: bytes, line: int) -> Row:
        """Decode one record. Raises RowDecodeError when it is ragged or not valid text."""
        try:
            cells: list[str] = self.dialect.cells(record)
        except UnicodeDecodeError as error:
            message = (
                f"Byte {error.start + 1} is not valid in this file's encoding; set csv.encoding"
            )
            raise RowDecodeError(self.problem(record, line, message)) from None
        if len(cells) != len(self.columns):
            message = f"{len(cells)} cells where the header has {len(self.columns)}"
            raise RowDecodeError(self.problem(record, line, message))
        data: RowData = dict(zip(self.columns, cells, strict=True))
        for name in self.unnamed:
            if data[name] == "":
                del data[name]
        if self.nulls:
            data = {name: None if cell in self.nulls else cell for name, cell in data.items()}
        return Row(data, self.position(line))


@dataclass(slots=True, kw_only=True)
class CsvBatch(Batch):
    """Records as they stand in the file (in UTF-8), decoded one by one on demand."""

    table: Table
    records: Sequence[bytes]
    lines: Sequence[int]

    def __len__(self) -> int:
        return len(self.records)

    def row(self, index: int) -> Row:
        return self.table.row(self.records[index], self.lines[index])

    def raw(self) -> Sequence[bytes]:
        return self.records

    def keys(self, paths: Sequence[str]) -> list[str | None] | None:
        columns = self.table.columns
        if not all(_PLAIN_NAME.fullmatch(path) and path in columns for path in paths):
            return None
        parts = [self._key_column(columns.index(path)) for path in paths]
        if len(parts) == 1:
            return parts[0]
        return [canonical.join_key(part) for part in zip(*parts, strict=True)]

    def _key_column(self, index: int) -> list[str | None]:
        dialect = self.table.dialect
        delimiter, quote = dialect.delimiter_byte, dialect.quote_byte
        pattern = dialect.cell_pattern(index)
        keys: list[str | None] = []
        for record in self.records:
            try:
                if quote and quote in record:
                    found = pattern.match(record)
                    if found is None:  # fewer cells than the header
                        keys.append(None)
                        continue
                    quoted, bare = found.groups()
                    cell = bare if quoted is None else quoted.replace(quote + quote, quote)
                else:
                    cell = record.split(delimiter, index + 1)[index]
                text = cell.decode()
            except (UnicodeDecodeError, IndexError):
                keys.append(None)
            else:
                keys.append(text if text.strip() and text not in self.table.nulls else None)
        return keys


@dataclass(slots=True)
class _Piece:
    """Records of one block of text, with the numbers of the lines they begin on."""

    records: list[bytes]
    lines: Sequence[int]
    malformed: list[tuple[bytes, int]] = field(default_factory=list)


class CsvReader(base.FormatReader):
    """Reads CSV; see `CsvOptions`. Raises DataError for a file without a usable header."""

    def __init__(self, options: CsvOptions | None = None) -> None:
        super().__init__()
        self.options = options or CsvOptions()

    def batches(
        self, stream: BinaryIO, *, name: str = "", batch_size: int = base.BATCH_SIZE
    ) -> Generator[Batch]:
        source = TextSource(stream, self.options.encoding)
        first = max(self.options.header_row, 1)
        separator = separator_line(source.sample)
        if separator:
            first = max(first, 2)
        delimiter = (
            self.options.delimiter
            or separator
            or detect_delimiter(source.split(source.sample)[first - 1 :])
        )
        dialect = Dialect(delimiter, self.options.quote)
        pieces = _pieces(source, dialect, first)
        head = next((piece for piece in pieces if piece.records or piece.malformed), None)
        table = self._table(head, dialect, name)
        assert head is not None  # _table refuses that
        if self.options.header_row:
            head.records, head.lines = head.records[1:], head.lines[1:]
        self.facts = {
            "encoding": f"{source.encoding.name} ({source.encoding.origin})",
            "delimiter": "tab" if delimiter == "\t" else delimiter,
            "columns": len(table.columns),
        }
        return _batches(itertools.chain([head], pieces), table, batch_size)

    def _table(self, head: _Piece | None, dialect: Dialect, name: str) -> Table:
        if head is None or not head.records:
            raise DataError(
                "The file has no header line" if self.options.header_row else "The file is empty",
                where=name,
                hint="An empty file proves nothing, so nothing was deleted",
            )
        try:
            cells = [cell.strip() for cell in dialect.cells(head.records[0])]
        except UnicodeDecodeError:
            raise DataError(
                "The header is not valid in the file's encoding",
                where=name,
                hint="Set csv.encoding",
            ) from None
        where = base.at(name, f"line {head.lines[0]}")
        unnamed: tuple[str, ...] = ()
        if self.options.columns:
            columns = tuple(self.options.columns)
        elif self.options.header_row:
            columns = base.column_names(cells, where)
            unnamed = tuple(c for c, cell in zip(columns, cells, strict=True) if not cell)
        else:
            columns = base.column_names([""] * len(cells), where)
        nulls = sorted(self.options.nulls)
        parts: list[JsonValue] = [
            *columns,
            None,
            *unnamed,
            None,
            dialect.delimiter,
            dialect.quote,
            None,
            *nulls,
        ]
        return Table(
            dialect=dialect,
            columns=columns,
            unnamed=unnamed,
            nulls=frozenset(self.options.nulls),
            name=name,
            fingerprint=base.fingerprint(parts),
        )


def _pieces(source: TextSource, dialect: Dialect, first: int) -> Iterator[_Piece]:
    """Records from line `first` on, block by block."""
    rest, line = b"", 1
    blocks = source.blocks()
    block = next(blocks, None)
    while block is not None:
        following = next(blocks, None)
        block = rest + block
        rest = b""
        if line < first:
            lines = source.split(block)
            skip = min(first - line, len(lines))
            line += skip
            block = source.terminator.join(lines[skip:]) + source.terminator
            if skip == len(lines):
                block = following
                continue
        if dialect.quote and dialect.quote_byte in block:
            piece, open_lines, line = _quoted(
                source.split(block), line, dialect, source.terminator, last=following is None
            )
            rest = b"".join(part + source.terminator for part in open_lines)
        else:
            lines = source.split(block)
            if b"\r" in block:
                lines = [part.rstrip(b"\r") for part in lines]
            piece = _Piece(lines, range(line, line + len(lines)))
            line += len(lines)
        yield _without(b"", piece)
        block = following


def _quoted(
    lines: list[bytes], line: int, dialect: Dialect, terminator: bytes, *, last: bool
) -> tuple[_Piece, list[bytes], int]:
    """Records of lines with quotes; also the lines of a record that the next block ends.

    The third result is the number of the first line that was not consumed.
    """
    quote, whole = dialect.quote_byte, dialect.whole
    numbers: list[int] = []
    piece = _Piece([], numbers)
    records = piece.records
    index, count = 0, len(lines)
    while index < count:
        record = lines[index].rstrip(b"\r")
        taken = 1
        if quote in record and not whole(record):
            taken = _spanned(lines, index, dialect)
            if taken == 0 and not last and _size(lines, index) < LONGEST_RECORD:
                return piece, lines[index:], line + index
            if taken <= 0:
                piece.malformed.append((record, line + index))
                index += 1
                continue
            record = terminator.join(lines[index : index + taken]).rstrip(b"\r")
        records.append(record)
        numbers.append(line + index)
        index += taken
    return piece, [], line + count


def _spanned(lines: list[bytes], index: int, dialect: Dialect) -> int:
    """How many lines the record at `index` has; 0: it goes on behind them, -1: it is malformed."""
    if not dialect.opens(lines[index]):
        return -1
    for end in range(index + 1, len(lines)):
        part = lines[end]
        if dialect.quote_byte not in part:
            continue
        if dialect.closes(part.rstrip(b"\r")):
            return end + 1 - index
        if not dialect.stays_open(part):
            return -1
    return 0


def _size(lines: list[bytes], index: int) -> int:
    return sum(map(len, lines[index:]))


def _without(blank: bytes, piece: _Piece) -> _Piece:
    if blank not in piece.records:
        return piece
    kept = [pair for pair in zip(piece.records, piece.lines, strict=True) if pair[0] != blank]
    records = [record for record, _ in kept]
    return _Piece(records, [line for _, line in kept], piece.malformed)


def _batches(pieces: Iterable[_Piece], table: Table, size: int) -> Generator[Batch]:
    """Pieces as batches of equal size; lines of delimiters alone hold nothing and are left out."""
    nothing = table.dialect.delimiter_byte * (len(table.columns) - 1)
    records: list[bytes] = []
    lines: list[int] = []
    problems: list[RowProblem] = []
    for piece in pieces:
        piece = _without(nothing, piece)
        records += piece.records
        lines += piece.lines
        problems += [
            table.problem(record, line, "A quote is out of place or never closed")
            for record, line in piece.malformed
        ]
        start = 0
        while len(records) - start >= size:
            end = start + size
            yield CsvBatch(
                layout=table.fingerprint,
                table=table,
                records=records[start:end],
                lines=lines[start:end],
                problems=problems,
            )
            start, problems = end, []
        del records[:start], lines[:start]
    if records or problems:
        yield CsvBatch(
            layout=table.fingerprint, table=table, records=records, lines=lines, problems=problems
        )
