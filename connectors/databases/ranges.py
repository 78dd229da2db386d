"""Change detection inside the database, with digests of key ranges.

After a full read the table is divided into ranges of its key, and the database computes a row
count and a digest of each, which are stored in the cursor. The next read requests the same digests
again, in one or a few statements, and reads only the ranges that differ. An unchanged table costs
one aggregate query and transfers no rows. If it is faster, the digest of all rows is compared
first, because it is the sum of the digests of the ranges.

The digest of a range is the sum, modulo 2**64, of two independent 64-bit hashes of each row, so
neighbouring ranges can be merged without reading their rows.
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
"""Version of the digests; a cursor of another version causes a full read."""

SMALLEST = 500
"""Minimum target size of a range in rows."""

_MASK = 2**64 - 1

Span: TypeAlias = "tuple[str | None, str | None]"
"""Lowest key, and the key above the highest; None is unbounded."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Number of rows, and the two sums of their hashes."""

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
    """A range of keys from `low` (None: from the start) to the next part's `low`."""

    low: str | None
    digest: Digest


def shape_of(parts: Sequence[str]) -> str:
    """A short hash of everything besides the rows that digests depend on."""
    return blake2b("\x00".join(parts).encode(), digest_size=8).hexdigest()


class Ranges(ABC):
    """A dialect's operations on key ranges of its table, in the reader's snapshot."""

    field: str
    """The key column: the first of the primary key."""
    numeric: bool
    """Integers; otherwise text, compared by code point."""
    most: int
    """The number of ranges that one comparison handles well."""
    layout: str
    """What the digests depend on besides the rows: columns, types, server version."""
    whole_first = False
    """One digest of all rows is much cheaper than one per range, so it is compared first."""

    @abstractmethod
    def bounds(self, span: Span, size: int) -> list[str]:
        """Keys within a span where ranges of `size` rows begin, without the first one."""

    @abstractmethod
    def digests(self, lows: Sequence[str], span: Span = (None, None)) -> list[Digest]:
        """Digests of the ranges into which ascending `lows` divide the span: one more than lows."""

    @abstractmethod
    def batches(self, spans: Sequence[Span], total: int) -> Iterator[Batch]:
        """The rows of some spans."""


def read_ranges(
    ranges: Ranges, everything: Iterator[Batch], total: int | None, cursor: Cursor | None
) -> Iterator[Batch]:
    """One read of a comparable table: `everything`, or only what has changed."""
    before = _stored(ranges, cursor)
    if before is None:
        yield from _first(ranges, everything, total)
    else:
        yield from _next(ranges, before, everything)


def _first(ranges: Ranges, everything: Iterator[Batch], total: int | None) -> Iterator[Batch]:
    """Everything, followed by a cursor with the digests of what was read."""
    yield from everything
    lows = ranges.bounds((None, None), _size(ranges, total or 0))
    digests = ranges.digests(lows)
    parts = [Part(low, digest) for low, digest in zip([None, *lows], digests, strict=True)]
    yield _full(ranges, parts)


def _next(ranges: Ranges, before: Sequence[Part], everything: Iterator[Batch]) -> Iterator[Batch]:
    """Only the ranges that changed, or `everything` if most of them did."""
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
    """The end of a read that found every range unchanged."""
    return RowBatch(
        end=End.UNCHANGED, because=Proof.END_OF_DATA, covered=(), skipped=rows, total=rows
    )


def _full(ranges: Ranges, parts: Sequence[Part]) -> Batch:
    """The end of a full read: one unbounded range."""
    whole = KeyRange(ranges.field, None, None, ranges.numeric)
    return RowBatch(
        end=End.FULL,
        because=Proof.END_OF_DATA,
        cursor=_cursor(ranges, parts),
        covered=(whole,),
    )


def _size(ranges: Ranges, rows: int) -> int:
    """Rows per range, so that the dialect's maximum number of ranges is not exceeded."""
    return max(SMALLEST, -(-rows // ranges.most))


def _spans(parts: Sequence[Part], differs: Sequence[bool]) -> Iterator[Span]:
    """Changed ranges, with neighbours combined into one span."""
    ends = [*(part.low for part in parts[1:]), None]
    for differ, group in groupby(zip(parts, ends, differs, strict=True), key=lambda each: each[2]):
        if differ:
            (first, end, _), *others = group
            yield first.low, others[-1][1] if others else end


def _balanced(ranges: Ranges, parts: Sequence[Part], size: int) -> list[Part]:
    """Split ranges that grew beyond twice the size, and merge neighbours that shrank."""
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


# The cursor with which the next read compares


def _cursor(ranges: Ranges, parts: Sequence[Part]) -> Cursor:
    stored: list[JsonValue] = [
        [part.low, part.digest.count, f"{part.digest.first:016x}{part.digest.second:016x}"]
        for part in parts
    ]
    return {"digests": VERSION, "field": ranges.field, "layout": ranges.layout, "ranges": stored}


def _stored(ranges: Ranges, cursor: Cursor | None) -> list[Part] | None:
    """The ranges stored by the last read, or None if they are not comparable with the current."""
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
