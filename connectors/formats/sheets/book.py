"""The base of all kinds of workbooks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from connectors.formats.sheets.cells import BLANK, Line

Area: TypeAlias = "tuple[int, int, int, int]"
"""Top, left, bottom and right of merged cells, inclusive, counted from 0."""


class SheetInfo(NamedTuple):
    name: str
    is_visible: bool


class Book(ABC):
    """An open workbook. A damaged one may raise anything."""

    def __init__(self, most: int) -> None:
        self.most = most
        """Maximum bytes of JSON for its rows; more indicates a decompression bomb."""
        self.sheets: list[SheetInfo] = []
        """Worksheets in their order, without charts."""
        self.done = 0
        self.size = 0
        """How much of the sheet was read, and its total, in any unit."""

    @abstractmethod
    def lines(self, sheet: str, *, fill_merged: bool) -> Iterator[Line]:
        """The rows of a sheet in order; empty rows may be missing."""

    @property
    def share(self) -> float:
        return min(self.done / self.size, 1.0) if self.size else 1.0


def filled(lines: Iterable[Line], merged: Sequence[Area]) -> Iterator[Line]:
    """Give every cell of a merged area the value of its top left cell."""
    waiting = sorted(merged, reverse=True)
    active: list[tuple[int, int, int, bytes, Line]] = []
    expected = 0
    for line in lines:
        while active and expected < line.row:  # rows missing from the file
            active = [area for area in active if area[0] >= expected]
            if not active:
                break
            between = Line(expected, [])
            _fill(between, active)
            yield between
            expected += 1
        expected = line.row + 1
        active = [area for area in active if area[0] >= line.row]
        while waiting and waiting[-1][0] <= line.row:
            top, left, bottom, right = waiting.pop()
            value = line.cells[left] if left < len(line.cells) else BLANK
            if top == line.row and (value != BLANK or left in line.bad):
                active.append((bottom, left, right, value, line))
        _fill(line, active)
        yield line


def _fill(line: Line, active: Iterable[tuple[int, int, int, bytes, Line]]) -> None:
    for _, left, right, value, origin in active:
        line.cells.extend([BLANK] * (right + 1 - len(line.cells)))
        line.cells[left : right + 1] = [value] * (right + 1 - left)
        if left in origin.bad:
            line.bad.update(dict.fromkeys(range(left, right + 1), origin.bad[left]))
