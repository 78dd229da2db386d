"""Rows of `objects` for COPY. Values shared by a batch are packed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import repeat

from app.database.copy_format import (
    COUNT,
    JSONB,
    L16,
    L32,
    int2,
    int4,
    int8,
    rows,
    texts,
    timestamp,
)
from app.mapping.target import Target
from app.sync.batch import Creates

OBJECT_COLUMNS = (
    "uuid, run_id, register_id, schema_id, source_id, target, version, created, updated, "
    "origin_hash, data_hash, source_key, data"
)


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
            L16,
        )
    )
    return rows(
        repeat(COUNT(13) + L16),
        uuids,
        repeat(shared),
        creates.origin_hashes,
        repeat(L32),
        creates.data_hashes,
        *texts(creates.keys),
        [JSONB(len(document) + 1, 1) for document in creates.documents],
        creates.documents,
    )
