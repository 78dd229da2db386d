"""The data that passes through the pipeline, and its interfaces to the database.

One batch becomes, per target: `Prepared` (keys and hashes) → `Found` (what the register has)
→ `Changes` (what must be written). All of a batch's `Changes` are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from app.audit.chain_rule import Action
from app.mapping.target import Target
from app.sync.report import Counters
from connectors.sdk import canonical
from connectors.sdk.rows import Batch, Cursor, KeyRange, Row, RowProblem


@dataclass(slots=True)
class Prepared:
    """One target's view of a batch, before the register is queried.

    `indices[i]` is the batch index of the i-th row kept; its key and hash are `keys[i]` and
    `hashes[i]` (XXH3-128 of the raw row, 16 bytes). `keys` is None without a key.
    """

    target: Target
    batch: Batch
    indices: Sequence[int]
    keys: Sequence[str] | None
    hashes: Sequence[bytes]
    keyless: Sequence[int] = ()
    """Batch indices of rows without a key."""
    duplicates: int = 0
    filtered: int = 0
    superseded: int = 0
    """Rows of earlier batches that waited for a row of this one."""
    problems: list[RowProblem] = field(default_factory=list)
    """Rows the reader could not decode; passed only to the first target."""
    present: Sequence[str] = ()
    """Keys of these rows, if certain: their objects are not missing."""
    unidentified: int = 0
    """The rows among these whose key is uncertain."""
    key_set: Set[str | None] = frozenset()
    """The keys of all rows of the batch that have one, for fast lookups."""
    made: Sequence[NewObjects | None] = ()
    """The objects for each thousand rows, if all are new; None if they must be mapped singly."""


class NewObjects(NamedTuple):
    """New objects of consecutive rows: their canonical JSON and the SHA-256 of each."""

    documents: list[bytes]
    data_hashes: list[bytes]


class Known(NamedTuple):
    """An object of the register under a row's key, with different content."""

    uuid: UUID
    seq: int
    version: int
    data_hash: bytes
    deleted: bool
    repeated: bool
    run_id: int | None
    json: str
    """As received from the database, rarely parsed."""

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = canonical.parse(self.json)
        return found


@dataclass(slots=True)
class Found:
    """The register's answer for one `Prepared`.

    `same`: sequence numbers of live objects whose origin hash equals the row's: unchanged.
    `different`: (index into `Prepared.indices`, the object or None) for every other row.
    """

    same: Sequence[int]
    different: Sequence[tuple[int, Known | None]]


@dataclass(slots=True)
class Creates:
    """New objects, stored by field: item i of each list belongs to object i."""

    keys: list[str | None] = field(default_factory=list)
    origin_hashes: list[bytes] = field(default_factory=list)
    data_hashes: list[bytes] = field(default_factory=list)
    documents: list[bytes] = field(default_factory=list)
    """Canonical JSON."""

    def __len__(self) -> int:
        return len(self.documents)

    def add(self, key: str | None, origin_hash: bytes, data_hash: bytes, document: bytes) -> None:
        self.keys.append(key)
        self.origin_hashes.append(origin_hash)
        self.data_hashes.append(data_hash)
        self.documents.append(document)


class Update(NamedTuple):
    known: Known
    action: Action
    origin_hash: bytes
    data_hash: bytes
    json: bytes
    diff: bytes | None
    repeated: bool


class Touch(NamedTuple):
    """The raw row changed but the object did not: only the origin hash is updated."""

    uuid: UUID
    origin_hash: bytes


@dataclass(slots=True)
class Changes:
    """What one batch writes for one target."""

    target: Target
    counters: Counters = field(default_factory=Counters)
    creates: Creates = field(default_factory=Creates)
    updates: list[Update] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    keys: Set[str | None] = frozenset()
    """The keys of all rows of the batch; those without a problem leave the quarantine."""
    seen: list[int] = field(default_factory=list)
    """Sequence numbers of objects with a row in this batch; they are not missing."""
    deferred: dict[str, Deferred] = field(default_factory=dict)
    deletions: list[Known] = field(default_factory=list)
    """Objects that the source reports as deleted."""
    held: list[Known] = field(default_factory=list)
    """The same, if no object would be left: this requires approval."""
    unidentified: int = 0
    """Bad rows with unknown keys: while there are any, no object counts as missing."""

    def hold_deletions(self) -> None:
        """Hold the deletions reported by the source for approval."""
        self.held, self.deletions = self.deletions, []
        self.counters.held += self.counters.deleted
        self.counters.deleted = 0


