"""Which objects a read has met: one byte per object in pages, so memory does not follow keys."""

from __future__ import annotations

from collections.abc import Iterable

_BITS = 16
_MASK = (1 << _BITS) - 1


class Seen:
    """A set of object sequence numbers. Five million objects take about five megabytes."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._count = 0
        self._sum = 0
        self.only_live = True
        """Whether every object among them was live when it was met."""

    @property
    def totals(self) -> tuple[int, int]:
        """How many there are, and the sum of them."""
        return self._count, self._sum

    def __contains__(self, seq: object) -> bool:
        assert isinstance(seq, int)
        page = self._pages.get(seq >> _BITS)
        return page is not None and page[seq & _MASK] == 1

    def count(self, seqs: Iterable[int]) -> int:
        """How many of `seqs` are in the set already."""
        pages = self._pages
        if not pages:
            return 0
        empty = bytearray(1 << _BITS)
        return sum(pages.get(seq >> _BITS, empty)[seq & _MASK] for seq in seqs)

    def mark(self, seqs: Iterable[int]) -> None:
        """Add `seqs`."""
        number, page = -1, bytearray()
        for seq in seqs:
            if seq >> _BITS != number:
                number = seq >> _BITS
                page = self._pages.get(number) or self._pages.setdefault(
                    number, bytearray(1 << _BITS)
                )
            if not page[seq & _MASK]:
                page[seq & _MASK] = 1
                self._count += 1
                self._sum += seq
