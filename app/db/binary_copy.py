"""Rows of `objects` and `audit_trails` in PostgreSQL's binary COPY format.

The format (documentation of COPY, "Binary Format"): a header, then per row the number of
fields as int16 and per field its length as int32 (-1: NULL) and its bytes, all big-endian.
What all rows of a batch share is packed once; a row is then a handful of joins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct

from app.domain.audit import Step
from app.domain.flow import Create, Target

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

_COUNT = Struct(">h").pack
_LENGTH = Struct(">i").pack
_INT2 = Struct(">ih").pack
_INT4 = Struct(">ii").pack
_INT8 = Struct(">iq").pack
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
    creates: Sequence[Create],
    uuids: Sequence[bytes],
    target: Target,
    *,
    source_id: int,
    run_id: int,
    moment: datetime,
) -> bytes:
    """All new objects of a batch, in the order of OBJECT_COLUMNS; `uuids` are 16 bytes each."""
    head = _COUNT(13) + _L16
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
    parts = [_HEADER]
    for uuid, (key, origin_hash, data_hash, json) in zip(uuids, creates, strict=True):
        parts += (head, uuid, shared, origin_hash, _L32, data_hash)
        if key is None:
            parts.append(_NULL)
        else:
            encoded = key.encode()
            parts += (_LENGTH(len(encoded)), encoded)
        parts += (_LENGTH(len(json) + 1), b"\x01", json)  # 1: the version of jsonb's binary form
    parts.append(_TRAILER)
    return b"".join(parts)


def audit(
    changes: Sequence[Step],
    hashes: Sequence[bytes],
    *,
    prev: bytes,
    chain_id: int,
    position: int,
    run_id: int | None,
    actor: str,
    moment: datetime,
) -> bytes:
    """Consecutive audit entries of one chain, in the order of AUDIT_COLUMNS."""
    head = _COUNT(12) + int4(chain_id)
    shared = int8(run_id) + timestamp(moment) + _L16
    name = text(actor)
    actions = {action: text(action) for action in ("create", "update", "delete", "restore")}
    parts = [_HEADER]
    for (uuid, version, action, data_hash, diff), own in zip(changes, hashes, strict=True):
        parts += (head, _INT8(8, position), shared, uuid, _INT4(4, version), actions[action])
        parts += (name, _L32, data_hash, _L32, prev, _L32, own)
        if diff is None:
            parts.append(_NULL)
        else:
            parts += (_LENGTH(len(diff)), diff)
        prev = own
        position += 1
    parts.append(_TRAILER)
    return b"".join(parts)


def int8_array(packed: bytes | None) -> Iterable[int]:
    """Numbers that the server sent as concatenated `int8send` values."""
    return (number for (number,) in Struct(">q").iter_unpack(packed)) if packed else ()


def int4_array(packed: bytes | None) -> Iterable[int]:
    """Numbers that the server sent as concatenated `int4send` values."""
    return (number for (number,) in Struct(">i").iter_unpack(packed)) if packed else ()
