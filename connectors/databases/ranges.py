"""Change detection inside the database: digests of key ranges, compared where the rows are.

After a full read the table is cut into ranges of its key, and the database computes a count and
a digest of each; both go into the cursor. The next read asks for the same digests again, in one
statement or a few, and reads only the ranges that differ. An unchanged table costs an
aggregate query and not one row on the wire: where that is quicker, the digest of all rows is
compared first, for the digests of the ranges add up to it.

The digest of a range is the sum, modulo 2**64, of two independent 64-bit hashes of each row. Sums
add up, so neighbouring ranges merge without a look at their rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby, pairwise
from typing import Any, TypeAlias, cast

from connectors.sdk.errors import DataError
from connectors.sdk.rows import Batch, Cursor, End, JsonValue, KeyRange, Proof, RowBatch

VERSION = 1
"""Of the digests; another version's cursor means a full read."""

SMALLEST = 500
"""Rows that a range aims at, at least."""

_MASK = 2**64 - 1

Span: TypeAlias = "tuple[str | None, str | None]"
"""Lowest key and the key above the highest; None is open."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Number of rows, and two sums of their hashes."""

    count: int = 0
    first: int = 0
    second: int = 0

    def __add__(self, other: Digest) -> Digest:
        return Digest(
            self.count + other.count,
            (self.first + other.first) & _MASK,
            (self.second + other.second) & _MASK,
        )

    @classmethod
    def of(cls, count: int, first: int, second: int) -> Digest:
        return cls(int(count), int(first) & _MASK, int(second) & _MASK)


@dataclass(frozen=True, slots=True)
class Part:
    """A range of keys from `low` (None: from the first) to the next part's `low`."""

    low: str | None
    digest: Digest


def shape_of(parts: Sequence[str]) -> str:
    """A short name for everything that digests depend on beside the rows."""
    return blake2b("\x00".join(parts).encode(), digest_size=8).hexdigest()


class Ranges(ABC):
    """What a dialect can do with ranges of its table's key, in the reader's own snapshot."""

    field: str
    """The column: the first of the primary key."""
    numeric: bool
    """Whole numbers; otherwise text, compared by code point."""
    most: int
    """Ranges that one comparison takes without trouble."""
    layout: str
    """What the digests depend on beside the rows: columns, types, version of the server."""
    whole_first = False
    """One digest of all rows costs much less than one of each range, so it is asked for first."""

    @abstractmethod
    def bounds(self, span: Span, size: int) -> list[str]:
        """Keys within a span at which ranges of `size` rows begin, the first one left out."""

    @abstractmethod
    def digests(self, lows: Sequence[str], span: Span = (None, None)) -> list[Digest]:
        """Digests of the ranges into which `lows` (ascending) cut the span: one more than lows."""

    @abstractmethod
    def batches(self, spans: Sequence[Span], total: int) -> Iterator[Batch]:
        """The rows of some spans."""


def read_ranges(
    ranges: Ranges, everything: Iterator[Batch], total: int | None, cursor: Cursor | None
) -> Iterator[Batch]:
    """One read of a table that can be compared: all of `everything`, or what changed since."""
    before = _stored(ranges, cursor)
    if before is None:
        yield from _first(ranges, everything, total)
    else:
        yield from _next(ranges, before, everything)


def _first(ranges: Ranges, everything: Iterator[Batch], total: int | None) -> Iterator[Batch]:
    """Everything, and at the end a cursor with the digests of what was read."""
    yield from everything
    lows = ranges.bounds((None, None), _size(ranges, total or 0))
    digests = ranges.digests(lows)
    parts = [Part(low, digest) for low, digest in zip([None, *lows], digests, strict=True)]
    yield _full(ranges, parts)