class Deferred(NamedTuple):
    """A row whose key is known to repeat: it waits for a later row of that key, or the end."""

    row: Row
    key: str
    origin_hash: bytes


class Missing(NamedTuple):
    """A live object of the source that a full read has not seen."""

    uuid: UUID
    version: int
    data_hash: bytes
    target: int


class Progress(NamedTuple):
    """What a batch's transaction commits besides its objects."""

    counters: Counters
    cursor: Cursor | None
    total: int | None


class Transaction(Protocol):
    """One database transaction of one lane. Leaving it commits; an exception rolls it back."""

    def find(self, prepared: Prepared) -> Found: ...

    def empties(self, gone: Sequence[Known]) -> bool:
        """Whether the source would have no live object left without these."""

    def write(self, changes: Sequence[Changes], progress: Progress) -> bool:
        """Write everything; True if the run should stop.

        Raises `BatchLostError` if the connection was lost and `WriteConflictError` if the same
        objects were changed concurrently (in both cases the batch is retried), and LostRunError if
        this process no longer owns the run.
        """

    def delete(self, missing: Sequence[Missing], progress: Progress) -> bool:
        """Mark objects as deleted, each with its audit entry; returns the same as `write`."""

    def hold(self, missing: Sequence[Missing], progress: Progress) -> None:
        """Hold deletions for approval."""


class ObjectStore(Protocol):
    """The register's objects as used by the pipeline."""

    run_id: int

    @property
    def lanes(self) -> int: ...

    @property
    def empty(self) -> bool:
        """Whether no row can be known yet: the source has no objects, and no key occurred twice."""

    def transaction(self, lane: int) -> AbstractContextManager[Transaction]: ...

    def missing(self, seen: Container[int]) -> Iterator[Missing]:
        """Every live object that this run has neither written nor in `seen`, streamed."""

    def live_totals(self) -> tuple[int, int]:
        """Number and sum of the sequence numbers of live objects that this run did not create."""

    def count_live(self) -> int: ...

    def settle_full_read(self) -> None:
        """After a full read: rows no longer in the source leave the quarantine."""

    def settle_held(self) -> None:
        """Clear held deletions: missing objects are about to be determined again."""

    def missing_within(self, seen: Container[int], keys: CoveredKeys) -> Iterator[Missing]:
        """Like `missing`, for one target and only covered keys."""

    def settle_ranges(self, keys: Sequence[CoveredKeys]) -> None:
        """Like `settle_full_read`, if only rows with covered keys were read."""


class WriteConflictError(Exception):
    """Another session wrote the same objects between our lookup and our write."""


class BatchLostError(Exception):
    """The connection was lost before the batch can have been committed; see its cause."""


Observer = Callable[[Counters, int | None], None]
"""Called after every committed batch with the current counters and the estimated total."""

__all__ = [
    "BatchLostError",
    "Changes",
    "Creates",
    "Deferred",
    "Found",
    "Known",
    "Missing",
    "ObjectStore",
    "Observer",
    "Prepared",
    "Progress",
    "Touch",
    "Transaction",
    "Update",
    "WriteConflictError",
]


@dataclass(frozen=True, slots=True)
class CoveredKeys:
    """One target's keys whose rows were all read: objects with other keys in it are missing.

    `bounds` are the ends of the ranges in ascending order; a key is covered if the number of
    bounds that are not above it is odd (or even, if `odd` is 0).
    """

    target: int
    position: int
    """Index of the compared field among the parts of the key, from 1."""
    parts: int
    """Number of fields in the key."""
    numeric: bool
    bounds: Sequence[str]
    odd: int


def covered_keys(
    target: int, paths: Sequence[str] | None, ranges: Sequence[KeyRange]
) -> CoveredKeys | None:
    """The covered keys of a target, or None if its key does not contain the compared field.

    `paths`: the row fields of the target's key, None if they are not plain fields. `ranges` are
    ascending and not adjacent, as connectors return them.
    """
    if not ranges or paths is None or ranges[0].field not in paths:
        return None
    first = ranges[0]
    return CoveredKeys(
        target=target,
        position=paths.index(first.field) + 1,
        parts=len(paths),
        numeric=first.numeric,
        bounds=[bound for each in ranges for bound in (each.low, each.high) if bound is not None],
        odd=0 if first.low is None else 1,
    )
