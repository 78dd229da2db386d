"""The audit trail: who changed what and when, and its verification."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

import sqlalchemy as sa

from app.application import Application
from app.audit import chain_rule as rules
from app.audit import heads, store
from app.audit.chain_rule import Entry
from app.audit.heads import Head
from app.audit.store import AuditEntry, Chain, Place, StoredObject
from app.errors import NotFoundError
from connectors.sdk import canonical
from connectors.sdk.counting import counted

SHOWN = 20
"""Errors listed by a verification; all are counted."""

CHECK_EVERY = 1000
"""Entries and objects between two checks for a request to stop."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One error in the trail. `source` is None for edits by users."""

    what: str
    source: str | None = None
    lane: int | None = None
    position: int | None = None
    object: UUID | None = None

    def sentence(self) -> str:
        """The error and its place, as a message."""
        parts = []
        if self.position is not None:
            lane = f", lane {self.lane}" if self.lane else ""
            chain = f"source {self.source}" if self.source else "the edits by users"
            parts.append(f"entry {self.position} of {chain}{lane}")
        if self.object is not None:
            parts.append(f"object {self.object}")
        return f"{', '.join(parts)}: {self.what}" if parts else self.what


@dataclass(slots=True)
class Verification:
    """The result of a verification. `faults` lists the first errors, `count` is their number.

    If not `complete`, it was stopped, and the figures show how far it came.
    """

    chains: int = 0
    entries: int = 0
    objects: int = 0
    count: int = 0
    faults: list[Fault] = field(default_factory=list)
    complete: bool = True
    heads: list[Head] = field(default_factory=list)
    """The current heads of the chains, to be kept elsewhere."""

    @property
    def ok(self) -> bool:
        return not self.count

    def add(self, fault: Fault) -> None:
        """Count an error, and keep it if it is one of the first."""
        self.count += 1
        if len(self.faults) < SHOWN:
            self.faults.append(fault)


def entries(
    app: Application,
    *,
    object_uuid: UUID | None = None,
    source: str | None = None,
    run_id: int | None = None,
    after: Place | None = None,
    limit: int = 100,
) -> list[AuditEntry]:
    """Latest entries first. Raises NotFoundError for a source that never wrote any."""
    with app.engine.connect() as connection:
        chain_ids = None if source is None else [chain.id for chain in _chains(connection, source)]
        return store.entries(
            connection,
            object_uuid=object_uuid,
            chain_ids=chain_ids,
            run_id=run_id,
            after=after,
            limit=limit,
        )


def verify(
    app: Application,
    *,
    source: str | None = None,
    recorded: Sequence[Head] = (),
    should_stop: Callable[[], bool] = lambda: False,
) -> Verification:
    """Recompute every chain from its anchor and every object's hash from its data.

    `recorded` are heads kept elsewhere, which the chains must still contain. With a `source`,
    only its chains are verified. Everything is read from one snapshot, so syncs can continue;
    memory use does not grow with the register. Raises NotFoundError for a source that never
    wrote an entry.
    """
    result = Verification()
    with app.engine.connect() as plain:
        connection = plain.execution_options(isolation_level="REPEATABLE READ")
        chains = store.chains_of(connection, source)
        result.heads = heads.of(chains)
        compared = heads.of_source(source, result.heads, recorded)
        if not compared:
            _require(chains, source)
        for head, what in heads.contradictions(connection, chains, compared):
            result.add(Fault(what, head.source, head.lane, head.length))
        try:
            for chain in chains:
                _verify_chain(connection, chain, result, should_stop)
            if source is None:
                _find_strays(connection, result)
            everything = source is None
            _verify_objects(connection, chains, result, should_stop, everything=everything)
        except _StoppedError:
            result.complete = False
        connection.rollback()
    return result


class _StoppedError(Exception):
    """The verification was stopped."""


def _go_on(number: int, should_stop: Callable[[], bool]) -> None:
    """Check at intervals whether to stop; raises _StoppedError."""
    if number % CHECK_EVERY == 0 and should_stop():
        raise _StoppedError


def verify_object(app: Application, uuid: UUID) -> dict[int, bool]:
    """Whether each entry of one object matches its hash, by version.

    Proves that no entry of the object was altered since it was written; `verify` proves that
    of whole chains. The last entry must also match the object's current data.
    """
    held: dict[int, bool] = {}
    with app.engine.connect() as connection:
        entries = list(store.whole_of_object(connection, uuid))
        data = store.object_data(connection, uuid)
    for entry in entries:
        prev = bytes(entry.prev_hash)
        held[entry.version] = rules.verify([entry], prev, position=entry.position) is None
    if entries:
        held[entries[-1].version] &= sha256(data).digest() == bytes(entries[-1].data_hash)
    return held


