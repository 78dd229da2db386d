"""The bulk writer: a batch's objects, audit entries, quarantine and counters in one transaction.

`RunObjects` is the `ObjectStore` of one run. Every lane has its own connection, opened on first use
and closed with the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import repeat
from uuid import UUID

import psycopg
import sqlalchemy as sa
import uuid_utils
from psycopg.types.json import Jsonb

from app.audit import append
from app.audit.chain_rule import Action, Change, ChangeColumns
from app.database import errors, revision
from app.errors import LostRunError
from app.sync.batch import (
    BatchLostError,
    Changes,
    CoveredKeys,
    Found,
    Known,
    Missing,
    Prepared,
    Progress,
    Transaction,
    WriteConflictError,
)
from app.sync.postgres import missing as absent
from app.sync.postgres import objects_copy, quarantine
from app.sync.postgres import statements as sql
from app.sync.postgres.lane import Connection, Lane
from app.sync.postgres.reader import ReadObjects, RunIdentity, find
from connectors.sdk import canonical
from connectors.sdk.rows import Cursor


class RunObjects(ReadObjects):
    """The register's objects as one run sees and writes them."""

    def __init__(self, engine: sa.Engine, identity: RunIdentity, *, lanes: int = 1) -> None:
        super().__init__(engine, identity)
        self._lanes: dict[int, Lane] = {}
        self.lanes = lanes
        self.run_id = identity.run_id
        with engine.connect() as connection:
            self.rejects = quarantine.Rejects.of(connection, identity.source_id)
            self.has_held = bool(
                connection.exec_driver_sql(sql.HAS_HELD, (identity.source_id,)).scalar_one()
            )
            self.empty = not connection.exec_driver_sql(
                sql.HAS_OBJECTS, (identity.source_id,)
            ).scalar_one()
            """Whether no row can be known yet, so none is looked up, until a key repeats."""

    def __enter__(self) -> RunObjects:
        return self

    def __exit__(self, *_: object) -> None:
        for lane in self._lanes.values():
            lane.close()

    @contextmanager
    def transaction(self, lane: int) -> Iterator[Transaction]:
        opened = self._lane(lane)
        try:
            with opened.transaction():
                yield _Writing(opened.connection, self, self._identity, lane)
        except psycopg.errors.UniqueViolation as error:
            if error.diag.constraint_name != "uq_objects_source_key":
                raise
            self.empty = False
            raise WriteConflictError from error

    def _lane(self, number: int) -> Lane:
        """The connection of a lane, a new one if it was lost. Raises BatchLostError."""
        lane = self._lanes.get(number)
        if lane is not None and lane.connection.broken:
            self._lanes.pop(number).close()
            lane = None
        try:
            return lane or self._lanes.setdefault(number, Lane(self._engine))
        except sa.exc.DBAPIError as error:
            if errors.retry_in(error) is None:
                raise
            raise BatchLostError from error

    def settle_full_read(self) -> None:
        identity = self._identity
        with self._engine.begin() as connection:
            revision.fence(connection)
            connection.exec_driver_sql(sql.RELEASE_GONE, (identity.source_id, identity.run_id))

    def settle_ranges(self, keys: Sequence[CoveredKeys]) -> None:
        identity = self._identity
        absent.release(self._engine, identity.source_id, identity.run_id, keys)

    def settle_held(self) -> None:
        with self._engine.begin() as connection:
            connection.exec_driver_sql(sql.RELEASE_HELD, (self._identity.source_id,))


