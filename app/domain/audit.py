"""The rule that chains audit entries, so that no entry can be changed, dropped or slipped in.

Every source writes one chain per lane. A chain starts at its *anchor*::

    anchor = SHA-256( "openregister audit chain 1\\n" ‖ source_id: int64 ‖ lane: int32 )

and each entry hashes its predecessor and all it says, big-endian, nothing ambiguous::

    hash = SHA-256( previous hash: 32 bytes
                  ‖ position: int64 (1 for the first entry) ‖ object uuid: 16 bytes
                  ‖ version: int32 ‖ action: uint8 (create 1, update 2, delete 3, restore 4)
                  ‖ run id: int64 (-1: no run) ‖ created: int64 microseconds since 1970 UTC
                  ‖ data hash: 32 bytes
                  ‖ length of actor: uint32 ‖ length of diff: uint32 (0xFFFFFFFF: no diff)
                  ‖ actor: UTF-8 ‖ diff: the stored bytes )

The data hash is the SHA-256 of the object's canonical JSON after the action, so the chain also
vouches for the object's present state.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct
from typing import NamedTuple, TypeAlias
from uuid import UUID

HASH_SIZE = 32
ACTIONS = {"create": 1, "update": 2, "delete": 3, "restore": 4}

_ANCHOR = Struct(">qi")
_ENTRY = Struct(">q16siBqq32sII")
_NO_RUN = -1
_NO_DIFF = 0xFFFFFFFF
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Change(NamedTuple):
    """One action on one object, still without its place in a chain."""

    object_uuid: bytes
    version: int
    action: str
    data_hash: bytes
    diff: bytes | None


Step: TypeAlias = tuple[bytes, int, str, bytes, bytes | None]
"""What a `Change` holds; bare where there are many."""


class Entry(NamedTuple):
    """One stored entry, as `verify` reads it back."""

    position: int
    object_uuid: UUID
    version: int
    action: str
    run_id: int | None
    actor: str
    created: datetime
    data_hash: bytes
    diff: bytes | None
    prev_hash: bytes
    hash: bytes


class Break(NamedTuple):
    """The first place where a chain does not hold, and why."""

    position: int
    reason: str
    entry: Entry | None = None


def anchor(source_id: int, lane: int) -> bytes:
    """The hash that the first entry of a chain builds on (32 bytes)."""
    return sha256(b"openregister audit chain 1\n" + _ANCHOR.pack(source_id, lane)).digest()


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970 UTC, as they are hashed. Raises ValueError without a zone."""
    if moment.tzinfo is None:
        raise ValueError("A time without a zone cannot be hashed")
    return (moment - _EPOCH) // _MICROSECOND


def entry_hash(
    prev: bytes,
    *,
    position: int,
    object_uuid: bytes,
    version: int,
    action: str,
    run_id: int | None,
    actor: str,
    created: datetime,
    data_hash: bytes,
    diff: bytes | None,
) -> bytes:
    """The hash of one entry (32 bytes) after the rule above."""
    change = Change(object_uuid, version, action, data_hash, diff)
    return chain_entries(prev, position, [change], run_id=run_id, actor=actor, created=created)[0]


def chain_entries(
    prev: bytes,
    start_position: int,
    changes: Iterable[Step],
    *,
    run_id: int | None,
    actor: str,
    created: datetime,
) -> list[bytes]:
    """The hashes of consecutive entries of one run, actor and time; the last is the new head."""
    run = _NO_RUN if run_id is None else run_id
    moment = microseconds(created)
    name = actor.encode()
    name_length = len(name)
    pack, actions = _ENTRY.pack, ACTIONS
    hashes: list[bytes] = []
    position = start_position
    for uuid, version, action, data_hash, diff in changes:
        if diff is None:
            length, tail = _NO_DIFF, name
        else:
            length, tail = len(diff), name + diff
        code = actions[action]
        fixed = pack(position, uuid, version, code, run, moment, data_hash, name_length, length)
        prev = sha256(prev + fixed + tail).digest()
        hashes.append(prev)
        position += 1
    return hashes


def verify(entries: Iterable[Entry], prev: bytes, *, position: int = 1) -> Break | None:
    """The first entry that breaks the chain, or None.

    `entries` in order of position; `prev` is the anchor (or the hash before `position`). A chain
    that was cut off at its end is whole in itself: compare its last hash with `chains.head`.
    """
    for entry in entries:
        if entry.position != position:
            return Break(position, f"entry {position} is missing", entry)
        if bytes(entry.prev_hash) != prev:
            return Break(position, "it does not build on the entry before it", entry)
        actual = entry_hash(
            prev,
            position=entry.position,
            object_uuid=entry.object_uuid.bytes,
            version=entry.version,
            action=entry.action,
            run_id=entry.run_id,
            actor=entry.actor,
            created=entry.created,
            data_hash=bytes(entry.data_hash),
            diff=None if entry.diff is None else bytes(entry.diff),
        )
        if actual != bytes(entry.hash):
            return Break(position, "its content was changed after it was written", entry)
        prev = actual
        position += 1
    return None