def _chains(connection: sa.Connection, source: str | None) -> list[Chain]:
    chains = store.chains_of(connection, source)
    _require(chains, source)
    return chains


def _require(chains: Sequence[Chain], source: str | None) -> None:
    if source is not None and not chains:
        raise NotFoundError(
            f"There is no audit trail of a source {source!r}",
            hint="A source writes its first entry during its first run",
        )


def _fault(chain: Chain, what: str, position: int, object_uuid: UUID | None = None) -> Fault:
    name = chain.source_name if chain.source_id else None
    return Fault(what, name, chain.lane, position, object_uuid)


def _verify_chain(
    connection: sa.Connection,
    chain: Chain,
    result: Verification,
    should_stop: Callable[[], bool],
) -> None:
    """Verify one chain from its anchor to its head; stop at the first error."""
    result.chains += 1
    anchor = rules.anchor(chain.source_id, chain.lane)
    last: Entry | None = None

    def noted() -> Iterator[Entry]:
        nonlocal last
        for entry in store.stream_chain(connection, chain.id):
            _go_on(result.entries, should_stop)
            result.entries += 1
            last = entry
            yield entry

    broken = rules.verify(noted(), anchor)
    if broken is not None:
        uuid = broken.entry.object_uuid if broken.entry else None
        result.add(_fault(chain, broken.reason, broken.position, uuid))
        return
    length, head = (last.position, bytes(last.hash)) if last else (0, anchor)
    if length < chain.length:
        missing = f"it is missing; entries {length + 1} to {chain.length} were cut off the end"
        result.add(_fault(chain, missing, length + 1))
    elif length > chain.length or head != chain.head:
        what = f"the chain's own record says it ends at entry {chain.length} with another hash"
        result.add(_fault(chain, what, length))


def _find_strays(connection: sa.Connection, result: Verification) -> None:
    for chain_id, count in store.stray_entries(connection):
        result.add(
            Fault(f"{counted(count, 'entry', 'entries')} of chain {chain_id}, whose record is gone")
        )


def _verify_objects(
    connection: sa.Connection,
    chains: Sequence[Chain],
    result: Verification,
    should_stop: Callable[[], bool],
    *,
    everything: bool,
) -> None:
    """Compare every object with its latest entry and its data, and every creation with objects."""
    mine = sorted({chain.source_id for chain in chains})
    for stored in store.stored_objects(connection, None if everything else mine):
        _go_on(result.objects, should_stop)
        result.objects += 1
        if what := _contradiction(stored):
            result.add(Fault(what, object=stored.uuid))
    by_id = {chain.id: chain for chain in chains}
    for chain_id, position, uuid in store.vanished(connection, None if everything else [*by_id]):
        what = "the object it created is no longer in the register"
        if chain_id in by_id:
            result.add(_fault(by_id[chain_id], what, position, uuid))
        else:
            result.add(Fault(what, object=uuid))


def _contradiction(stored: StoredObject) -> str | None:
    """Why an object does not match its latest audit entry, or None."""
    if stored.entry_version is None:
        return "it has no audit entry"
    if stored.entry_version != stored.version:
        return (
            f"it is at version {stored.version}, but its latest audit entry made version "
            f"{stored.entry_version}"
        )
    if stored.deleted != (stored.entry_action == "delete"):
        now = "deleted" if stored.deleted else "not deleted"
        return f"it is {now}, but its latest audit entry is: {stored.entry_action}"
    if stored.entry_hash != stored.data_hash:
        return "its stored hash differs from that of its latest audit entry"
    actual = sha256(canonical.dumps(canonical.parse(stored.data))).digest()
    if actual != stored.data_hash:
        return "its data was changed outside the register: it does not match the recorded hash"
    return None


def count(
    app: Application,
    *,
    object_uuid: UUID | None = None,
    source: str | None = None,
    run_id: int | None = None,
) -> int:
    """How many entries there are: chains record their length; other entries are counted."""
    with app.engine.connect() as connection:
        known = store.chains_of(connection, source)
        if object_uuid is None and run_id is None:
            return sum(chain.length for chain in known)
        return store.count(
            connection,
            object_uuid=object_uuid,
            run_id=run_id,
            chain_ids=None if source is None else [chain.id for chain in known],
        )