class _Writing:
    """The transaction of one batch."""

    def __init__(
        self, connection: Connection, store: RunObjects, identity: RunIdentity, lane: int
    ) -> None:
        self._connection = connection
        self._store = store
        self._identity = identity
        self._writer = append.Writer(
            identity.source_id, lane, identity.source_name, identity.actor, identity.run_id
        )

    def find(self, prepared: Prepared) -> Found:
        if self._store.empty:
            return Found((), list(zip(range(len(prepared.indices)), repeat(None), strict=False)))
        return find(self._connection, self._identity, prepared)

    def write(self, changes: Sequence[Changes], progress: Progress) -> bool:
        steps = ChangeColumns()
        moment = self._moment() if any(_writes(change) for change in changes) else None
        for change in changes:
            if moment is not None:
                self._create(change, moment, steps)
                self._update(change, moment, steps)
                self._mark_deleted(change.deletions, moment, steps)
                self._touch(change)
            self._quarantine(change)
            self._hold(change)
        if moment is not None:
            append.append(self._connection, self._writer, steps, moment)
        return self._progress(progress)

    def delete(self, missing: Sequence[Missing], progress: Progress) -> bool:
        moment = self._moment()
        steps = ChangeColumns()
        self._mark_deleted(missing, moment, steps)
        append.append(self._connection, self._writer, steps, moment)
        return self._progress(progress)

    def hold(self, missing: Sequence[Missing], progress: Progress) -> None:
        self._set_aside(missing)
        self._progress(progress)

    def empties(self, gone: Sequence[Known]) -> bool:
        return absent.empties(self._connection, self._identity.source_id, gone)

    def _hold(self, changes: Changes) -> None:
        """Release what was seen again; hold what the source reports as deleted."""
        if self._store.has_held and changes.seen:
            self._connection.execute(
                sql.RELEASE_HELD_SEEN, (self._identity.source_id, list(changes.seen))
            )
        if changes.held:
            self._set_aside(changes.held)
            self._store.has_held = True

    def _set_aside(self, gone: Sequence[Known | Missing]) -> None:
        self._connection.execute(
            sql.HOLD,
            {
                "source": self._identity.source_id,
                "run": self._identity.run_id,
                "uuids": [item.uuid for item in gone],
            },
        )

    def _save_cursor(self, cursor: Cursor) -> None:
        identity = self._identity
        self._connection.execute(
            sql.CURSOR, (_jsonb(cursor), identity.cursor_fingerprint, identity.source_id)
        )

    def _moment(self) -> datetime:
        row = self._connection.execute("SELECT now()").fetchone()
        assert row is not None
        moment: datetime = row[0]
        return moment

    def _create(self, changes: Changes, moment: datetime, steps: ChangeColumns) -> None:
        creates = changes.creates
        if not creates:
            return
        uuids = [uuid_utils.uuid7().bytes for _ in creates.documents]
        rows = objects_copy.objects(
            creates,
            uuids,
            changes.target,
            source_id=self._identity.source_id,
            run_id=self._identity.run_id,
            moment=moment,
        )
        with self._connection.cursor().copy(sql.COPY_OBJECTS) as copy:
            for block in rows:
                copy.write(block)
        steps.add_created(uuids, creates.data_hashes)

    def _update(self, changes: Changes, moment: datetime, steps: ChangeColumns) -> None:
        updates = changes.updates
        if not updates:
            return
        done = self._connection.execute(
            sql.UPDATE,
            {
                "moment": moment,
                "run": self._identity.run_id,
                "uuids": [update.known.uuid for update in updates],
                "versions": [update.known.version for update in updates],
                "data": [update.json.decode() for update in updates],
                "data_hashes": [update.data_hash for update in updates],
                "origin_hashes": [UUID(bytes=update.origin_hash) for update in updates],
                "repeated": [update.repeated for update in updates],
            },
        )
        if done.rowcount != len(updates):
            raise WriteConflictError
        steps.add(
            Change(
                update.known.uuid.bytes,
                update.known.version + 1,
                update.action.value,
                update.data_hash,
                update.diff,
            )
            for update in updates
        )

    def _mark_deleted(
        self, gone: Sequence[Known | Missing], moment: datetime, steps: ChangeColumns
    ) -> None:
        if not gone:
            return
        done = self._connection.execute(
            sql.DELETE,
            {
                "moment": moment,
                "run": self._identity.run_id,
                "uuids": [item.uuid for item in gone],
                "versions": [item.version for item in gone],
            },
        )
        if done.rowcount != len(gone):
            raise WriteConflictError
        steps.add(
            Change(
                item.uuid.bytes,
                item.version + 1,
                Action.DELETE.value,
                bytes(item.data_hash),
                None,
            )
            for item in gone
        )

    def _touch(self, changes: Changes) -> None:
        if changes.touches:
            self._connection.execute(
                sql.TOUCH,
                (
                    [touch.uuid for touch in changes.touches],
                    [UUID(bytes=touch.origin_hash) for touch in changes.touches],
                ),
            )

    def _quarantine(self, changes: Changes) -> None:
        identity, target = self._identity, changes.target.number
        if changes.problems:
            quarantine.put(
                self._connection, identity.source_id, target, identity.run_id, changes.problems
            )
            self._store.rejects.add(target, changes.problems)
        bad = {problem.key for problem in changes.problems}
        met = self._store.rejects.among(target, changes.keys)
        clean = list(met - bad - changes.deferred.keys())
        if clean:
            self._connection.execute(sql.RELEASE, (identity.source_id, target, clean))

    def _progress(self, progress: Progress) -> bool:
        row = self._connection.execute(
            sql.PROGRESS,
            {
                **progress.counters.as_dict(),
                "total": progress.total,
                "cursor": None if progress.cursor is None else _jsonb(progress.cursor),
                "run": self._identity.run_id,
            },
        ).fetchone()
        if row is None:
            raise LostRunError(
                f"Run {self._identity.run_id} no longer belongs to this process",
                where=f"source {self._identity.source_name}",
            )
        if progress.cursor is not None:
            self._save_cursor(progress.cursor)
        return bool(row[0])


def _writes(changes: Changes) -> bool:
    return bool(changes.creates or changes.updates or changes.touches or changes.deletions)


def _jsonb(value: Cursor) -> Jsonb:
    return Jsonb(value, dumps=canonical.dumps)
