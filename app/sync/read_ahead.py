"""Reads the source in a thread of its own, a few batches ahead, and no more than is wanted."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from connectors.sdk.rows import Batch, Row, RowBatch, RowDecodeError, RowProblem

_log = logging.getLogger(__name__)

T = TypeVar("T")

LOOK = 0.2
"""Seconds between two looks whether to stop, while the source hands out nothing."""

PATIENCE = 5.0
"""Seconds that a reader gets to leave once nobody waits for what it reads."""


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


@contextmanager
def ahead(
    items: Iterator[T], depth: int = 2, *, stop: Callable[[], bool] = lambda: False
) -> Iterator[Iterator[T]]:
    """Yield an iterator over `items` produced in a thread, with at most `depth` waiting.

    An exception of the producer is raised in place of its item. Leaving the block early
    closes the generator in its own thread and waits for it, so nothing stays open.

    Once `stop()` is true the iterator ends, even while the producer waits for its source. A
    producer that does not notice within `PATIENCE` is abandoned: its thread ends when the source
    responds, at its time limit, or with the process.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(depth)
    leaving = threading.Event()

    def put(item: T | _End) -> bool:
        while not leaving.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not put(item):
                    break
        except BaseException as caught:  # passed to the consumer, which raises it
            error = caught
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        put(_End(error))

    def consume() -> Iterator[T]:
        while True:
            try:
                item = waiting.get(timeout=LOOK)
            except queue.Empty:
                if stop():
                    return
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    thread = threading.Thread(target=produce, name="source-reader", daemon=True)
    thread.start()
    patience = None
    try:
        yield consume()
    except KeyboardInterrupt:
        patience = PATIENCE
        raise
    finally:
        leaving.set()
        thread.join(PATIENCE if stop() else patience)
        if thread.is_alive():
            _log.warning("The source has not answered; the run ends without waiting for it")


def take(batches: Iterator[Batch], limit: int | None) -> Generator[Batch]:
    """The batches up to `limit` rows; a batch that was cut carries neither cursor nor end."""
    left = limit
    try:
        for batch in batches:
            if left is not None and len(batch) > left:
                yield _cut(batch, left)
                return
            yield batch
            if left is not None:
                left -= len(batch)
                if not left:  # what else the source has is not even asked for
                    return
    finally:
        if isinstance(batches, Generator):
            batches.close()


def _cut(batch: Batch, left: int) -> Batch:
    """The first rows of a batch; one that cannot be decoded is a problem."""
    rows: list[Row] = []
    problems: list[RowProblem] = []
    for index in range(left):
        try:
            rows.append(batch.row(index))
        except RowDecodeError as error:
            problems.append(error.problem)
    return RowBatch(rows=rows, problems=problems, total=batch.total)


def first_fields(batch: Batch) -> tuple[str, ...]:
    """Field names of the first row that can be decoded at all."""
    for index in range(len(batch)):
        try:
            return tuple(batch.row(index).data)
        except RowDecodeError:
            continue
    return ()
