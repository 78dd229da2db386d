"""Append entries to audit chains: lock the head, write the entries, advance the head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Any

import psycopg

from app.audit import chain_rule
from app.audit.chain_rule import ChangeColumns, Kind, each
from app.database.copy_format import (
    COUNT,
    L8,
    L16,
    L32,
    LENGTH,
    NULL,
    int4,
    int8,
    rows,
    text,
    timestamp,
)

PEOPLE = 0
"""The chain of edits by users belongs to source number 0."""

TAKE = """
INSERT INTO openregister.chains AS c (source_id, lane, source_name, head)
VALUES (%(source)s, %(lane)s, %(name)s, %(anchor)s)
ON CONFLICT (source_id, lane) DO UPDATE SET source_name = excluded.source_name
RETURNING c.id, c.length, c.head
"""
# The row lock makes a second writer wait until the first has committed its entries.

MOVE = "UPDATE openregister.chains SET length = %s, head = %s WHERE id = %s"

AUDIT_COLUMNS = (
    "chain_id, position, run_id, created, object_uuid, version, action, actor, data_hash, "
    "prev_hash, hash, diff"
)

COPY_AUDIT = f"COPY openregister.audit_trails ({AUDIT_COLUMNS}) FROM STDIN (FORMAT BINARY)"


@dataclass(frozen=True, slots=True)
class Writer:
    """The writer: a source (or users), the lane, and the name to keep permanently."""

    source_id: int
    lane: int
    source_name: str
    actor: str
    run_id: int | None


def append(
    connection: psycopg.Connection[Any],
    writer: Writer,
    steps: ChangeColumns,
    moment: datetime,
) -> None:
    """Append entries to the writer's chain within the running transaction."""
    if not steps:
        return
    taken = connection.execute(
        TAKE,
        {
            "source": writer.source_id,
            "lane": writer.lane,
            "name": writer.source_name,
            "anchor": chain_rule.anchor(writer.source_id, writer.lane),
        },
    ).fetchone()
    assert taken is not None  # an upsert always returns its row
    chain_id, length, head = taken
    positions = chain_rule.int64s(length + 1, len(steps))
    hashes = chain_rule.chain_entries(
        bytes(head),
        positions,
        steps,
        run_id=writer.run_id,
        actor=writer.actor,
        created=moment,
    )
    blocks = _entries(
        steps,
        hashes,
        prev=bytes(head),
        chain_id=chain_id,
        positions=positions,
        run_id=writer.run_id,
        actor=writer.actor,
        moment=moment,
    )
    with connection.cursor().copy(COPY_AUDIT) as copy:
        for block in blocks:
            copy.write(block)
    connection.execute(MOVE, (length + len(steps), hashes[-1], chain_id))


def _entries(
    steps: ChangeColumns,
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
        return int4(version) + text(action) + name + L32

    def said(diff: bytes | None) -> bytes:
        return NULL if diff is None else LENGTH(len(diff)) + diff

    return rows(
        repeat(COUNT(12) + int4(chain_id) + L8),
        positions,
        repeat(int8(run_id) + timestamp(moment) + L16),
        steps.object_uuids,
        each(steps.kinds, what),
        steps.data_hashes,
        repeat(L32),
        [prev, *hashes[:-1]],
        repeat(L32),
        hashes,
        each(steps.diffs, said),
    )
