"""Read rows with the same markup with one regular expression each.

Most rows of a sheet differ only in their values. An expression generated from one row, with a group
per value, parses a row in one step and accepts only the same markup.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

from connectors.formats.sheets.cells import BLANK, Bad, Cell, Convert, Line

Found: TypeAlias = "tuple[bytes, bytes, bytes, bytes, bytes]"
"""Column, attributes, formula, value and inline text of a cell."""

_SEEN = 20
"""Equal rows required before an expression is compiled, which costs as much as 100 rows."""
_MOST = 32
_TRIED = 8
_VALUE = rb"([^<&\r]+)"


class Shape:
    def __init__(
        self,
        cell: re.Pattern[bytes],
        piece: bytes,
        head: re.Match[bytes],
        plan: list[Convert | None],
    ) -> None:
        start, end = head.span(1)
        parts = [re.escape(piece[:start]), rb"(\d{1,7})", re.escape(piece[end : head.end()])]
        at = head.end()
        for found in cell.finditer(piece, at):
            parts.append(re.escape(piece[at : found.start()]))
            parts.append(_markup(piece, found))
            at = found.end()
        parts.append(re.escape(piece[at:]))
        self._match = re.compile(b"".join(parts)).fullmatch
        self._places = [place for place, convert in enumerate(plan) if convert is not None]
        self._converts = [convert for convert in plan if convert is not None]
        self._blank = [BLANK] * len(plan)
        self._is_dense = len(self._converts) == len(plan)

    def read(self, piece: bytes) -> Line | None:
        found = self._match(piece)
        if found is None:
            return None
        row, *values = found.groups()
        read: list[Cell] = [
            convert(value) for convert, value in zip(self._converts, values, strict=True)
        ]
        bad: dict[int, Bad] = {}
        if set(map(type, read)) != _ALL_BYTES:
            bad = {p: c for p, c in zip(self._places, read, strict=True) if isinstance(c, Bad)}
            read = [BLANK if isinstance(cell, Bad) else cell for cell in read]
        cells: list[bytes] = read  # type: ignore[assignment]  # no Bad is left
        if not self._is_dense:
            cells = list(self._blank)
            for place, cell in zip(self._places, read, strict=True):
                cells[place] = cell  # type: ignore[assignment]
        return Line(int(row) - 1, cells, bad)


_ALL_BYTES = {bytes}


def _markup(piece: bytes, found: re.Match[bytes]) -> bytes:
    """The expression for one cell: any row number, any value, any formula."""
    start, end = found.span()
    changing = [(found.end(1), piece.index(b'"', found.end(1)), rb"\d{1,7}")]
    if found[3]:
        begin = piece.index(b">", found.start(3)) + 1
        if begin < found.end(3):
            changing.append((begin, piece.index(b"<", begin), rb"[^<]*"))
    changing += [(*found.span(group), _VALUE) for group in (4, 5) if found[group]]
    parts, at = [], start
    for begin, until, expression in changing:
        parts += [re.escape(piece[at:begin]), expression]
        at = until
    return b"".join([*parts, re.escape(piece[at:end])])


class Shapes:
    """The shapes of one sheet, most recently used first."""

    def __init__(self, cell: re.Pattern[bytes]) -> None:
        self._cell = cell
        self._shapes: list[Shape] = []
        self._counts: Counter[int] = Counter()
        self._made = 0

    def read(self, piece: bytes) -> Line | None:
        for index, shape in enumerate(self._shapes):
            line = shape.read(piece)
            if line is not None:
                if index:
                    self._shapes.insert(0, self._shapes.pop(index))
                return line
        return None

    def learn(
        self,
        piece: bytes,
        head: re.Match[bytes],
        found: Sequence[Found],
        convert: Callable[[Found], Convert | None],
        column: Callable[[bytes], int],
    ) -> None:
        """Record a row; after many equal ones, the next are read by a shape."""
        if self._made == _MOST or not head[1] or not all(cell[0] for cell in found):
            return
        alike = hash(tuple((cell[0], cell[1], *map(bool, cell[2:])) for cell in found))
        self._counts[alike] += 1
        if self._counts[alike] != _SEEN:
            if len(self._counts) > 10_000:
                self._counts.clear()
            return
        plan: list[Convert | None] = []
        for cell in found:
            plan.extend([None] * (column(cell[0]) - len(plan)))
            plan.append(convert(cell))
        self._made += 1
        self._shapes.insert(0, Shape(self._cell, piece, head, plan))
        del self._shapes[_TRIED:]
