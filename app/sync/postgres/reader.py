"""What a run asks of the register, whether it writes or only says what it would write."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.database import copy_format
from app.sync.batch import CoveredKeys, Found, Known, Missing, Prepared
from app.sync.postgres import missing as absent
from app.sync.postgres import statements as sql
from app.sync.postgres.lane import Connection

KEY_SEPARATOR = "\x1e"


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Whose objects are written, and on whose behalf."""

    run_id: int
    source_id: int
    source_name: str
    actor: str
    cursor_fingerprint: bytes


def find(connection: Connection, identity: RunIdentity, prepared: Prepared) -> Found:
    """Compare keys and hashes with the register in one round trip, two when something differs."""
    if prepared.keys is None:
        return Found((), [(place, None) for place in range(len(prepared.indices))])
    if not prepared.keys:
        return Found((), ())
    joined = KEY_SEPARATOR.join(prepared.keys)
    simple = joined.count(KEY_SEPARATOR) == len(prepared.keys) - 1
    row = connection.execute(
        sql.FIND if simple else sql.FIND_BY_LIST,
        {
            "keys": joined if simple else list(prepared.keys),
            "hashes": b"".join(prepared.hashes).hex(",", 16),
            "first": prepared.keys[0],
            "last": prepared.keys[-1],
            "count": len(prepared.keys),
            "source": identity.source_id,
            "target": prepared.target.number,
            "run": identity.run_id,
        },
        binary=True,
    ).fetchone()
    assert row is not None  # an aggregate always returns its row
    same, fresh, places, uuids = row
    different: list[tuple[int, Known | None]] = [
        (place - 1, None) for place in copy_format.int4_array(fresh)
    ]
    if uuids:
        known = load(connection, uuids)
        different += [
            (place - 1, known[uuid])
            for place, uuid in zip(copy_format.int4_array(places), uuids, strict=True)
        ]
        different.sort(key=lambda pair: pair[0])
    return Found(list(copy_format.int8_array(same)), different)


def load(connection: Connection, uuids: Sequence[UUID]) -> dict[UUID, Known]:
    """The stored objects with their data."""
    return {row[0]: Known(*row) for row in connection.execute(sql.LOAD, (list(uuids),))}


class ReadObjects:
    """What a run asks of the objects of its source, whether it then writes them or not."""

    def __init__(self, engine: sa.Engine, identity: RunIdentity) -> None:
        self._engine = engine
        self._identity = identity

    def missing(self, seen: Container[int]) -> Iterator[Missing]:
        identity = self._identity
        yield from absent.anywhere(self._engine, identity.source_id, identity.run_id, seen)

    def missing_within(self, seen: Container[int], keys: CoveredKeys) -> Iterator[Missing]:
        identity = self._identity
        yield from absent.within(self._engine, identity.source_id, identity.run_id, seen, keys)

    def live_totals(self) -> tuple[int, int]:
        return absent.live_totals(self._engine, self._identity.source_id, self._identity.run_id)

    def count_live(self) -> int:
        return absent.count_live(self._engine, self._identity.source_id)
