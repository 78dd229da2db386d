"""Rows of `objects` and `audit_trails` in PostgreSQL's binary COPY format.

The format (documentation of COPY, "Binary Format"): a header, then per row the number of
fields as int16 and per field its length as int32 (-1: NULL) and its bytes, all big-endian.
What all rows of a batch share is packed once, and a row is then one join.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, repeat
from struct import Struct

from app.audit.chain_rule import Kind, Steps, each
from app.mapping.target import Target
from app.sync.batch import Creates

OBJECT_COLUMNS = (
    "uuid, run_id, register_id, schema_id, source_id, target, version, created, updated, "
    "origin_hash, data_hash, source_key, data"
)
AUDIT_COLUMNS = (
    "chain_id, position, run_id, created, object_uuid, version, action, actor, data_hash, "
    "prev_hash, hash, diff"
)

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_BLOCK = 500
"""Rows that are handed to the server at once."""

_COUNT = Struct(">h").pack
_LENGTH = Struct(">i").pack
_INT2 = Struct(">ih").pack
_INT4 = Struct(">ii").pack
_INT8 = Struct(">iq").pack
_JSONB = Struct(">ib").pack
"""Length, and the version of jsonb's binary form."""
_L8 = _LENGTH(8)
_L16 = _LENGTH(16)
_L32 = _LENGTH(32)


def int2(value: int) -> bytes:
    """A smallint field."""
    return _INT2(2, value)


def int4(value: int) -> bytes:
    """An integer field."""
    return _INT4(4, value)


def int8(value: int | None) -> bytes:
    """A bigint field, or NULL."""
    return _NULL if value is None else _INT8(8, value)


def text(value: str) -> bytes:
    """A text field."""
    encoded = value.encode()
    return _LENGTH(len(encoded)) + encoded


def timestamp(moment: datetime) -> bytes:
    """A timestamptz field: microseconds since 2000-01-01 UTC."""
    return int8((moment - _EPOCH) // _MICROSECOND)


def objects(
    creates: Creates,
    uuids: Sequence[bytes],
    target: Target,
    *,
    source_id: int,
    run_id: int,
    moment: datetime,
) -> Iterator[bytes]:
    """All new objects of a batch, in the order of OBJECT_COLUMNS; `uuids` are 16 bytes each."""
    shared = b"".join(
        (
            int8(run_id),
            int4(target.register_id),
            int4(target.schema_id),
            int4(source_id),
            int2(target.number),
            int4(1),
            timestamp(moment),
            timestamp(moment),
            _L16,
        )
    )
    return _rows(
        repeat(_COUNT(13) + _L16),
        uuids,
        repeat(shared),
        creates.origin_hashes,
        repeat(_L32),
        creates.data_hashes,
        *_texts(creates.keys),
        [_JSONB(len(document) + 1, 1) for document in creates.documents],
        creates.documents,
    )


def _texts(values: Sequence[str | None]) -> tuple[Iterable[bytes], Sequence[bytes]]:
    """Text fields or NULL: their lengths, and their bytes."""
    if None in values:
        return repeat(b""), [_NULL if value is None else text(value) for value in values]
    encoded = list(map(str.encode, values))  # type: ignore[arg-type]  # no None there
    return map(_LENGTH, map(len, encoded)), encoded


def audit(
    steps: Steps,
    hashes: Sequence[bytes],
    *,
    prev: bytes,
    chain_id: int,
    positions: Sequence[bytes],
    run_id: int | None,
    actor: str,
    moment: datetime,
) -> Iterator[bytes]:
    """Consecutive audit entries of one chain, in the order of AUDIT_COLUMNS."""
    name = text(actor)

    def what(kind: Kind) -> bytes:
        version, action = kind
        return int4(version) + text(action) + name + _L32

    def said(diff: bytes | None) -> bytes:
        return _NULL if diff is None else _LENGTH(len(diff)) + diff

    return _rows(
        repeat(_COUNT(12) + int4(chain_id) + _L8),
        positions,
        repeat(int8(run_id) + timestamp(moment) + _L16),
        steps.object_uuids,
        each(steps.kinds, what),
        steps.data_hashes,
        repeat(_L32),
        [prev, *hashes[:-1]],
        repeat(_L32),
        hashes,
        each(steps.diffs, said),
    )


def _rows(*fields: Iterable[bytes]) -> Iterator[bytes]:
    """A whole COPY, in blocks, of rows whose pieces stand in as many iterables.

    In blocks, so that the server takes the first rows while the next are put together.
    """
    rows = map(b"".join, zip(*fields, strict=False))
    yield _HEADER
    while block := b"".join(islice(rows, _BLOCK)):
        yield block
    yield _TRAILER


def int8_array(packed: bytes | None) -> Iterable[int]:
    """Numbers that the server sent as concatenated `int8send` values."""
    return (number for (number,) in Struct(">q").iter_unpack(packed)) if packed else ()


def int4_array(packed: bytes | None) -> Iterable[int]:
    """Numbers that the server sent as concatenated `int4send` values."""
    return (number for (number,) in Struct(">i").iter_unpack(packed)) if packed else ()
