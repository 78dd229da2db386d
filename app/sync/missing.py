"""Objects whose row is gone: found only where every row came, deleted only within the guard."""

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
    """A deletion is held for approval when it exceeds both the share and the number.

    `share` of the objects that the source owns, between 0 and 1; `objects` in absolute terms,
    so that small registers may lose a few without asking. A deletion that leaves the source
    without any object is held whatever the share and the number.
    """

    share: float = 0.2
    objects: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"The guard's share is a part between 0 and 1, not {self.share}")
        if self.objects < 0:
            raise ValueError(f"The guard's number of objects is at least 0, not {self.objects}")

    def holds(self, missing: int, owned: int) -> bool:
        """Whether deleting `missing` of the `owned` live objects must wait for approval."""
        everything = missing >= owned > 0
        return everything or (missing > self.objects and missing > self.share * owned)

    def message(self, missing: int, owned: int) -> str:
        """Why a deletion is held, and what to do."""
        if missing >= owned:
            return (
                f"{_all(owned)} no longer at the source, so nothing was deleted. "
                f"Look at them with `source:deletes`, approve with `--approve {missing}`"
            )
        part = missing / owned
        return (
            f"{missing:,} of {counted(owned, 'object')} ({part:.0%}) "
            f"{'is' if missing == 1 else 'are'} no longer at the source; that is "
            f"more than {self.share:.0%} and more than {self.objects}, so nothing was deleted. "
            f"Look at them with `source:deletes`, approve with `--approve {missing}`"
        )


def _all(owned: int) -> str:
    return "The only object is" if owned == 1 else f"All {owned:,} objects are"


BATCH = 5000
FEW = 20_000
"""Missing objects that are kept in memory rather than asked for twice."""


class Totals:
    """The totals of the live objects, asked for beside the reading where there is time for it.

    They are as good in the middle of a run as at its end, for what the run makes does not count.
    Whatever else changes meanwhile lets them differ from what was seen; the objects are then
    compared one by one, so it costs time and deletes nothing.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="totals")
        self._asked: Future[tuple[int, int]] | None = None

    def ask(self) -> None:
        """Start asking; `close` waits for the answer."""
        self._asked = self._asked or self._thread.submit(self._store.live_totals)

    def get(self) -> tuple[int, int]:
        """The answer, asked for now unless it has been. Raises what the store raises."""
        return self._store.live_totals() if self._asked is None else self._asked.result()

    def close(self) -> None:
        """Nothing is asked beside the reading any more; the answer stays."""
        self._thread.shutdown(wait=True)


def settle_missing(
    store: ObjectStore,
    seen: Seen,
    totals: Totals,
    guard: DeleteGuard,
    covered: Sequence[CoveredKeys] | None = None,
) -> tuple[Counters, str | None]:
    """Delete what the read did not meet, or hold it when the guard says so.

    `covered`: only rows with these keys were handed out; None: every row was. Then as a rule
    nothing is missing, and two totals tell that without one object being sent: what was seen was
    live, or made by this run, and then its number is higher than any of the missing, so equal
    totals are equal objects. Otherwise the missing objects are streamed: once as long as they are
    few, else once to count them and once to act, so memory does not grow with them. Returns the
    counters and, when held, the message.
    """
    counters = Counters()
    if covered is None and seen.only_live and totals.get() == seen.totals:
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
