"""Which objects a read has seen: one byte per object in pages, whatever the keys."""

from __future__ import annotations

from collections.abc import Iterable

_BITS = 16
_MASK = (1 << _BITS) - 1


class Seen:
    """A set of object sequence numbers. Five million objects need about five megabytes."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._count = 0
        self._sum = 0
        self.only_live = True
        """Whether every object in it was live when it was seen."""

    @property
    def totals(self) -> tuple[int, int]:
        """Their number and sum."""
        return self._count, self._sum

    def __contains__(self, seq: object) -> bool:
        assert isinstance(seq, int)
        page = self._pages.get(seq >> _BITS)
        return page is not None and page[seq & _MASK] == 1

    def count(self, seqs: Iterable[int]) -> int:
        """How many of `seqs` are already in the set."""
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
