"""Hash every row of a batch and find its key, decoding only what is necessary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TypeVar

from xxhash import xxh3_64_intdigest, xxh3_128_digest

from app.mapping.target import Target
from app.sync.batch import NewObjects, Prepared
from connectors.sdk import canonical
from connectors.sdk.rows import Batch, RowBatch, RowDecodeError, RowProblem

T = TypeVar("T")

MANY = 50
"""New rows in a batch from which column-wise processing is worthwhile."""

AT_ONCE = 1000
"""Rows processed at once, to limit memory use."""


def prepare(target: Target, batch: Batch, *, all_new: bool = False) -> Prepared:
    """Hash every row and find its key; of rows that share a key the last one is kept.

    `all_new`: the register has no objects yet, so objects are created here, while lanes wait for
    the database.
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
            take_columns(prepared, places[start : start + AT_ONCE])
            for start in range(0, len(places), AT_ONCE)
        ]
    return prepared


def give_problems(work: Sequence[Prepared], problems: Sequence[RowProblem]) -> None:
    """Rows that the reader rejected: reported once, and seen for every target.

    The key of such a row is certain if each of its errors names a field, so that the row itself
    could be parsed, and none of these fields belongs to the key.
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
    if paths is None or not isinstance(problem.raw, dict) or not only_fields(problem):
        return None
    broken = [error.path for error in problem.errors]
    if any(_overlap(path, field) for path in paths for field in broken):
        return None
    return target.plan.key(problem.raw)


def only_fields(problem: RowProblem) -> bool:
    """Whether single fields are wrong, not the row as a whole, whose parts may be shifted."""
    return all(error.path for error in problem.errors)


def _overlap(path: str, field: str) -> bool:
    return path == field or path.startswith(f"{field}.") or field.startswith(f"{path}.")


def looked_for(prepared: Prepared) -> Prepared:
    """The query for the objects of rejected rows with certain keys."""
    keys = prepared.present
    unlike_any = [b"\0" * 16] * len(keys)
    return Prepared(prepared.target, RowBatch(), range(len(keys)), keys, unlike_any)


def take_columns(prepared: Prepared, places: Sequence[int]) -> NewObjects | None:
    indices = picked(prepared.indices, places)
    documents = prepared.target.plan.documents(prepared.batch, indices)
    if documents is None:
        return None
    return NewObjects(documents, [sha256(document).digest() for document in documents])


def _keys(target: Target, batch: Batch) -> Sequence[str | None]:
    paths = target.plan.key_paths
    keys = batch.keys(paths) if paths is not None else None
    return [_key(target, batch, i) for i in range(len(batch))] if keys is None else keys


def _key(target: Target, batch: Batch, index: int) -> str | None:
    try:
        return target.plan.key(batch.row(index).data)
    except RowDecodeError:
        return None  # handled again in `resolve`, which reports the reason


def _place_keys(prepared: Prepared, keys: Sequence[str | None]) -> None:
    """Keep the last row of each key; separate rows without one."""
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
    """The last row of each key that matches the filter; the others are counted."""
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
        return True  # it must be reported as an error, not filtered


def picked(items: Sequence[T], places: Sequence[int]) -> Sequence[T]:
    """The items at some indices, which are usually consecutive."""
    first, end = places[0], places[-1] + 1
    if end - first == len(places):
        return items[first:end]
    return [items[place] for place in places]
