"""A dry run's view of the register: the same answers in read-only transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from xxhash import xxh3_64_intdigest

from app.sync.batch import (
    Changes,
    CoveredKeys,
    Found,
    Known,
    Missing,
    Prepared,
    Progress,
    Transaction,
)
from app.sync.postgres import missing as absent
from app.sync.postgres import quarantine
from app.sync.postgres import standing as standings
from app.sync.postgres import statements as sql
from app.sync.postgres.lane import Connection, Lane
from app.sync.postgres.reader import ReadObjects, RunIdentity, find
from app.sync.report import Standing

_DRY = -1

_WOULD_BE = Known(UUID(int=0), 0, 0, b"", False, False, _DRY, "{}")
"""Represents an object that this dry run would have created: a later row has the same key."""


class Recorder(Protocol):
    """Receives what a dry run would have written."""

    def __call__(self, changes: Sequence[Changes]) -> None: ...

    def missing(self, missing: Sequence[Missing]) -> None:
        """Objects that would be deleted or held, because they are missing from the source."""


class DryRunObjects(ReadObjects):
    """Answers from a read-only transaction; what would be written goes to a recorder."""

    lanes = 1
    empty = False
    run_id = _DRY

    def __init__(self, engine: sa.Engine, source_id: int, record: Recorder) -> None:
        super().__init__(engine, RunIdentity(self.run_id, source_id, "", "", b""))
        self._record = record
        self._lane: Lane | None = None
        self._created: set[int] = set()
        self._rejected: set[int] = set()
        self._held_stands = True
        with engine.connect() as connection:
            rows = connection.exec_driver_sql(sql.REJECTS, (source_id, None))
            self._rejected.update(_mark(target, name) for target, name in rows)

    def standing(self) -> Standing:
        """The backlog that a run would leave."""
        held = 0
        if self._held_stands:
            with self._engine.connect() as connection:
                held = standings.count_held(connection, self._identity.source_id)
        return Standing(rejected_before=len(self._rejected), held=held)

    def __enter__(self) -> DryRunObjects:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lane is not None:
            self._lane.close()

    @contextmanager
    def transaction(self, lane: int) -> Iterator[Transaction]:
        self._lane = self._lane or Lane(self._engine)
        with self._lane.transaction(read_only=True):
            yield _Reading(
                self._lane.connection, self._identity, self._record, self._created, self._rejected
            )

    def settle_full_read(self) -> None:
        self._rejected.clear()

    def settle_held(self) -> None:
        self._held_stands = False

    def settle_ranges(self, keys: Sequence[CoveredKeys]) -> None:
        if self._rejected:
            gone = absent.releasable(self._engine, self._identity.source_id, keys)
            self._rejected.difference_update(_mark(target, name) for target, name in gone)


class _Reading:
    """One batch; `created` contains a hash of every key that earlier batches would have created,
    `rejected` one of every row in quarantine that no batch has seen."""

    def __init__(
        self,
        connection: Connection,
        identity: RunIdentity,
        record: Recorder,
        created: set[int],
        rejected: set[int],
    ) -> None:
        self._connection = connection
        self._identity = identity
        self._record = record
        self._created = created
        self._rejected = rejected

    def find(self, prepared: Prepared) -> Found:
        found = find(self._connection, self._identity, prepared)
        if not self._created or prepared.keys is None:
            return found
        keys, target = prepared.keys, prepared.target.number
        different = [
            (place, _WOULD_BE if known is None and self._repeats(target, keys[place]) else known)
            for place, known in found.different
        ]
        return Found(found.same, different)

    def write(self, changes: Sequence[Changes], progress: Progress) -> bool:
        self._record(changes)
        for change in changes:
            number = change.target.number
            self._created.update(
                _mark(number, key) for key in change.creates.keys if key is not None
            )
            if self._rejected:
                met = (change.keys - {None}) - change.deferred.keys()
                names = {*met, *map(quarantine.identity, change.problems)}
                self._rejected.difference_update(_mark(number, name) for name in names if name)
        return False

    def _repeats(self, target: int, key: str) -> bool:
        return _mark(target, key) in self._created

    def empties(self, gone: Sequence[Known]) -> bool:
        return absent.empties(self._connection, self._identity.source_id, gone)

    def delete(self, missing: Sequence[Missing], progress: Progress) -> bool:
        self._record.missing(missing)
        return False

    def hold(self, missing: Sequence[Missing], progress: Progress) -> None:
        self._record.missing(missing)


def _mark(target: int, key: str) -> int:
    return xxh3_64_intdigest(key.encode(), target)
