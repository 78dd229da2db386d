"""Collect pages into batches of the size of one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from connectors.sdk.bodies.records import PageBatch
from connectors.sdk.connector import FieldFact
from connectors.sdk.paging.pages import Page
from connectors.sdk.rows import Batch, Cursor, End, JsonValue, Proof, RowData, RowProblem


class Gatherer:
    """Collects rows of pages and yields a batch when it is full."""

    def __init__(self, size: int, is_deleted: Callable[[RowData], bool] | None = None) -> None:
        self._size = size
        self._is_deleted = is_deleted
        self._batch = self._fresh()
        self._problems: list[RowProblem] = []

    def _fresh(self) -> PageBatch:
        return PageBatch(is_deleted=self._is_deleted)

    def add(self, page: Page, total: int | None = None) -> Iterator[Batch]:
        """Add a page; yields the batches it completes."""
        if page.batches:
            if len(self._batch) or self._problems:
                yield self._taken(total)
            for batch in page.batches:
                batch.total = total
                yield batch
            return
        self._problems.extend(page.problems)
        done = 0
        while done < len(page.items):
            end = min(len(page.items), done + self._size - len(self._batch))
            raws = None if page.raws is None else page.raws[done:end]
            faults = {at - done: page.faults[at] for at in page.faults if done <= at < end}
            self._batch.add(page.label, page.places, done, page.items[done:end], raws, faults)
            done = end
            if len(self._batch) >= self._size:
                yield self._taken(total)

    def _taken(self, total: int | None) -> Batch:
        batch, self._batch = self._batch, self._fresh()
        batch.problems, self._problems = self._problems, []
        batch.total = total
        return batch

    def rest(self) -> Batch:
        """What is left of a read that was not read to its end."""
        return self._taken(None)

    def last(
        self,
        end: End,
        cursor: Cursor | None,
        total: int | None,
        because: Proof | None = None,
        doubt: str = "",
    ) -> Batch:
        """The remaining rows, possibly none, with the end of the read and the cursor."""
        batch = self._taken(total)
        batch.end, batch.because, batch.doubt = end, because, doubt
        batch.cursor = cursor
        return batch


def field_facts(rows: Sequence[RowData]) -> list[FieldFact]:
    """The fields of some rows with the type of their first non-null value."""
    found: dict[str, FieldFact] = {}
    for row in rows:
        for name, value in row.items():
            if name not in found or (not found[name].type and value is not None):
                found[name] = FieldFact(name, _kind(value), value)
    return list(found.values())


def _kind(value: JsonValue) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, (float, Decimal)):
        return "number"
    return {str: "text", dict: "object", list: "array"}[type(value)]
