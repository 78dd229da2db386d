"""Determine what of a batch is new, different or unchanged.

Only rows that the register does not have unchanged are decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import tee
from typing import TypeAlias

from app.audit import diff as rules
from app.audit.chain_rule import Action
from app.mapping.compile import Filtered, Mapped
from app.mapping.fields import Resolved
from app.mapping.target import Target
from app.registers import ownership
from app.sources.document import OnMissing
from app.sync.batch import Changes, Deferred, Found, Known, Prepared, Touch, Update
from app.sync.identify import AT_ONCE, MANY, only_fields, picked, take_columns
from app.sync.seen import Seen
from connectors.sdk import canonical
from connectors.sdk.rows import Row, RowDecodeError, RowProblem

_Different: TypeAlias = "tuple[int, Known | None, Row | RowProblem]"
"""Index in the batch, the object of the register, and the row."""

_NOTHING: Resolved = {}


MAX_DEFERRED = 10_000
"""Rows that may wait for a later row of their key; beyond that they are written at once."""


def _decode(
    prepared: Prepared, different: Sequence[tuple[int, Known | None]]
) -> Iterator[_Different]:
    """The rows that differ, one by one, so that a batch is not in memory as Python objects."""
    for place, known in different:
        row: Row | RowProblem
        try:
            row = prepared.batch.row(prepared.indices[place])
        except RowDecodeError as error:
            row = error.problem
        yield place, known, row


def _create(out: Changes, prepared: Prepared, found: Found) -> Sequence[tuple[int, Known | None]]:
    """Create objects for new rows, column by column; returns the remaining rows."""
    fresh = [place for place, known in found.different if known is None]
    if len(fresh) < MANY:
        return found.different
    left = [pair for pair in found.different if pair[1] is not None]
    as_expected = len(fresh) == len(prepared.indices)
    keys = prepared.keys
    for number, start in enumerate(range(0, len(fresh), AT_ONCE)):
        places = fresh[start : start + AT_ONCE]
        ready = as_expected and prepared.made
        made = prepared.made[number] if ready else take_columns(prepared, places)
        if made is None:
            left += [(place, None) for place in places]
            continue
        out.counters.created += len(places)
        out.creates.keys += [None] * len(places) if keys is None else picked(keys, places)
        out.creates.origin_hashes += picked(prepared.hashes, places)
        out.creates.data_hashes += made.data_hashes
        out.creates.documents += made.documents
    return left


class Resolver:
    """Turns lookup results into changes to write. One per run, shared by its lanes."""

    def __init__(self, run_id: int, seen: Seen, on_missing: OnMissing) -> None:
        self._run_id = run_id
        self._seen = seen
        self._on_missing = on_missing
        self._deferred: dict[tuple[int, str], Deferred] = {}

    def supersede(self, prepared: Prepared) -> None:
        """Discard waiting rows that are replaced by later rows in `prepared`."""
        if not self._deferred or prepared.keys is None:
            return
        for key in prepared.keys:
            if self._deferred.pop((prepared.target.number, key), None) is not None:
                prepared.superseded += 1

    def resolve(self, prepared: Prepared, found: Found, *, defer: bool = True) -> Changes:
        """Classify every row of `prepared`; only rows that differ are decoded and mapped."""
        out = Changes(prepared.target, keys=prepared.key_set)
        out.problems.extend(prepared.problems)
        out.unidentified = prepared.unidentified
        count = out.counters
        count.read = len(prepared.batch) + len(prepared.problems) + prepared.superseded
        count.errors = len(prepared.problems)
        count.filtered = prepared.filtered
        again = self._seen.count(found.same)
        count.unchanged = len(found.same) - again
        count.duplicate = prepared.duplicates + prepared.superseded + again
        out.seen.extend(found.same)
        rows, related = _decode(prepared, _create(out, prepared, found)), _NOTHING
        if prepared.target.plan.has_lookups:  # resolved for the whole batch at once
            rows, known_rows = tee(rows)
            related = prepared.target.plan.resolve(
                [row for _, _, row in known_rows if isinstance(row, Row)]
            )
        for place, known, row in rows:
            if known is not None and known.deleted:
                self._seen.only_live = False
            if isinstance(row, RowProblem):
                key = None if prepared.keys is None else prepared.keys[place]
                certain = only_fields(row)
                self._problem(out, replace(row, key=key) if certain else row, known)
            else:
                self._resolve_row(out, prepared, place, known, row, related, defer)
        for index in prepared.keyless:
            self._reject(out, prepared, index)
        return out

    def _resolve_row(
        self,
        out: Changes,
        prepared: Prepared,
        place: int,
        known: Known | None,
        row: Row,
        related: Resolved,
        defer: bool,
    ) -> None:
        count, plan = out.counters, prepared.target.plan
        key = prepared.keys[place] if prepared.keys is not None else None
        origin = prepared.hashes[place]
        again = known is not None and (known.run_id == self._run_id or known.seq in self._seen)
        if row.deleted:
            self._tombstone(out, known)
            return
        waits = known is not None and known.repeated and defer and not again
        if waits and self._defer(out, key, row, origin):
            return
        result = plan.process(row, related, key)
        if isinstance(result, Filtered):
            count.filtered += 1
        elif isinstance(result, RowProblem):
            self._problem(out, result, known)
        else:
            self._accept(out, result, known, origin, again)

    def _accept(
        self, out: Changes, mapped: Mapped, known: Known | None, origin: bytes, again: bool
    ) -> None:
        count = out.counters
        if known is None:
            count.created += 1
            out.creates.add(mapped.key, origin, mapped.data_hash, mapped.json)
            return
        out.seen.append(known.seq)
        data, json, data_hash = mapped.data, mapped.json, mapped.data_hash
        if out.target.local_fields:
            data = ownership.with_local(data, known.data, out.target.local_fields)
            json = canonical.dumps(data)
            data_hash = sha256(json).digest()
        if data_hash == known.data_hash and not known.deleted:
            out.touches.append(Touch(known.uuid, origin))
            count.duplicate += again
            count.unchanged += not again
            return
        diff = rules.diff(known.data, data)
        out.updates.append(
            Update(
                known,
                Action.RESTORE if known.deleted else Action.UPDATE,
                origin,
                data_hash,
                json,
                canonical.dumps(diff),
                repeated=again,
            )
        )
        count.duplicate += again
        count.updated += not again

    def _defer(self, out: Changes, key: str | None, row: Row, origin: bytes) -> bool:
        if key is None or len(self._deferred) + len(out.deferred) >= MAX_DEFERRED:
            return False
        out.deferred[key] = Deferred(row, key, origin)
        out.counters.read -= 1
        return True

    def _tombstone(self, out: Changes, known: Known | None) -> None:
        """The source reports the record as deleted: not a row read, but a deletion or nothing."""
        out.counters.read -= 1
        if known is None or known.deleted:
            return
        if self._on_missing is OnMissing.DELETE:
            out.deletions.append(known)
            out.counters.deleted += 1
        else:
            out.seen.append(known.seq)

    def _problem(self, out: Changes, problem: RowProblem, known: Known | None) -> None:
        out.counters.errors += 1
        out.problems.append(problem)
        out.unidentified += problem.key is None
        if known is not None:
            out.seen.append(known.seq)  # present in the source, but unusable

    def present(self, out: Changes, found: Found) -> None:
        """Objects whose row the reader rejected: they are not missing."""
        for _, known in found.different:
            if known is not None:
                self._seen.only_live &= not known.deleted
                out.seen.append(known.seq)

    def _reject(self, out: Changes, prepared: Prepared, index: int) -> None:
        """A row without a key: filtered, or a problem that reports it."""
        try:
            result = prepared.target.plan.process(prepared.batch.row(index))
        except RowDecodeError as error:
            result = error.problem
        if isinstance(result, Filtered):
            out.counters.filtered += 1
            return
        if not isinstance(result, RowProblem):
            raise AssertionError("a row without a key was mapped although the plan has a key")
        self._problem(out, result, None)

    def commit(self, changes: Changes) -> None:
        """Record what a committed batch has seen."""
        self._seen.mark(changes.seen)
        for key, row in changes.deferred.items():
            self._deferred[changes.target.number, key] = row

    def take_deferred(self, target: Target) -> list[Deferred]:
        """The rows of `target` that no later row replaced; they are written now."""
        mine = [place for place in self._deferred if place[0] == target.number]
        return [self._deferred.pop(place) for place in mine]

    @property
    def waiting(self) -> bool:
        """Whether rows are waiting; meanwhile the cursor must not move past them."""
        return bool(self._deferred)