def _next(ranges: Ranges, before: Sequence[Part], everything: Iterator[Batch]) -> Iterator[Batch]:
    """Only the ranges that are not as they were; `everything` where that is most of them."""
    if ranges.whole_first:
        known = sum((part.digest for part in before), Digest())
        if ranges.digests([]) == [known]:
            yield _unchanged(known.count)
            return
    lows = [part.low for part in before if part.low is not None]
    now = [
        Part(part.low, digest) for part, digest in zip(before, ranges.digests(lows), strict=True)
    ]
    differs = [new != old for new, old in zip(now, before, strict=True)]
    rows = sum(part.digest.count for part in now)
    if not any(differs):
        yield _unchanged(rows)
        return
    spans = list(_spans(now, differs))
    moving = sum(part.digest.count for part, moved in zip(now, differs, strict=True) if moved)
    whole = moving * 2 > rows
    yield from everything if whole else ranges.batches(spans, moving)
    balanced = _balanced(ranges, now, _size(ranges, rows))
    if whole:
        yield _full(ranges, balanced)
        return
    covered = [KeyRange(ranges.field, low, high, ranges.numeric) for low, high in spans]
    yield RowBatch(
        end=End.INCREMENTAL,
        because=Proof.END_OF_DATA,
        cursor=_cursor(ranges, balanced),
        covered=covered,
        skipped=rows - moving,
        total=rows,
    )


def _unchanged(rows: int) -> Batch:
    """The end of a read that found every range as it was."""
    return RowBatch(
        end=End.UNCHANGED, because=Proof.END_OF_DATA, covered=(), skipped=rows, total=rows
    )


def _full(ranges: Ranges, parts: Sequence[Part]) -> Batch:
    """The end of a read of everything: one range without ends."""
    whole = KeyRange(ranges.field, None, None, ranges.numeric)
    return RowBatch(
        end=End.FULL,
        because=Proof.END_OF_DATA,
        cursor=_cursor(ranges, parts),
        covered=(whole,),
    )


def _size(ranges: Ranges, rows: int) -> int:
    """Rows per range, so that there are no more than the dialect takes."""
    return max(SMALLEST, -(-rows // ranges.most))


def _spans(parts: Sequence[Part], differs: Sequence[bool]) -> Iterator[Span]:
    """Neighbouring ranges that differ, as one span each."""
    ends = [*(part.low for part in parts[1:]), None]
    for differ, group in groupby(zip(parts, ends, differs, strict=True), key=lambda each: each[2]):
        if differ:
            (first, end, _), *others = group
            yield first.low, others[-1][1] if others else end


def _balanced(ranges: Ranges, parts: Sequence[Part], size: int) -> list[Part]:
    """Split ranges that have grown beyond twice the size, merge neighbours that have shrunk."""
    result: list[Part] = []
    for part, end in zip(parts, [*(part.low for part in parts[1:]), None], strict=True):
        if part.digest.count > 2 * size:
            span = (part.low, end)
            lows = ranges.bounds(span, size)
            digests = ranges.digests(lows, span)
            result.extend(map(Part, [part.low, *lows], digests))
        elif result and result[-1].digest.count + part.digest.count <= size // 2:
            result[-1] = Part(result[-1].low, result[-1].digest + part.digest)
        else:
            result.append(part)
    return result


# The cursor: what the next read compares with


def _cursor(ranges: Ranges, parts: Sequence[Part]) -> Cursor:
    stored: list[JsonValue] = [
        [part.low, part.digest.count, f"{part.digest.first:016x}{part.digest.second:016x}"]
        for part in parts
    ]
    return {"digests": VERSION, "field": ranges.field, "layout": ranges.layout, "ranges": stored}


def _stored(ranges: Ranges, cursor: Cursor | None) -> list[Part] | None:
    """What a cursor says of the last read, or None where it cannot be compared with today's."""
    if not cursor or cursor.get("digests") != VERSION:
        return None
    if cursor.get("field") != ranges.field or cursor.get("layout") != ranges.layout:
        return None
    try:
        parts = [_part(item) for item in cast(list[Any], cursor["ranges"])]
    except (KeyError, TypeError, ValueError):
        raise DataError("The stored digests are damaged", hint="Run with --full once") from None
    _check_order(ranges, parts)
    return parts


def _part(item: Any) -> Part:
    low, count, digest = item
    return Part(low, Digest(int(count), int(digest[:16], 16), int(digest[16:], 16)))


def _check_order(ranges: Ranges, parts: Sequence[Part]) -> None:
    lows = [part.low for part in parts[1:]]
    ordered = all(
        (int(a) < int(b) if ranges.numeric else a < b) for a, b in pairwise(map(str, lows))
    )
    if not parts or parts[0].low is not None or None in lows or not ordered:
        raise DataError("The stored digests are damaged", hint="Run with --full once")
