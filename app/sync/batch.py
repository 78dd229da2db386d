"""The shapes that travel through the pipeline, and the ports it needs from the database.

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
    """One target's view of one batch, before the register was asked.

    `indices[i]` is the batch index of the i-th row kept; its key and hash are `keys[i]` and
    `hashes[i]` (XXH3-128 of the raw row, 16 bytes). `keys` is None without a key.
    """

    target: Target
    batch: Batch
    indices: Sequence[int]
    keys: Sequence[str] | None
    hashes: Sequence[bytes]
    keyless: Sequence[int] = ()
    """Batch indices of rows that have no key."""
    duplicates: int = 0
    filtered: int = 0
    superseded: int = 0
    """Rows of earlier batches that waited for a row of this one."""
    problems: list[RowProblem] = field(default_factory=list)
    """Rows the reader could not decode; given to the first target only."""
    present: Sequence[str] = ()
    """Keys of such rows, as far as they are certain: their objects are not missing."""
    unidentified: int = 0
    """Such rows of which the key is not certain."""
    key_set: Set[str | None] = frozenset()
    """The keys of all rows of the batch that have one, for quick membership."""
    made: Sequence[Made | None] = ()
    """What each thousand rows become if all of them are new; None where that is not so simple."""


class Made(NamedTuple):
    """New objects of neighbouring rows: their canonical JSON and the SHA-256 of each."""

    documents: list[bytes]
    data_hashes: list[bytes]


class Known(NamedTuple):
    """An object the register has under a row's key, although not in this very form."""

    uuid: UUID
    seq: int
    version: int
    data_hash: bytes
    deleted: bool
    repeated: bool
    run_id: int | None
    json: str
    """As the database gave it; most of the time nobody looks inside."""

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
    """New objects, field by field, for there are many: the i-th of each list is of the i-th."""

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
    """The raw row moved but the object did not: only the origin hash is refreshed."""

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
    """Sequence numbers of objects whose row was in this batch; they are not missing."""
    deferred: dict[str, Deferred] = field(default_factory=dict)
    deletions: list[Known] = field(default_factory=list)
    """Objects that the source itself says are gone."""
    held: list[Known] = field(default_factory=list)
    """The same where nothing would be left: a person approves that."""
    unidentified: int = 0
    """Bad rows of unknown key: while there are any, no object can be called missing."""

    def hold_deletions(self) -> None:
        """What the source says is gone waits for a person."""
        self.held, self.deletions = self.deletions, []
        self.counters.held += self.counters.deleted
        self.counters.deleted = 0


class Deferred(NamedTuple):
    """A row whose key is known to repeat: it waits for a later row of that key, or the end."""

    row: Row
    key: str
    origin_hash: bytes


class Missing(NamedTuple):
    """A live object of the source that a full read did not meet."""

    uuid: UUID
    version: int
    data_hash: bytes
    target: int


class Progress(NamedTuple):
    """What a batch's transaction commits beside its objects."""

    counters: Counters
    cursor: Cursor | None
    total: int | None


class Transaction(Protocol):
    """One database transaction of one lane. Leaving it commits; an exception rolls it back."""

    def find(self, prepared: Prepared) -> Found: ...

    def empties(self, gone: Sequence[Known]) -> bool:
        """Whether the source would have no live object left without these."""

    def write(self, changes: Sequence[Changes], progress: Progress) -> bool:
        """Write everything; True when somebody asked the run to stop.

        Raises `BatchLostError` when the connection went, `WriteConflictError` when somebody else
        changed the same objects meanwhile (in both cases the batch is done again), and LostRunError
        when the run is not ours any more.
        """

    def delete(self, missing: Sequence[Missing], progress: Progress) -> bool:
        """Mark objects as deleted, each with its audit entry; True as from `write`."""

    def hold(self, missing: Sequence[Missing], progress: Progress) -> None:
        """Set deletions aside for approval."""


class ObjectStore(Protocol):
    """The register's objects as the pipeline sees them."""

    run_id: int

    @property
    def lanes(self) -> int: ...

    @property
    def empty(self) -> bool:
        """No row can be known yet: the source has no objects, and no key came again."""

    def transaction(self, lane: int) -> AbstractContextManager[Transaction]: ...

    def missing(self, seen: Container[int]) -> Iterator[Missing]:
        """Every live object that this run did not write and whose number `seen` lacks, streamed."""

    def live_totals(self) -> tuple[int, int]:
        """Number and sum of the sequence numbers of live objects that this run did not create."""

    def count_live(self) -> int: ...

    def settle_full_read(self) -> None:
        """After a full read: rows no longer at the source leave the quarantine."""

    def settle_held(self) -> None:
        """Nothing waits for approval any more: what is missing is about to be found anew."""

    def missing_within(self, seen: Container[int], keys: CoveredKeys) -> Iterator[Missing]:
        """As `missing`, of one target and of covered keys only."""

    def settle_ranges(self, keys: Sequence[CoveredKeys]) -> None:
        """As `settle_full_read`, where only rows with covered keys were handed out."""


class WriteConflictError(Exception):
    """Somebody else wrote the same objects between our look and our write."""


class BatchLostError(Exception):
    """The connection went before the batch can have been committed; its cause says how."""


Observer = Callable[[Counters, int | None], None]
"""Called after every committed batch with the counters so far and the estimated total."""

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
    """One target's keys whose rows were all handed out: every one that did not come is gone.

    `bounds` are the ends of the ranges in ascending order; a key is covered where the number of
    bounds that are not above it leaves `odd` when divided by two.
    """

    target: int
    position: int
    """Of the compared field among the parts of the key, from 1."""
    parts: int
    """Fields of the key."""
    numeric: bool
    bounds: Sequence[str]
    odd: int


def covered_keys(
    target: int, paths: Sequence[str] | None, ranges: Sequence[KeyRange]
) -> CoveredKeys | None:
    """The covered keys of a target, or None without any: its key may not hold the compared field.

    `paths`: the row's fields that make up the target's key, None where they are no plain fields.
    `ranges` ascend and leave room between each other, as connectors give them.
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
