"""The grammar of a CSV file: delimiter and quote, and how lines become records and cells."""

from __future__ import annotations

import csv
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

LONGEST_RECORD = 8 * 1024 * 1024
DELIMITERS = (",", ";", "\t", "|")

_SAMPLE_LINES = 200

# The module's own limit is 128 KiB per field; ours is per record.
csv.field_size_limit(LONGEST_RECORD)


class Dialect:
    """Delimiter and quote with what is compiled from them; cuts records into cells."""

    def __init__(self, delimiter: str, quote: str) -> None:
        self._local = threading.local()
        self.delimiter = delimiter
        self.quote = quote
        self.delimiter_byte = delimiter.encode()
        self.quote_byte = quote.encode()
        d, q = re.escape(self.delimiter_byte), re.escape(self.quote_byte) or b"(?!)"
        not_q = b"[^" + q + b"]" if quote else b"."
        inside = not_q + b"*+(?:" + q + q + not_q + b"*+)*+"
        bare = b"(?:(?!" + q + b")[^\r" + d + b"]*+)"
        cell = b"(?:" + q + inside + q + b"|" + bare + b")"
        self._cell = cell
        self._captured = b"(?:" + q + b"(" + inside + b")" + q + b"|(" + bare + b"))"
        more = b"(?:" + d + cell + b")*+"
        # A line on its own: well-formed, or well-formed so far and ending within quotes.
        self.whole = re.compile(cell + more, re.DOTALL).fullmatch
        self.opens = re.compile(b"(?:" + cell + d + b")*+" + q + inside, re.DOTALL).fullmatch
        # A line that begins within quotes: it ends the record, or it leaves quotes open.
        self.closes = re.compile(inside + q + more, re.DOTALL).fullmatch
        self.stays_open = re.compile(
            inside + b"(?:" + q + more + d + q + inside + b")?+", re.DOTALL
        ).fullmatch

    def cells(self, record: bytes) -> list[str]:
        """The texts of a well-formed record. Raises UnicodeDecodeError."""
        text = record.decode()
        if not self.quote or self.quote not in text:
            return text.split(self.delimiter)
        try:
            waiting, reader = self._local.pair
        except AttributeError:
            waiting, reader = self._new_reader()
        waiting.append(text)
        return next(reader)

    def _new_reader(self) -> tuple[list[str], Iterator[list[str]]]:
        """One reader for all records of a thread: making one costs as much as using it."""
        waiting: list[str] = []
        reader = csv.reader(
            iter(waiting.pop, None), delimiter=self.delimiter, quotechar=self.quote, strict=True
        )
        self._local.pair = (waiting, reader)
        return waiting, reader

    def cell_pattern(self, index: int) -> re.Pattern[bytes]:
        """Matches a record up to cell `index`: group 1 is its quoted text, or group 2 its bare."""
        skipped = b"(?:%b%b){%d}" % (self._cell, re.escape(self.delimiter_byte), index)
        return re.compile(skipped + self._captured, re.DOTALL)


def separator_line(sample: bytes) -> str | None:
    """The delimiter that spreadsheets write as a first line of its own: ``sep=;``."""
    found = re.match(rb"sep=([,;|\t])\r?\n", sample)
    return found.group(1).decode() if found else None


def detect_delimiter(lines: Sequence[bytes]) -> str:
    """The delimiter that parts most lines into as many cells as the first, the header, has."""
    bare = [re.sub(rb'"[^"]*"', b"", line) for line in lines[:_SAMPLE_LINES] if line.strip()]
    best, best_score = DELIMITERS[0], (0.0, 0)
    for delimiter in DELIMITERS:
        counts = [line.count(delimiter.encode()) for line in bare]
        if counts and counts[0]:
            score = (Counter(counts)[counts[0]] / len(counts), counts[0])
            if score > best_score:
                best, best_score = delimiter, score
    return best
