"""Objects whose row is gone: found only where every row came, deleted only within the guard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from app.domain.covered import CoveredKeys
from app.domain.flow import Missing, ObjectStore, Progress
from app.domain.guard import DeleteGuard
from app.domain.report import Counters
from app.flow.seen import Seen

BATCH = 5000
FEW = 20_000
"""Missing objects that are kept in memory rather than asked for twice."""


def settle_missing(
    store: ObjectStore,
    seen: Seen,
    guard: DeleteGuard,
    covered: Sequence[CoveredKeys] | None = None,
) -> tuple[Counters, str | None]:
    """Delete what the read did not meet, or hold it when the guard says so.

    `covered`: only rows with these keys were handed out; None: every row was. Then as a rule
    nothing is missing, and two totals tell that without one object being sent. Otherwise the
    missing objects are streamed: once as long as they are few, else once to count them and once
    to act, so memory does not grow with them. Returns the counters and, when held, the message.
    """
    counters = Counters()
    if covered is None and store.live_totals() == seen.totals:
        return counters, None
    gone = _gone(store, seen, covered)
    few = list(islice(gone, FEW))
    missing = len(few) + sum(1 for _ in gone)
    if not missing:
        return counters, None
    owned = store.count_live()  # before anything goes
    held = guard.holds(missing, owned)
    gone = iter(few) if missing <= FEW else _gone(store, seen, covered)
    while batch := list(islice(gone, BATCH)):
        step = Counters(held=len(batch)) if held else Counters(deleted=len(batch))
        _write(store, batch, step, held=held)
        counters.add(step)
    return counters, guard.message(missing, owned) if held else None


def _gone(
    store: ObjectStore, seen: Seen, covered: Sequence[CoveredKeys] | None
) -> Iterator[Missing]:
    if covered is None:
        return store.missing(seen)
    return chain.from_iterable(store.missing_within(seen, keys) for keys in covered)


def _write(store: ObjectStore, batch: list[Missing], step: Counters, *, held: bool) -> None:
    with store.transaction(0) as transaction:
        if held:
            transaction.hold(batch, Progress(step, None, None))
        else:
            transaction.delete(batch, Progress(step, None, None))
