"""Change detection: what of a batch is new, different, or not worth a second look.

`prepare` hashes raw rows and needs no decoded row; `resolve` decodes only the rows that the
register does not have in this very form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import tee
from typing import TypeAlias, TypeVar

from xxhash import xxh3_64_intdigest, xxh3_128_digest

from app.audit import diff as rules
from app.audit.chain_rule import Action
from app.mapping.compile import Filtered, Mapped
from app.mapping.fields import Resolved
from app.mapping.target import Target
from app.registers import ownership
from app.sources.document import OnMissing
from app.sync.batch import Changes, Deferred, Found, Known, Made, Prepared, Touch, Update
from app.sync.seen import Seen
from connectors.sdk import canonical
from connectors.sdk.rows import Batch, Row, RowBatch, RowDecodeError, RowProblem

_Different: TypeAlias = "tuple[int, Known | None, Row | RowProblem]"
"""Place in the batch, the object the register has, and the row."""

T = TypeVar("T")

_NOTHING: Resolved = {}

MANY = 50
"""New rows of a batch from which on it pays to take them column by column."""

AT_ONCE = 1000
"""So many of them, so that what they are made of stays small."""

MAX_DEFERRED = 10_000
"""Rows that may wait for a later row of their key; beyond that they are written at once."""


def prepare(target: Target, batch: Batch, *, all_new: bool = False) -> Prepared:
    """Hash every row and find its key; of rows that share a key the last one stays.

    `all_new`: nothing is known yet, so objects are made here, while lanes wait for the database.
    """
    seed = target.plan.fingerprint
    if batch.layout:
        seed ^= xxh3_64_intdigest(batch.layout)
    hashes = [xxh3_128_digest(raw, seed) for raw in batch.raw()]
    prepared = Prepared(target, batch, range(len(batch)), None, hashes)
    if target.plan.has_key:
        _place_keys(prepared, canonical.usable_keys(_keys(target, batch)))
    if all_new and len(prepared.indices) >= MANY:
        places = range(len(prepared.indices))
        prepared.made = [
            _made(prepared, places[start : start + AT_ONCE])
            for start in range(0, len(places), AT_ONCE)
        ]
    return prepared


def give_problems(work: Sequence[Prepared], problems: Sequence[RowProblem]) -> None:
    """Rows that the reader rejected: reported once, and present for every target.

    The key of such a row is certain where each of its errors names a field, so that the row as a
    whole could be taken apart, and none of these fields belongs to the key.
    """
    for item in work:
        keys = [_certain_key(item.target, problem) for problem in problems]
        item.present = sorted({key for key in keys if key is not None and "\0" not in key})
        item.unidentified = sum(key is None for key in keys)
        if item is work[0]:
            item.problems.extend(
                problem if key is None else replace(problem, key=key)
                for problem, key in zip(problems, keys, strict=True)
            )


def _certain_key(target: Target, problem: RowProblem) -> str | None:
    if problem.key is not None:
        return problem.key
    paths = target.plan.key_paths
    if paths is None or not isinstance(problem.raw, dict) or not _only_fields(problem):
        return None
    broken = [error.path for error in problem.errors]
    if any(_overlap(path, field) for path in paths for field in broken):
        return None
    return target.plan.key(problem.raw)


def _only_fields(problem: RowProblem) -> bool:
    """Whether single fields are wrong, not the row as a whole, whose parts may be displaced."""
    return all(error.path for error in problem.errors)


def _overlap(path: str, field: str) -> bool:
    return path == field or path.startswith(f"{field}.") or field.startswith(f"{path}.")


def looked_for(prepared: Prepared) -> Prepared:
    """The question which objects the rejected rows of certain key belong to."""
    keys = prepared.present
    unlike_any = [b"\0" * 16] * len(keys)
    return Prepared(prepared.target, RowBatch(), range(len(keys)), keys, unlike_any)


def _made(prepared: Prepared, places: Sequence[int]) -> Made | None:
    indices = _picked(prepared.indices, places)
    documents = prepared.target.plan.documents(prepared.batch, indices)
    if documents is None:
        return None
    return Made(documents, [sha256(document).digest() for document in documents])


def _keys(target: Target, batch: Batch) -> Sequence[str | None]:
    paths = target.plan.key_paths
    keys = batch.keys(paths) if paths is not None else None
    return [_key(target, batch, i) for i in range(len(batch))] if keys is None else keys


def _key(target: Target, batch: Batch, index: int) -> str | None:
    try:
        return target.plan.key(batch.row(index).data)
    except RowDecodeError:
        return None  # met again in `resolve`, which says why


def _place_keys(prepared: Prepared, keys: Sequence[str | None]) -> None:
    """Keep the last row of each key; set rows without one aside."""
    last = {key: index for index, key in enumerate(keys)}
    prepared.key_set = last.keys()
    if len(last) == len(keys) and None not in last:
        prepared.keys = keys  # type: ignore[assignment]  # no None among them
        return
    prepared.keyless = [index for index, key in enumerate(keys) if key is None]
    last.pop(None, None)
    if len(last) + len(prepared.keyless) < len(keys):
        last = _last_accepted(prepared, keys)
    kept = sorted((index, key) for key, index in last.items() if key is not None)
    prepared.indices = [index for index, _ in kept]
    prepared.keys = [key for _, key in kept]
    prepared.hashes = [prepared.hashes[index] for index, _ in kept]


def _last_accepted(prepared: Prepared, keys: Sequence[str | None]) -> dict[str | None, int]:
    """The last row of each key that the filter lets through; the others are counted."""
    groups: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        if key is not None:
            groups.setdefault(key, []).append(index)
    last: dict[str | None, int] = {}
    for key, indices in groups.items():
        if len(indices) > 1 and prepared.target.plan.has_filter:
            accepted = [index for index in indices if _accepts(prepared, index)]
            prepared.filtered += len(indices) - len(accepted)
            indices = accepted
        if indices:
            prepared.duplicates += len(indices) - 1
            last[key] = indices[-1]
    return last


def _accepts(prepared: Prepared, index: int) -> bool:
    try:
        return prepared.target.plan.accepts(prepared.batch.row(index)) is not False
    except RowDecodeError:
        return True  # it has to fail loudly, not to be filtered


def _decode(
    prepared: Prepared, different: Sequence[tuple[int, Known | None]]
) -> Iterator[_Different]:
    """What differs, one by one: a batch need not stand in memory as Python objects."""
    for place, known in different:
        row: Row | RowProblem
        try:
            row = prepared.batch.row(prepared.indices[place])
        except RowDecodeError as error:
            row = error.problem
        yield place, known, row


def _create(out: Changes, prepared: Prepared, found: Found) -> Sequence[tuple[int, Known | None]]:
    """Make objects of the many rows that are new, column by column; returns what is left."""
    fresh = [place for place, known in found.different if known is None]
    if len(fresh) < MANY:
        return found.different
    left = [pair for pair in found.different if pair[1] is not None]
    as_expected = len(fresh) == len(prepared.indices)
    keys = prepared.keys
    for number, start in enumerate(range(0, len(fresh), AT_ONCE)):
        places = fresh[start : start + AT_ONCE]
        ready = as_expected and prepared.made
        made = prepared.made[number] if ready else _made(prepared, places)
        if made is None:
            left += [(place, None) for place in places]
            continue
        out.counters.created += len(places)
        out.creates.keys += [None] * len(places) if keys is None else _picked(keys, places)
        out.creates.origin_hashes += _picked(prepared.hashes, places)
        out.creates.data_hashes += made.data_hashes
        out.creates.documents += made.documents
    return left


def _picked(items: Sequence[T], places: Sequence[int]) -> Sequence[T]:
    """The items at some places, which are mostly neighbours."""
    first, end = places[0], places[-1] + 1
    if end - first == len(places):
        return items[first:end]
    return [items[place] for place in places]


class Resolver:
    """Turns what was found into what must be written. One per run, shared by its lanes."""

    def __init__(self, run_id: int, seen: Seen, on_missing: OnMissing) -> None:
        self._run_id = run_id
        self._seen = seen
        self._on_missing = on_missing
        self._deferred: dict[tuple[int, str], Deferred] = {}

    def supersede(self, prepared: Prepared) -> None:
        """Rows that waited for a later row of their key give way to the ones in `prepared`."""
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
        if prepared.target.plan.has_lookups:  # these are asked for the whole batch at once
            rows, known_rows = tee(rows)
            related = prepared.target.plan.resolve(
                [row for _, _, row in known_rows if isinstance(row, Row)]
            )
        for place, known, row in rows:
            if known is not None and known.deleted:
                self._seen.only_live = False
            if isinstance(row, RowProblem):
                key = None if prepared.keys is None else prepared.keys[place]
                certain = _only_fields(row)
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
        """The source itself says the record is gone: not a row read, a deletion or nothing."""
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
            out.seen.append(known.seq)  # present at the source, only unusable

    def present(self, out: Changes, found: Found) -> None:
        """Objects whose row the reader rejected: they are not missing."""
        for _, known in found.different:
            if known is not None:
                self._seen.only_live &= not known.deleted
                out.seen.append(known.seq)

    def _reject(self, out: Changes, prepared: Prepared, index: int) -> None:
        """A row without a key: filtered, or a problem that says so."""
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
        """Remember what a committed batch met."""
        self._seen.mark(changes.seen)
        for key, row in changes.deferred.items():
            self._deferred[changes.target.number, key] = row

    def take_deferred(self, target: Target) -> list[Deferred]:
        """The rows of `target` that no later row replaced; they are written now."""
        mine = [place for place in self._deferred if place[0] == target.number]
        return [self._deferred.pop(place) for place in mine]

    @property
    def waiting(self) -> bool:
        """Whether rows wait; as long as they do the cursor must not move past them."""
        return bool(self._deferred)
