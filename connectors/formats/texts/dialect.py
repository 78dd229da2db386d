"""The dialect of a CSV file: delimiter and quote, and splitting lines into records and cells."""

from __future__ import annotations

import csv
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

LONGEST_RECORD = 8 * 1024 * 1024
DELIMITERS = (",", ";", "\t", "|")

_SAMPLE_LINES = 200
_LONGEST_CELL_LINES = 50
_SEPARATOR = re.compile(rb"""(?i)("?)sep=([^\w\s"\x80-\xff]|\t)\1(?:\r\n|\n|\r)""")

# The csv module limits fields to 128 KiB; our limit applies to records.
csv.field_size_limit(LONGEST_RECORD)


class Dialect:
    """Delimiter, quote and compiled patterns; splits records into cells."""

    def __init__(self, delimiter: str, quote: str) -> None:
        self._local = threading.local()
        self.delimiter = delimiter
        self.quote = quote
        self.delimiter_byte = delimiter.encode()
        self.quote_byte = quote.encode()
        d, q = self._escaped()
        self._around = b"" if delimiter == " " else b" *+"
        outside = b"(?:^|" + d + b") +" + q + b"|" + q + b" +(?:$|" + d + b")"
        self._has_blanks = re.compile(outside if self._around else b"(?!)")
        self._rare = (f" {quote}", f"{quote} ", f"={quote}")
        captured = self._grammar(self._around)
        self._next = re.compile(captured + b"(?:(" + d + rb")|\Z)", re.DOTALL)
        nothing = rb"[ \t\r]*+(?:" + q + q + rb")?+[ \t\r]*+"
        self.blank = re.compile(nothing + b"(?:" + d + nothing + b")*+").fullmatch
        self._grammar(b"")

    def _escaped(self) -> tuple[bytes, bytes]:
        return re.escape(self.delimiter_byte), re.escape(self.quote_byte) or b"(?!)"

    def _grammar(self, blanks: bytes) -> bytes:
        """Compile the patterns; allows `blanks` around quotes. Returns the pattern of one cell."""
        d, q = self._escaped()
        not_q = b"[^" + q + b"]" if self.quote else b"."
        inside = not_q + b"*+(?:" + q + q + not_q + b"*+)*+"
        bare = b"(?:(?!" + blanks + q + b")[^\r" + d + b"]*+)"
        opening = blanks + q + inside
        cell = b"(?:" + opening + q + blanks + b"|" + bare + b")"
        self._cell = cell
        self._captured = (
            b"(?:" + blanks + q + b"(" + inside + b")" + q + blanks + b"|(" + bare + b"))"
        )
        more = b"(?:" + d + cell + b")*+"
        # A complete line: well-formed, or well-formed so far and ending within quotes.
        self.whole = re.compile(cell + more, re.DOTALL).fullmatch
        self.opens = re.compile(b"(?:" + cell + d + b")*+" + opening, re.DOTALL).fullmatch
        # A line that begins within quotes: it ends the record, or leaves the quotes open.
        self.closes = re.compile(inside + q + blanks + more, re.DOTALL).fullmatch
        self.stays_open = re.compile(
            inside + b"(?:" + q + blanks + more + d + opening + b")?+", re.DOTALL
        ).fullmatch
        return self._captured

    def look(self, sample: bytes) -> None:
        """Allow spaces around quotes if the sample has them, also in multi-line records.

        They are not part of the value, unlike in RFC 4180, section 2, rule 4: that is what files
        such as `1, "x, y"` mean.
        """
        if self.quote and self._around and self._has_blanks.search(sample):
            self._grammar(self._around)

    def cells(self, record: bytes) -> list[str]:
        """The texts of a well-formed record. Raises UnicodeDecodeError."""
        text = record.decode()
        if not self.quote or self.quote not in text:
            return text.split(self.delimiter)
        before, after, mark = self._rare
        if (before in text or after in text) and self._has_blanks.search(record):
            return [self.text(cell) for cell in self.raw_cells(record)]
        try:
            waiting, reader = self._local.pair
        except AttributeError:
            waiting, reader = self._new_reader()
        waiting.append(text)
        try:
            cells: list[str] = next(reader)
        except csv.Error:  # a different line ending within a cell
            return [self.text(cell) for cell in self.raw_cells(record)]
        if mark in text:
            return [_unmarked(cell, self.quote) for cell in cells]
        return cells

    def text(self, cell: bytes) -> str:
        """The text of one extracted cell. Raises UnicodeDecodeError."""
        return _unmarked(cell.decode(), self.quote) if self.quote else cell.decode()

    def _new_reader(self) -> tuple[list[str], Iterator[list[str]]]:
        """One reader per thread: creating one costs as much as using it."""
        waiting: list[str] = []
        reader = csv.reader(
            iter(waiting.pop, None), delimiter=self.delimiter, quotechar=self.quote, strict=True
        )
        self._local.pair = (waiting, reader)
        return waiting, reader

    def raw_cells(self, record: bytes) -> Iterator[bytes]:
        """The bytes of the cells, as far as they are well-formed."""
        position, twice = 0, self.quote_byte * 2
        while (found := self._next.match(record, position)) is not None:
            quoted, bare, delimiter = found.groups()
            yield bare if quoted is None else quoted.replace(twice, self.quote_byte)
            if delimiter is None:
                return
            position = found.end()

    def cell_pattern(self, index: int, cells: int) -> re.Pattern[bytes]:
        """Matches a record with this many cells: group 1 is a cell's quoted text, group 2 unquoted.

        The pattern for the first cell does not depend on how many follow.
        """
        d = re.escape(self.delimiter_byte)
        before = b"(?:%b%b){%d}" % (self._cell, d, index)
        after = b"(?:%b%b){%d}\\Z" % (d, self._cell, cells - index - 1) if index else b""
        return re.compile(before + self._captured + after, re.DOTALL)


