"""The pipeline: every batch through the stages in the order listed in `app.sync`.

A batch is one transaction in which objects, audit entries, quarantine, counters and cursor are
committed together or not at all. After a kill at any point, the next run continues.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from app.mapping.target import Target
from app.sources.document import OnMissing
from app.sync.batch import (
    Changes,
    ObjectStore,
    Observer,
    Prepared,
    Progress,
    Transaction,
    covered_keys,
)
from app.sync.identify import give_problems, looked_for, prepare
from app.sync.lanes import Lanes, Watermark, retried
from app.sync.missing import DeleteGuard, Totals, settle_missing
from app.sync.read_ahead import ahead, first_fields, take
from app.sync.report import Counters, ErrorBudget
from app.sync.resolve import Resolver
from app.sync.seen import Seen
from connectors.sdk.rows import (
    Batch,
    Cursor,
    End,
    Proof,
    RowBatch,
    RowProblem,
)

NO_END = "The connector stopped without saying that it read everything; nothing was deleted"


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a run. `limit` counts rows; a limited run proves nothing complete."""

    on_missing: OnMissing = OnMissing.KEEP
    guard: DeleteGuard = field(default_factory=DeleteGuard)
    budget: ErrorBudget = field(default_factory=ErrorBudget)
    limit: int | None = None
    from_start: bool = False
    """The read starts from the beginning, so it can prove which objects are missing."""


@dataclass(slots=True)
class Fate:
    """The results for the rows of one target."""

    counters: Counters = field(default_factory=Counters)
    first_problem: RowProblem | None = None
    """The first bad row, for the message of a run in which all were bad."""


@dataclass(slots=True)
class Outcome:
    """The result of a run. `end` None: the source did not prove that everything was read."""

    counters: Counters = field(default_factory=Counters)
    end: End | None = None
    because: Proof | None = None
    """The evidence that the read was complete, or None."""
    cancelled: bool = False
    exhausted: bool = False
    """The error budget was exhausted, so the run stopped early."""
    held: str | None = None
    """Why deletions are held for approval."""
    warnings: list[str] = field(default_factory=list)
    cursor: Cursor | None = None
    """Where the next read continues; every batch before it is committed."""
    fates: dict[int, Fate] = field(default_factory=dict)
    """The same by target number."""
    first_fields: tuple[str, ...] = ()
    unidentified: int = 0
    """Rejected rows with unknown keys, which prevent missing objects from being determined."""
    """Field names of the first row, for messages about the available fields."""

    @property
    def complete(self) -> bool:
        """Whether the read covered everything it should, with evidence."""
        return self.end is not None and self.end is not End.UNPROVEN


