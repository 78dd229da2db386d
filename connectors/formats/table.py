"""The rows of a CSV table: raw records, decoded individually on demand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.formats import base
from connectors.formats.texts.dialect import Dialect
from connectors.formats.texts.source import TOO_LONG
from connectors.sdk import (
    Batch,
    JsonValue,
    Row,
    RowData,
    RowDecodeError,
    RowProblem,
    canonical,
    redact,
)
from connectors.sdk.counting import counted

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a table."""

    dialect: Dialect
    columns: tuple[str, ...]
    unnamed: tuple[str, ...]
    """Columns without a heading; they count only if they are not empty."""
    nulls: frozenset[str]
    name: str
    fingerprint: bytes
    """Eight bytes that change if the same line would give another row (a renamed column)."""
    key: tuple[int, ...] | None
    """The indices of the key columns; None if unknown or not plain columns."""
    max_row: int

    def position(self, line: int) -> str:
        return base.at(self.name, f"line {line}")

    def problem(self, record: bytes, line: int, message: str, key: str | None) -> RowProblem:
        shown: JsonValue = {"line": redact.shorten(record.decode(errors="replace"))}
        return base.problem(self.position(line), message, shown, key=key)

    def malformed(self, record: bytes, line: int) -> RowProblem:
        """The problem of a record with invalid quotes; the cells before them are reliable."""
        key = self._key_of(list(self.dialect.raw_cells(record)))
        return self.problem(record, line, "A quote is misplaced or not closed", key)

    def row(self, record: bytes, line: int) -> Row:
        """Decode one record. Raises RowDecodeError if it is ragged or not valid text."""
        try:
            cells: list[str] = self.dialect.cells(record)
        except UnicodeDecodeError as error:
            if record.endswith(TOO_LONG):
                raise self._too_long(record, line) from None
            message = (
                f"Byte {error.start + 1} does not match the encoding of this file; set csv.encoding"
            )
            cells_ = list(self.dialect.raw_cells(record))
            key = self._key_of(cells_) if len(cells_) == len(self.columns) else None
            raise RowDecodeError(self.problem(record, line, message, key)) from None
        if len(cells) != len(self.columns):
            cells = self._fitted(cells, record, line)
        data: RowData = dict(zip(self.columns, cells, strict=True))
        for name in self.unnamed:
            if data[name] == "":
                del data[name]
        if self.nulls:
            data = {name: None if cell in self.nulls else cell for name, cell in data.items()}
        return Row(data, self.position(line))

    def _too_long(self, record: bytes, line: int) -> RowDecodeError:
        head = record.removesuffix(TOO_LONG)
        first = self.dialect.delimiter_byte in head and self.key == (0,)
        key = self._key_of([head.split(self.dialect.delimiter_byte, 1)[0]]) if first else None
        message = f"The row {base.too_large(self.max_row)}"
        return RowDecodeError(self.problem(head, line, message, key))

    def _fitted(self, cells: list[str], record: bytes, line: int) -> list[str]:
        """The cells of a row, adjusted if surplus or missing cells at the end are empty."""
        wanted = len(self.columns)
        if len(cells) > wanted and not any(cells[wanted:]):
            return cells[:wanted]
        missing = self.columns[len(cells) :]
        if missing and all(name in self.unnamed for name in missing):
            return [*cells, *[""] * len(missing)]
        message = f"{counted(len(cells), 'cell')}, but the header has {wanted}"
        # An extra or missing delimiter shifts every cell but the first.
        key = self._key_of([cells[0].encode()]) if self.key == (0,) else None
        raise RowDecodeError(self.problem(record, line, message, key))

    def _key_of(self, cells: Sequence[bytes]) -> str | None:
        """The key, if all its cells are among the first ones, given as `cells`."""
        if not self.key or max(self.key) >= len(cells):
            return None
        parts = [self.key_text(cells[index]) for index in self.key]
        return parts[0] if len(parts) == 1 else canonical.join_key(parts)

    def key_text(self, cell: bytes) -> str | None:
        """A cell as part of a key; None if it is blank, null or invalid."""
        try:
            text = self.dialect.text(cell)
        except UnicodeDecodeError:
            return None
        return text if text.strip() and text not in self.nulls else None


@dataclass(slots=True, kw_only=True)
class CsvBatch(Batch):
    """Raw records (in UTF-8), decoded individually on demand."""

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
        dialect, count = self.table.dialect, len(self.table.columns) - 1
        delimiter, quote = dialect.delimiter_byte, dialect.quote_byte
        twice = quote * 2
        match, nulls = dialect.cell_pattern(index, count + 1).match, self.table.nulls
        keys: list[str | None] = []
        for place, record in enumerate(self.records):
            if quote and quote in record:
                found = match(record)
                if found is None:  # ragged, or more blank cells than there are columns
                    keys.append(self._key_of_row(place, index))
                    continue
                cell, bare = found.groups()
                if cell is not None:
                    if quote in cell:
                        cell = cell.replace(twice, quote)
                elif bare.startswith(b" "):  # quotes may follow
                    keys.append(self._key_of_row(place, index))
                    continue
                else:
                    cell = bare
                if cell.startswith(b"="):
                    keys.append(self.table.key_text(cell))
                    continue
            elif index == 0:
                cell = record.split(delimiter, 1)[0]
            elif record.count(delimiter) == count:
                cell = record.split(delimiter, index + 1)[index]
            else:
                keys.append(self._key_of_row(place, index))
                continue
            try:
                text = cell.decode()
            except UnicodeDecodeError:
                keys.append(None)
            else:
                keys.append(text if text.strip() and text not in nulls else None)
        return keys

    def _key_of_row(self, place: int, index: int) -> str | None:
        """The key of a possibly ragged row, which must be decoded."""
        try:
            return canonical.key_part(self.row(place).data.get(self.table.columns[index]))
        except RowDecodeError:
            return None
