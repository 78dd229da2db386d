"""The audit chain: nothing can be changed, dropped, added or moved without being found."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audit import chain_rule

NOON = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass(frozen=True)
class Written:
    """A chain as the database would hold it."""

    start: bytes
    entries: list[chain_rule.Entry]


def write(count: int = 4) -> Written:
    start = chain_rule.anchor(7, 0)
    changes = [
        chain_rule.Change(
            UUID(int=n).bytes,
            n + 1,
            list(chain_rule.ACTIONS)[n % 4],
            hashlib.sha256(bytes([n])).digest(),
            None if n % 2 == 0 else b'{"a": {"old": 1}}',
        )
        for n in range(count)
    ]
    steps = chain_rule.ChangeColumns()
    steps.add(changes)
    hashes = chain_rule.chain_entries(
        start, chain_rule.int64s(1, count), steps, run_id=3, actor="cron", created=NOON
    )
    entries = []
    prev = start
    for position, (change, digest) in enumerate(zip(changes, hashes, strict=True), 1):
        entries.append(
            chain_rule.Entry(
                position,
                UUID(bytes=change.object_uuid),
                change.version,
                change.action,
                3,
                "cron",
                NOON,
                change.data_hash,
                change.diff,
                prev,
                digest,
            )
        )
        prev = digest
    return Written(start, entries)


def test_the_rule_is_what_the_documentation_says() -> None:
    entry = write(2).entries[1]
    assert entry.diff is not None
    spelled = (
        entry.prev_hash
        + struct.pack(">q", 2)
        + entry.object_uuid.bytes
        + struct.pack(">iB", entry.version, 2)
        + struct.pack(">q", 3)
        + struct.pack(">q", int(NOON.timestamp()) * 1_000_000 + 123456)
        + entry.data_hash
        + struct.pack(">II", len(b"cron"), len(entry.diff))
        + b"cron"
        + entry.diff
    )
    assert entry.hash == hashlib.sha256(spelled).digest()


def test_an_untouched_chain_verifies() -> None:
    chain = write()
    assert chain_rule.verify(chain.entries, chain.start) is None


def test_a_part_of_a_chain_verifies_from_the_hash_before_it() -> None:
    chain = write()
    assert chain_rule.verify(chain.entries[2:], chain.entries[1].hash, position=3) is None


@pytest.mark.parametrize(
    "change",
    [
        {"object_uuid": UUID(int=99)},
        {"version": 9},
        {"action": "restore"},
        {"run_id": None},
        {"run_id": 4},
        {"actor": "someone"},
        {"created": NOON + timedelta(microseconds=1)},
        {"data_hash": bytes(32)},
        {"diff": b"{}"},
        {"diff": b""},
        {"hash": bytes(32)},
        {"prev_hash": bytes(32)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_changed_field_is_found_at_its_entry(change: dict[str, Any]) -> None:
    chain = write()
    chain.entries[2] = chain.entries[2]._replace(**change)
    broken = chain_rule.verify(chain.entries, chain.start)
    assert broken is not None
    assert broken.position == 3


def test_a_dropped_entry_is_found() -> None:
    chain = write()
    del chain.entries[1]
    broken = chain_rule.verify(chain.entries, chain.start)
    assert broken is not None
    assert broken.position == 2
    assert "missing" in broken.reason


def test_chains_of_other_sources_and_lanes_start_elsewhere() -> None:
    assert len({chain_rule.anchor(1, 0), chain_rule.anchor(1, 1), chain_rule.anchor(2, 0)}) == 3


def test_the_same_moment_in_another_zone_is_the_same_hash() -> None:
    abroad = NOON.astimezone(timezone(timedelta(hours=5)))
    assert chain_rule.microseconds(abroad) == chain_rule.microseconds(NOON)
    with pytest.raises(ValueError, match="zone"):
        chain_rule.microseconds(NOON.replace(tzinfo=None))


@given(st.text(max_size=10), st.text(max_size=10), st.text(max_size=10), st.text(max_size=10))
def test_actor_and_diff_cannot_be_shifted_into_each_other(
    actor: str, diff: str, other_actor: str, other_diff: str
) -> None:
    def digest(name: str, change: str) -> bytes:
        return chain_rule.entry_hash(
            bytes(32),
            position=1,
            object_uuid=bytes(16),
            version=1,
            action="update",
            run_id=1,
            actor=name,
            created=NOON,
            data_hash=bytes(32),
            diff=change.encode("utf-8", "surrogatepass"),
        )

    same = (actor, diff) == (other_actor, other_diff)
    assert (digest(actor, diff) == digest(other_actor, other_diff)) == same
