"""The rule that chains audit entries, so that none can be changed, removed or inserted.

Every source writes one chain per lane. A chain starts at its *anchor*::

    anchor = SHA-256( "openregister audit chain 1\\n" ‖ source_id: int64 ‖ lane: int32 )

and each entry hashes its predecessor and its own content, big-endian, unambiguously::

    hash = SHA-256( previous hash: 32 bytes
                  ‖ position: int64 (1 for the first entry) ‖ object uuid: 16 bytes
                  ‖ version: int32 ‖ action: uint8 (create 1, update 2, delete 3, restore 4)
                  ‖ run id: int64 (-1: no run) ‖ created: int64 microseconds since 1970 UTC
                  ‖ data hash: 32 bytes
                  ‖ length of actor: uint32 ‖ length of diff: uint32 (0xFFFFFFFF: no diff)
                  ‖ actor: UTF-8 ‖ diff: the stored bytes )

The data hash is the SHA-256 of the object's canonical JSON after the action, so the chain also
covers the object's current state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import repeat
from struct import Struct, iter_unpack
from typing import NamedTuple, TypeAlias, TypeVar
from uuid import UUID


class Action(StrEnum):
    """The action that an audit entry records."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RESTORE = "restore"


ACTIONS = {"create": 1, "update": 2, "delete": 3, "restore": 4}

_ANCHOR = Struct(">qi")
_WHAT = Struct(">iBqq")
_SAID = Struct(">II")
_NO_RUN = -1
_NO_DIFF = 0xFFFFFFFF
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Change(NamedTuple):
    """One action on one object, not yet placed in a chain."""

    object_uuid: bytes
    version: int
    action: str
    data_hash: bytes
    diff: bytes | None


Kind: TypeAlias = tuple[int, str]
"""Version of the object after an action, and the action."""

CREATED: Kind = (1, "create")

T = TypeVar("T")


@dataclass(slots=True)
class ChangeColumns:
    """Many changes in order, stored by field: item i of each list belongs to change i."""

    object_uuids: list[bytes] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    data_hashes: list[bytes] = field(default_factory=list)
    diffs: list[bytes | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.object_uuids)

    def add(self, changes: Iterable[Change]) -> None:
        """Add changes one by one."""
        for change in changes:
            self.object_uuids.append(change.object_uuid)
            self.kinds.append((change.version, change.action))
            self.data_hashes.append(change.data_hash)
            self.diffs.append(change.diff)

    def add_created(self, uuids: Sequence[bytes], data_hashes: Sequence[bytes]) -> None:
        """Add the first versions of objects."""
        self.object_uuids += uuids
        self.kinds += [CREATED] * len(uuids)
        self.data_hashes += data_hashes
        self.diffs += [None] * len(uuids)


def each(values: Sequence[T], make: Callable[[T], bytes]) -> Iterable[bytes]:
    """`make` applied to each value; computed once, and endless, if all values are equal."""
    first = values[0]
    if values.count(first) == len(values):
        return repeat(make(first))
    return map(make, values)


class Entry(NamedTuple):
    """One stored entry, as read for `verify`."""

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
    """The first place where a chain is broken, and why."""

    position: int
    reason: str
    entry: Entry | None = None


def anchor(source_id: int, lane: int) -> bytes:
    """The hash that the first entry of a chain builds on (32 bytes)."""
    return sha256(b"openregister audit chain 1\n" + _ANCHOR.pack(source_id, lane)).digest()


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 UTC, as hashed. Raises ValueError without a timezone."""
    if moment.tzinfo is None:
        raise ValueError("A time without a timezone cannot be hashed")
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
    """The hash of one entry (32 bytes) by the rule above."""
    steps = ChangeColumns([object_uuid], [(version, action)], [data_hash], [diff])
    positions = int64s(position, 1)
    return chain_entries(prev, positions, steps, run_id=run_id, actor=actor, created=created)[0]


def chain_entries(
    prev: bytes,
    positions: Sequence[bytes],
    steps: ChangeColumns,
    *,
    run_id: int | None,
    actor: str,
    created: datetime,
) -> list[bytes]:
    """The hashes of consecutive entries of one run, actor and time; the last is the new head.

    `positions` are `int64s`; at least one change is required.
    """
    run = _NO_RUN if run_id is None else run_id
    moment, name = microseconds(created), actor.encode()

    def what(kind: Kind) -> bytes:
        version, action = kind
        return _WHAT.pack(version, ACTIONS[action], run, moment)

    def said(diff: bytes | None) -> bytes:
        length = _NO_DIFF if diff is None else len(diff)
        return _SAID.pack(len(name), length) + name + (diff or b"")

    bodies = zip(
        positions,
        steps.object_uuids,
        each(steps.kinds, what),
        steps.data_hashes,
        each(steps.diffs, said),
        strict=False,
    )
    hashes: list[bytes] = []
    for body in map(b"".join, bodies):
        prev = sha256(prev + body).digest()
        hashes.append(prev)
    return hashes


def int64s(start: int, count: int) -> list[bytes]:
    """`count` consecutive numbers as big-endian int64."""
    packed = Struct(f">{count}q").pack(*range(start, start + count))
    return [number for (number,) in iter_unpack("8s", packed)]


def verify(entries: Iterable[Entry], prev: bytes, *, position: int = 1) -> Break | None:
    """The first entry that breaks the chain, or None.

    `entries` in order of position; `prev` is the anchor (or the hash before `position`). A
    truncated chain is still valid in itself: compare its last hash with `chains.head`.
    """
    for entry in entries:
        if entry.position != position:
            return Break(position, f"entry {position} is missing", entry)
        if bytes(entry.prev_hash) != prev:
            return Break(position, "its previous hash is not that of the entry before it", entry)
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
