"""Objects without a row: found only if every row was read, deleted only within the guard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice

from app.sync.batch import CoveredKeys, Missing, ObjectStore, Progress
from app.sync.report import Counters
from app.sync.seen import Seen
from connectors.sdk.counting import counted


@dataclass(frozen=True, slots=True)
class DeleteGuard:
    """A deletion is held for approval if it exceeds both the share and the number.

    `share` of the objects that the source owns, between 0 and 1; `objects` is absolute, so that
    small registers may lose a few without approval. A deletion that would leave the source
    without any object is always held.
    """

    share: float = 0.2
    objects: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"The guard's share must be between 0 and 1, not {self.share}")
        if self.objects < 0:
            raise ValueError(f"The guard's number of objects must be 0 or more, not {self.objects}")

    def holds(self, missing: int, owned: int) -> bool:
        """Whether deleting `missing` of the `owned` live objects must wait for approval."""
        everything = missing >= owned > 0
        return everything or (missing > self.objects and missing > self.share * owned)

    def message(self, missing: int, owned: int) -> str:
        """Why a deletion is held, and what to do."""
        if missing >= owned:
            return (
                f"{_all(owned)} no longer at the source, so nothing was deleted. "
                f"Review them with `source:deletes`, approve with `--approve {missing}`"
            )
        part = missing / owned
        return (
            f"{missing:,} of {counted(owned, 'object')} ({part:.0%}) "
            f"{'is' if missing == 1 else 'are'} no longer at the source; that is "
            f"more than {self.share:.0%} and more than {self.objects}, so nothing was deleted. "
            f"Review them with `source:deletes`, approve with `--approve {missing}`"
        )


def _all(owned: int) -> str:
    return "The only object is" if owned == 1 else f"All {owned:,} objects are"


BATCH = 5000
FEW = 20_000
"""Missing objects kept in memory instead of being queried twice."""


class Totals:
    """The totals of the live objects, queried while reading if there is time.

    They are the same in the middle of a run as at its end, because objects created by the run do
    not count. Other changes in the meantime make them differ from what was seen; the objects are
    then compared one by one, which costs time but deletes nothing.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="totals")
        self._asked: Future[tuple[int, int]] | None = None

    def ask(self) -> None:
        """Start the query; `close` waits for its result."""
        self._asked = self._asked or self._thread.submit(self._store.live_totals)

    def get(self) -> tuple[int, int]:
        """The result, queried now if necessary. Raises the store's errors."""
        return self._store.live_totals() if self._asked is None else self._asked.result()

    def close(self) -> None:
        """End the parallel query; the result is kept."""
        self._thread.shutdown(wait=True)


def settle_missing(
    store: ObjectStore,
    seen: Seen,
    totals: Totals,
    guard: DeleteGuard,
    covered: Sequence[CoveredKeys] | None = None,
) -> tuple[Counters, str | None]:
    """Delete what the read has not seen, or hold it if the guard requires that.

    `covered`: only rows with these keys were read; None: every row was. Usually nothing is
    missing, which two totals show without fetching an object: seen objects were either live, or
    created by this run with a higher number than any missing one, so equal totals mean equal
    objects. Otherwise the missing objects are streamed: once if they are few, else once to count
    and once to act, so memory use does not grow with them. Returns the counters and, if held,
    the message.
    """
    counters = Counters()
    if covered is None and seen.only_live and totals.get() == seen.totals:
        return counters, None
    gone = _gone(store, seen, covered)
    few = list(islice(gone, FEW))
    missing = len(few) + sum(1 for _ in gone)
    if not missing:
        return counters, None
    owned = store.count_live()  # before anything is deleted
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