def _unmarked(cell: str, quote: str) -> str:
    """The text of ``="001"``, with which spreadsheets are forced to keep a text."""
    inner = cell[2:-1]
    marked = len(cell) > 2 and cell.startswith(f"={quote}") and cell.endswith(quote)
    return inner if marked and quote not in inner else cell


def separator_line(sample: bytes) -> str | None:
    """The delimiter in a spreadsheet's first line ``sep=;``."""
    found = _SEPARATOR.match(sample)
    return found.group(2).decode() if found else None


def logical_lines(lines: Sequence[bytes], quote: bytes) -> list[bytes]:
    """The first lines, with quoted line breaks joined and quoted text removed."""
    found: list[bytes] = []
    index, lines = 0, lines[:_SAMPLE_LINES]
    while index < len(lines):
        taken, line = 1, lines[index]
        if quote and line.count(quote) % 2:
            for more in range(1, min(_LONGEST_CELL_LINES, len(lines) - index)):
                if lines[index + more].count(quote) % 2:
                    taken, line = more + 1, b" ".join(lines[index : index + more + 1])
                    break
        if quote:
            q = re.escape(quote)
            line = re.sub(q + b"[^" + q + b"]*" + q, b"x", line)
        found += [line.strip(b"\r"), *[b""] * (taken - 1)]  # as many as there were
        index += taken
    return found


def detect_delimiter(lines: Sequence[bytes], quote: bytes = b'"') -> str | None:
    """The delimiter that splits most lines into as many cells as the header, the first line.

    None if the header has none of the usual ones: a table with one column.
    """
    bare = [line for line in logical_lines(lines, quote) if line.strip()]
    best, best_score = None, (0.0, 0)
    for delimiter in DELIMITERS:
        counts = [line.count(delimiter.encode()) for line in bare]
        if counts and counts[0]:
            score = (Counter(counts)[counts[0]] / len(counts), counts[0])
            if score > best_score:
                best, best_score = delimiter, score
    return best


def header_below(lines: Sequence[bytes], delimiter: str | None, quote: bytes) -> int:
    """How many lines below the first one the header seems to be, if the first is a title; else 0.

    A title has one cell (possibly followed by empty ones), and most lines below it have the same,
    higher number of cells.
    """
    whole = logical_lines(lines, quote)
    first, below = (whole[0], whole[1:]) if whole else (b"", [])
    filled = [line for line in below if line.strip()]
    for mark in _likely(first, filled, delimiter or detect_delimiter(lines, quote)):
        byte = mark.encode()
        counts = Counter(line.count(byte) for line in filled)
        cells, times = counts.most_common(1)[0] if counts else (0, 0)
        named = [cell for cell in first.split(byte) if cell.strip()]
        if len(named) != 1 or cells == 0 or times * 10 < len(filled) * 6 or times < 2:
            continue
        at = next(i for i, line in enumerate(below) if line.count(byte) == cells)
        padded = first.count(byte) == cells >= 2
        alone = first.count(byte) == 0 and (cells >= 2 or b" " in first or not below[0].strip())
        if alone or (padded and all(cell.strip() for cell in below[at].split(byte))):
            return at + 1
    return 0


def _likely(first: bytes, below: Sequence[bytes], delimiter: str | None) -> Sequence[str]:
    """Likely delimiters of the lines below a title: that of the first line, if it has one."""
    if delimiter is None:
        return DELIMITERS
    byte = delimiter.encode()
    alike = sum(line.count(byte) == first.count(byte) for line in below)
    if alike * 2 >= len(below):
        return (delimiter,)
    return [mark for mark in DELIMITERS if mark != delimiter]