class Sync:
    """One run of one source to its targets. Use it once."""

    def __init__(
        self,
        targets: Sequence[Target],
        store: ObjectStore,
        options: Options,
        *,
        observe: Observer = lambda counters, total: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._targets = targets
        self._store = store
        self._options = options
        self._observe = observe
        self._stop = stop
        self._seen = Seen()
        self._totals = Totals(store)
        self._resolver = Resolver(store.run_id, self._seen, options.on_missing)
        self._watermark = Watermark()
        self._lock = threading.Lock()
        self._outcome = Outcome()
        self._unidentified = 0

    def run(self, batches: Iterator[Batch]) -> Outcome:
        """Process every batch, then handle the objects that a full read has not seen.

        Raises ConnectorError from the source (committed data is kept), LostRunError if the run was
        taken over, CountersError if a row is unaccounted for.
        """
        last, cursor = self._carry(take(batches, self._options.limit))
        self._write_deferred()
        self._conclude(last, cursor)
        self._outcome.counters.check()
        return self._outcome

    def _carry(self, rows: Generator[Batch]) -> tuple[Batch | None, Cursor | None]:
        """Every batch through the stages; the last one, and where the next read carries on."""
        last, cursor = None, None
        with (
            closing(self._totals),
            Lanes(self._store.lanes) as lanes,
            ahead(rows, stop=self._stop) as incoming,
        ):
            for number, batch in enumerate(incoming):
                if number == 1 and self._proves_missing:  # more batches follow, so there is time
                    self._totals.ask()
                work = self._prepare(batch)
                lanes.submit(partial(self._write, number, batch, work), keys_of(work))
                last, cursor = batch, early_cursor(batch) or cursor
                if self._must_stop():
                    break
            lanes.drain()
        return last, cursor

    def _conclude(self, last: Batch | None, cursor: Cursor | None) -> None:
        """What follows from the end of the read, as far as there is evidence that it was one."""
        outcome = self._outcome
        if last is None or last.end is None:
            outcome.cancelled |= self._stop()  # the connector was also cancelled, and stopped
            if not outcome.cancelled and self._options.limit is None:
                outcome.warnings.append(NO_END)
        outcome.cursor = cursor
        if last is not None and not (outcome.cancelled or outcome.exhausted):
            last = proven(last)
            outcome.end, outcome.because = last.end, last.because
            if last.doubt:
                outcome.warnings.append(last.doubt)
            if must_settle(last) and (settled := self._settle(last)) is not None:
                outcome.cursor = settled

    def _prepare(self, batch: Batch) -> list[Prepared]:
        empty = self._store.empty
        work = [prepare(target, batch, all_new=empty) for target in self._targets]
        give_problems(work, batch.problems)
        known = self._outcome.warnings
        known += [warning for warning in batch.warnings if warning not in known]
        if not self._outcome.first_fields and len(batch):
            self._outcome.first_fields = first_fields(batch)
        return work

    def _write(self, number: int, batch: Batch, work: Sequence[Prepared], lane: int) -> None:
        """One batch, one transaction; retried after a concurrent change."""
        for item in work:
            self._resolver.supersede(item)
        changes, cursor = retried(partial(self._attempt, number, batch, work, lane))
        self._commit(changes, batch.skipped)
        self._watermark.committed(number, cursor)
        self._observe(self._outcome.counters, batch.total)

    def _attempt(
        self, number: int, batch: Batch, work: Sequence[Prepared], lane: int
    ) -> tuple[list[Changes], Cursor | None]:
        with self._store.transaction(lane) as transaction:
            changes = self._resolve(work, transaction)
            waiting = self._resolver.waiting or any(change.deferred for change in changes)
            cursor = None if waiting else early_cursor(batch)
            safe = self._watermark.cursor_with(number, cursor)
            counters = added(changes, batch.skipped)
            stop = transaction.write(changes, Progress(counters, safe, batch.total))
        self._outcome.cancelled |= stop
        return changes, cursor

    def _resolve(self, work: Sequence[Prepared], transaction: Transaction) -> list[Changes]:
        changes = []
        for item in work:
            change = self._resolver.resolve(item, transaction.find(item))
            if item.present:
                self._resolver.present(change, transaction.find(looked_for(item)))
            changes.append(change)
        gone = [known for change in changes for known in change.deletions]
        if gone and not any(change.creates for change in changes) and transaction.empties(gone):
            for change in changes:
                change.hold_deletions()
        return changes

    def _commit(self, changes: Sequence[Changes], skipped: int = 0) -> None:
        with self._lock:
            for change in changes:
                self._resolver.commit(change)
                self._unidentified += change.unidentified
                fate = self._outcome.fates.setdefault(change.target.number, Fate())
                fate.counters.add(change.counters)
                if fate.first_problem is None and change.problems:
                    fate.first_problem = change.problems[0]
            self._outcome.counters.add(added(changes, skipped))
            if held := sum(len(change.held) for change in changes):
                self._outcome.held = self._options.guard.message(held, held)

    @property
    def _proves_missing(self) -> bool:
        options = self._options
        whole = options.from_start and options.limit is None
        return whole and options.on_missing is OnMissing.DELETE

    def _must_stop(self) -> bool:
        outcome = self._outcome
        outcome.exhausted = self._options.budget.exhausted(outcome.counters)
        outcome.cancelled |= self._stop()
        return outcome.cancelled or outcome.exhausted

    def _write_deferred(self) -> None:
        """Write rows that waited for a later row of their key that did not come."""
        for target in self._targets:
            rows = self._resolver.take_deferred(target)
            if not rows:
                continue
            item = Prepared(
                target,
                RowBatch(rows=[row.row for row in rows]),
                range(len(rows)),
                [row.key for row in rows],
                [row.origin_hash for row in rows],
                key_set={row.key for row in rows},
            )
            with self._store.transaction(0) as transaction:
                changes = [self._resolver.resolve(item, transaction.find(item), defer=False)]
                transaction.write(changes, Progress(added(changes), None, None))
            self._commit(changes)

    def _settle(self, last: Batch) -> Cursor | None:
        """Remove missing rows from the quarantine, and missing objects as configured.

        After a full read all of them, otherwise those in the ranges that the source has compared.
        Returns the cursor that may be stored now; None keeps the stored one, so that the next run
        determines held and doubtful deletions again.
        """
        outcome, options = self._outcome, self._options
        found = [
            covered_keys(t.number, t.plan.key_paths, last.covered or ()) for t in self._targets
        ]
        covered = [keys for keys in found if keys is not None]
        if last.end is End.FULL:
            self._store.settle_full_read()
        else:
            self._store.settle_ranges(covered)
        if options.on_missing is not OnMissing.DELETE:
            self._store.settle_held()
            return last.cursor
        kept, doubtful = last.cursor, last.cursor if last.covered is None else None
        if last.covered and len(covered) < len(found):
            kept = doubtful = {}  # nothing to compare: the next run reads everything
            outcome.warnings.append(no_ranges(last.covered[0].field))
        if self._unidentified:
            outcome.unidentified = self._unidentified
            return doubtful
        self._store.settle_held()
        counters, outcome.held = settle_missing(
            self._store,
            self._seen,
            self._totals,
            options.guard,
            None if last.end is End.FULL else covered,
        )
        outcome.counters.add(counters)
        return kept if outcome.held is None else doubtful


def keys_of(work: Iterable[Prepared]) -> list[Set[str | None]]:
    """The keys of a batch per target, to decide which batches may run in parallel."""
    return [item.key_set for item in work]


def added(changes: Iterable[Changes], skipped: int = 0) -> Counters:
    """The counters of a batch over all its targets.

    A row counts once per target, and so do the rows that the source skipped.
    """
    total = Counters()
    for change in changes:
        total.add(change.counters)
        total.add(Counters(read=skipped, unchanged=skipped))
    return total


def proven(last: Batch) -> Batch:
    """The last batch; an end without evidence proves nothing."""
    if last.end is not None and last.end is not End.UNPROVEN and last.because is None:
        last.end = End.UNPROVEN
        last.doubt = "The connector gave no evidence that it read everything; nothing was deleted"
    return last


def must_settle(batch: Batch) -> bool:
    """Whether missing rows have consequences after this last batch."""
    return batch.end is End.FULL or batch.covered is not None


def early_cursor(batch: Batch) -> Cursor | None:
    """The cursor that may be stored with the batch itself.

    A cursor after missing rows waits until these are handled: if the run were killed in between,
    the next run would not find them again.
    """
    return None if must_settle(batch) else batch.cursor


def no_ranges(field: str) -> str:
    """Why a run cannot use the comparison made by the source."""
    return (
        f"The key of the mapping lacks the column {field}, with which the source compares "
        "its rows; to detect deleted rows, every run reads all rows"
    )
