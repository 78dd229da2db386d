"""CSV to rows: detected dialect, strict quoting, values that stay text.

A line without quotes is not split until one of its values is needed, so an unchanged row costs
little more than finding the end of its line. Quoting follows RFC 4180. A malformed line is a
problem of its own, and reading continues with the next one, so one stray quote cannot swallow
the rows after it.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from pydantic import Field, field_validator

from connectors.formats import base
from connectors.formats.table import CsvBatch, Table
from connectors.formats.texts import signatures
from connectors.formats.texts.dialect import (
    LONGEST_RECORD,
    Dialect,
    detect_delimiter,
    header_below,
    separator_line,
)
from connectors.formats.texts.source import TextSource
from connectors.sdk import Batch, ConfigModel, DataError, JsonValue, RowProblem


class CsvOptions(ConfigModel):
    """The format of a CSV file. Missing settings are detected; `check` shows the result."""

    encoding: str | None = Field(None, description="For example utf-8 or windows-1252; detected")
    delimiter: str | None = Field(None, description="One character, or 'tab'; detected")
    quote: str = Field('"', description="Quote character; empty: no quoting")
    header_row: int = Field(1, ge=0, description="Line number of the column names; 0: no header")
    columns: list[str] = Field([], description="Column names if there is no header")
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


@dataclass(slots=True)
class _Piece:
    """Records of one block of text, with the numbers of their first lines."""

    records: list[bytes]
    lines: Sequence[int]
    malformed: list[tuple[bytes, int]] = field(default_factory=list)


class CsvReader(base.FormatReader):
    """Reads CSV; see `CsvOptions`. Raises DataError for a file without a valid header."""

    def __init__(self, options: CsvOptions | None = None) -> None:
        super().__init__()
        self.options = options or CsvOptions()

    def batches(
        self, stream: BinaryIO, *, name: str = "", batch_size: int = base.BATCH_SIZE
    ) -> Generator[Batch]:
        quote = self.options.quote
        source = self._source(stream, name)
        first = max(self.options.header_row, 1)
        separator = separator_line(source.sample)
        if separator:
            first = max(first, 2)
        head_lines = source.split(source.sample)[first - 1 :]
        delimiter = self.options.delimiter or separator
        if "header_row" not in self.options.model_fields_set and not self.options.columns:
            self._refuse_title(head_lines, delimiter, first, name)
        delimiter = delimiter or self._delimiter(head_lines, name)
        dialect = Dialect(delimiter, quote)
        dialect.look(source.sample)
        pieces = _pieces(source, dialect, first)
        head = next((piece for piece in pieces if piece.records or piece.malformed), None)
        if head is not None and head.malformed and self.options.header_row:
            line = head.malformed[0][1]
            if not head.records or line < head.lines[0]:
                raise DataError(
                    "A quote in the header is misplaced or not closed",
                    where=base.at(name, f"line {line}"),
                    hint="Correct it, or set csv.quote or csv.header_row",
                )
        table = self._table(head, dialect, name)
        assert head is not None  # _table rejects that
        if self.options.header_row:
            head.records, head.lines = head.records[1:], head.lines[1:]
        self.facts = {
            "encoding": source.encoding.described(),
            "delimiter": "tab" if delimiter == "\t" else delimiter,
            "columns": len(table.columns),
        }
        return _batches(itertools.chain([head], pieces), table, batch_size)

    def _source(self, stream: BinaryIO, name: str) -> TextSource:
        """The text, after checking that it is text and may be CSV."""
        known = self.known("encoding", name)
        source = TextSource(
            stream,
            self.options.encoding,
            known=known if isinstance(known, str) else None,
            quote=self.options.quote.encode(),
            longest=self.max_row,
        )
        if self.options.header_row and (what := signatures.other_text(source.sample[:4096])):
            raise base.not_this(what, "CSV", name)
        if source.encoding.origin == "detected" and not source.encoding.plain:
            self.settle("encoding", source.encoding.name, name, "csv.encoding")
        return source

    def _delimiter(self, lines: Sequence[bytes], name: str) -> str:
        found = detect_delimiter(lines, self.options.quote.encode())
        known = self.known("delimiter", name)
        if isinstance(known, str) and (found is None or lines[0].count(known.encode())):
            return known
        if found is not None:
            self.settle("delimiter", found, name, "csv.delimiter")
        return found or ","

    def _refuse_title(
        self, lines: Sequence[bytes], delimiter: str | None, first: int, name: str
    ) -> None:
        below = header_below(lines, delimiter, self.options.quote.encode())
        if below:
            raise DataError(
                "The first line looks like a title above the table, not a header",
                where=base.at(name, f"line {first}"),
                hint=f"Set csv.header_row to {first + below}, the line with the column "
                f"names, or to {first} if it is line {first}",
            )

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
                "The header does not match the encoding of the file",
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
        if self.options.header_row or self.options.columns:
            self.settle_columns(columns, where)
        places = [columns.index(field) for field in self.key if field in columns]
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
            key=tuple(places) if self.key and len(places) == len(self.key) else None,
            max_row=self.max_row,
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
    """Records of lines with quotes, and the lines of a record that continues in the next block.

    The third result is the number of the first unread line.
    """
    quote, whole = dialect.quote_byte, dialect.whole
    edges, blank = frozenset(quote + dialect.delimiter_byte + b" "), dialect.blank
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
        if not (record and record[0] in edges and blank(record)):
            records.append(record)
            numbers.append(line + index)
        index += taken
    return piece, [], line + count


def _spanned(lines: list[bytes], index: int, dialect: Dialect) -> int:
    """How many lines the record at `index` has; 0: it continues after them, -1: malformed."""
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


def _not_blank(piece: _Piece) -> _Piece:
    kept = [pair for pair in zip(piece.records, piece.lines, strict=True) if not pair[0].isspace()]
    return _Piece([record for record, _ in kept], [line for _, line in kept], piece.malformed)


def _batches(pieces: Iterable[_Piece], table: Table, size: int) -> Generator[Batch]:
    """Pieces as batches of equal size, without lines of only delimiters."""
    nothing = table.dialect.delimiter_byte * (len(table.columns) - 1)
    records: list[bytes] = []
    lines: list[int] = []
    problems: list[RowProblem] = []
    held = 0
    for piece in pieces:
        piece = _without(nothing, piece)
        held += sum(map(len, piece.records))
        if any(map(bytes.isspace, piece.records)):
            piece = _not_blank(piece)
        records += piece.records
        lines += piece.lines
        problems += [table.malformed(record, line) for record, line in piece.malformed]
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
            start, problems, held = end, [], 0
        del records[:start], lines[:start]
        if held > base.LARGEST_BATCH:
            yield CsvBatch(
                layout=table.fingerprint,
                table=table,
                records=records,
                lines=lines,
                problems=problems,
            )
            records, lines, problems, held = [], [], [], 0
    if records or problems:
        yield CsvBatch(
            layout=table.fingerprint, table=table, records=records, lines=lines, problems=problems
        )
