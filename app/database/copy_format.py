"""PostgreSQL's binary COPY format: encoders for fields and rows.

The format (documentation of COPY, "Binary Format"): a header, then per row the number of
fields as int16 and per field its length as int32 (-1: NULL) and its bytes, all big-endian.
Values shared by all rows of a batch are packed once, so that a row is a single join.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, repeat
from struct import Struct

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_BLOCK = 500
"""Rows sent to the server at once."""

COUNT = Struct(">h").pack
LENGTH = Struct(">i").pack
_INT2 = Struct(">ih").pack
_INT4 = Struct(">ii").pack
_INT8 = Struct(">iq").pack
JSONB = Struct(">ib").pack
"""Length and version of jsonb's binary form."""
L8 = LENGTH(8)
L16 = LENGTH(16)
L32 = LENGTH(32)


def int2(value: int) -> bytes:
    """A smallint field."""
    return _INT2(2, value)


def int4(value: int) -> bytes:
    """An integer field."""
    return _INT4(4, value)


def int8(value: int | None) -> bytes:
    """A bigint field, or NULL."""
    return NULL if value is None else _INT8(8, value)


def text(value: str) -> bytes:
    """A text field."""
    encoded = value.encode()
    return LENGTH(len(encoded)) + encoded


def timestamp(moment: datetime) -> bytes:
    """A timestamptz field: microseconds since 2000-01-01 UTC."""
    return int8((moment - _EPOCH) // _MICROSECOND)


def texts(values: Sequence[str | None]) -> tuple[Iterable[bytes], Sequence[bytes]]:
    """Text fields or NULL: their lengths, and their bytes."""
    if None in values:
        return repeat(b""), [NULL if value is None else text(value) for value in values]
    encoded = list(map(str.encode, values))  # type: ignore[arg-type]  # no None there
    return map(LENGTH, map(len, encoded)), encoded


def rows(*fields: Iterable[bytes]) -> Iterator[bytes]:
    """A whole COPY, in blocks; each iterable yields one piece per row.

    With blocks, the server receives the first rows while the next are assembled.
    """
    rows = map(b"".join, zip(*fields, strict=False))
    yield _HEADER
    while block := b"".join(islice(rows, _BLOCK)):
        yield block
    yield _TRAILER


def int8_array(packed: bytes | None) -> Iterable[int]:
    """Numbers sent by the server as concatenated `int8send` values."""
    return (number for (number,) in Struct(">q").iter_unpack(packed)) if packed else ()


def int4_array(packed: bytes | None) -> Iterable[int]:
    """Numbers sent by the server as concatenated `int4send` values."""
    return (number for (number,) in Struct(">i").iter_unpack(packed)) if packed else ()
