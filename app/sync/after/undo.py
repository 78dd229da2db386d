"""Undo a run: restore every object it changed to its previous state.

An undo is itself a run: it holds the source's lock, writes the audit trail, and can be undone. The
next sync reads everything again and applies what the source still contains.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from uuid import UUID

import sqlalchemy as sa

from app.application import Application
from app.audit import diff as changes
from app.audit import store as audit
from app.audit.append import Writer
from app.audit.chain_rule import Action
from app.audit.diff import Diff
from app.audit.store import Latest, Touched
from app.registers import object_store as store
from app.registers import write_objects
from app.registers.model import StoredObject
from app.registers.write_objects import Revision
from app.sources import store as sources
from app.sync import runs
from app.sync.lock import Stop, under_lock
from app.sync.model import Finish, Run, Start
from app.sync.report import Counters, RunState
from app.sync.run_store import RunStore
from connectors.sdk import canonical

BATCH = 5000
LISTED = 1000
"""Skipped objects that are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An object that is not changed, and the reason."""

    uuid: UUID
    key: str | None
    reason: str


@dataclass(slots=True)
class Undone:
    """The result of an undo. `run` is its own run, `of` the number of the undone run."""

    of: int
    run: Run | None = None
    deleted: int = 0
    """Objects that the run had created or restored."""
    reverted: int = 0
    restored: int = 0
    """Objects that the run had deleted."""
    skipped: int = 0
    listed: list[Skipped] = field(default_factory=list)

    def skip(self, skipped: Skipped) -> None:
        """Count a skipped object, and list it if it is among the first."""
        self.skipped += 1
        if len(self.listed) < LISTED:
            self.listed.append(skipped)


def undo(
    app: Application,
    run_id: int,
    *,
    actor: str,
    trigger: str = "manual",
    should_stop: Stop = lambda: False,
) -> Undone:
    """Undo what a run wrote, batch by batch; objects with later edits are skipped.

    If it is killed, calling it again undoes the rest. Raises NotFoundError, AlreadyRunningError,
    LostRunError, and the error that made the undo fail.
    """
    run = app.read(runs.get, run_id)
    undone = Undone(run_id)

    def work(own_id: int, stop: Stop) -> Finish:
        writer = Writer(run.source_id, 0, run.source, f"{actor}, undoing run {run_id}", own_id)
        with app.engine.connect() as reading:
            touched = audit.touched_by(reading, run_id)
            while not stop() and (batch := list(islice(touched, BATCH))):
                _undo_batch(app, writer, run, own_id, batch, undone)
        state = RunState.PARTIAL if undone.skipped else RunState.DONE
        if stop():
            state = RunState.CANCELLED
        return Finish(state, message=_message(undone), syncs=False)

    start = Start(run.source_id, trigger, actor, full=False)
    result = under_lock(app, start, work, source=run.source, should_stop=should_stop)
    if result.error is not None:
        raise result.error
    undone.run = result.run
    return undone


def _undo_batch(
    app: Application,
    writer: Writer,
    run: Run,
    own_id: int,
    batch: Sequence[Touched],
    undone: Undone,
) -> None:
    """One transaction: the objects, their entries, the counters, and the source's cursor."""
    uuids = [touched.uuid for touched in batch]
    with app.engine.begin() as connection:
        write_objects.lock(connection, uuids)
        found = store.get_many(connection, uuids)
        diffs = audit.diffs_of(connection, run.id, uuids)
        outcome = Undone(run.id)
        revisions = []
        for touched, current in _unchanged_since(connection, batch, found, outcome):
            revision = _revision(touched, current, diffs.get(touched.uuid, ()))
            if revision is not None:
                revisions.append(revision)
                _count(outcome, revision)
        if revisions:
            write_objects.write(connection, writer, revisions=revisions)
        sources.clear_cursor(connection, run.source_id)
        RunStore(app.engine).advance(connection, own_id, _counters(outcome))
    undone.deleted += outcome.deleted
    undone.reverted += outcome.reverted
    undone.restored += outcome.restored
    for skipped in outcome.listed:
        undone.skip(skipped)
    undone.skipped += outcome.skipped - len(outcome.listed)


def _unchanged_since(
    connection: sa.Connection,
    batch: Sequence[Touched],
    found: Mapping[UUID, StoredObject],
    outcome: Undone,
) -> Iterator[tuple[Touched, StoredObject]]:
    """The objects not written since the run; the others are listed as skipped."""
    later = []
    for touched in batch:
        current = found.get(touched.uuid)
        if current is None:
            outcome.skip(Skipped(touched.uuid, None, "is no longer in the register"))
        elif current.version != touched.last or touched.entries != touched.last - touched.first + 1:
            later.append(current)
        else:
            yield touched, current
    if not later:
        return
    latest = audit.latest(connection, [current.uuid for current in later])
    for current in later:
        reason = _later_edit(latest.get(current.uuid))
        outcome.skip(Skipped(current.uuid, current.key, reason))


def _later_edit(latest: Latest | None) -> str:
    if latest is None:
        return "was changed since, and the audit trail does not show by whom"
    by = f"run {latest.run_id} ({latest.actor})" if latest.run_id else latest.actor
    return f"was changed by {by} at {latest.created.isoformat(timespec='seconds')}"


def _revision(touched: Touched, current: StoredObject, diffs: Sequence[Diff]) -> Revision | None:
    """The object before the run's first entry; None if it is already in that state."""
    created = touched.first_action == Action.CREATE
    was_deleted = created or touched.first_action == Action.RESTORE
    before = current.data
    if not created:
        for diff in diffs:
            before = changes.revert(diff, before)
    back = changes.diff(current.data, before)
    if not back and was_deleted == (current.deleted is not None):
        return None
    if was_deleted:
        action = Action.DELETE
    else:
        action = Action.UPDATE if current.deleted is None else Action.RESTORE
    json = canonical.dumps(before)
    return Revision(
        current.uuid,
        current.version,
        action,
        json,
        sha256(json).digest(),
        canonical.dumps(back) if back else None,
        deleted=was_deleted,
        keeps_origin=False,
    )


def _count(outcome: Undone, revision: Revision) -> None:
    if revision.deleted:
        outcome.deleted += 1
    elif revision.action is Action.RESTORE:
        outcome.restored += 1
    else:
        outcome.reverted += 1


def _counters(outcome: Undone) -> Counters:
    updated = outcome.reverted + outcome.restored
    return Counters(
        read=updated + outcome.skipped,
        updated=updated,
        unchanged=outcome.skipped,
        deleted=outcome.deleted,
    )


def _message(undone: Undone) -> str:
    skipped = f"; {undone.skipped:,} with later edits skipped" if undone.skipped else ""
    return (
        f"Undid run {undone.of}: {undone.reverted:,} reverted, {undone.restored:,} restored, "
        f"{undone.deleted:,} deleted{skipped}"
    )
