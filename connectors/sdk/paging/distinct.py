"""Which rows a read has seen, by their identifiers: eight bytes per row."""

from __future__ import annotations

import operator
import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from connectors.sdk import canonical
from connectors.sdk.paths import at

IDENTITIES = ("id", "_id", "uuid", "@id", "identifier", "key", "code", "url", "href", "name")
"""Common names of identifiers."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d")
_LATELY = 1_000_000_000  # as Unix seconds: 2001
_RECENT = 1 << 16
_PARTS = 256
_STEP = (1 << 64) // _PARTS
_LOWEST = -(1 << 63)


class Distinct:
    """Counts rows that occur on more than one page.

    While keys only increase (or only decrease) from row to row, none can repeat, and nothing is
    compared. Otherwise the latest tens of thousands are a set, and earlier ones are in sorted
    partitions, which are counted at the end.
    """

    def __init__(self) -> None:
        self._rising: bool | None = None
        self.ordered = True
        """So far, keys only increased, or only decreased."""
        self._last: Any = None
        self._loose = array("q")
        self._recent: set[int] = set()
        self._parts: list[array[int]] | None = None
        self._repeated = 0

    def add(self, keys: Sequence[Hashable]) -> int:
        """Add the keys of one page; returns how many were on no recent page."""
        if self.ordered and self._goes_on(keys):
            self._loose.extend(_hashes(keys))
            return len(keys)
        if self.ordered:
            self.ordered = False
            self._unfold()
        hashes = set(_hashes(keys))
        before = len(self._recent)
        self._recent |= hashes
        new = len(self._recent) - before
        self._repeated += len(hashes) - new
        if len(self._recent) > _RECENT:
            self._spill()
        return new

    def _goes_on(self, keys: Sequence[Any]) -> bool:
        """Whether all keys increase, or all decrease."""
        if not keys:
            return True
        try:
            if self._rising is None and len(keys) > 1:
                self._rising = keys[0] < keys[1]
            ordered = operator.lt if self._rising is not False else operator.gt
            if self._last is not None and not ordered(self._last, keys[0]):
                if self._rising is not None or len(self._loose) > 1:
                    return False
                self._rising, ordered = False, operator.gt
                if not ordered(self._last, keys[0]):
                    return False
            if not all(map(ordered, keys, islice(keys, 1, None))):
                return False
        except TypeError:
            return False
        if self._rising is None and self._last is not None:
            self._rising = True
        self._last = keys[-1]
        return True

    def _unfold(self) -> None:
        """Turn keys known only to increase into a set."""
        loose, self._loose = self._loose, array("q")
        for start in range(0, len(loose), _RECENT):
            self._recent |= set(loose[start : start + _RECENT])
            if start + _RECENT < len(loose):
                self._spill()

    def _spill(self) -> None:
        """Sort the recent keys into partitions by value."""
        if self._parts is None:
            self._parts = [array("q") for _ in range(_PARTS)]
        keys = sorted(self._recent)
        start = 0
        for number, part in enumerate(self._parts, 1):
            end = bisect_left(keys, _LOWEST + number * _STEP, start)
            part.extend(keys[start:end])
            start = end
        self._recent = set()

    def repeated(self) -> int:
        """How many keys occurred again on another page; needs a pass over all keys."""
        if self._parts is None:
            return self._repeated
        self._spill()
        stored = sum(map(len, self._parts))
        return self._repeated + stored - sum(len(set(part)) for part in self._parts)


def _hashes(keys: Sequence[Hashable]) -> Iterable[int]:
    """64 bits for each key; Python hashes -1 and -2 alike."""
    if keys and type(keys[0]) is int and -1 in keys:
        return [hash("-1") if key == -1 else hash(key) for key in keys]
    return map(hash, keys)


def key_function(
    paths: Sequence[str], rows: Sequence[Any]
) -> Callable[[Sequence[Any]], list[Any]] | None:
    """A function that extracts keys from rows: by `paths`, or by an identifier in `rows`.

    None if neither identifies the rows.
    """
    if paths:
        take = _taker(paths)
    else:
        name = likely_key(rows)
        if name is None and not any(map(_has_time, rows)):
            return None  # use whole rows
        take = _timeless if name is None else _taker([name])
    keys = take(rows)
    return take if keys and None not in keys and len(set(keys)) == len(keys) else None


def _taker(paths: Sequence[str]) -> Callable[[Sequence[Any]], list[Any]]:
    if len(paths) == 1 and paths[0].isidentifier():
        getter = operator.itemgetter(paths[0])

        def plain(rows: Sequence[Any]) -> list[Any]:
            try:
                keys = list(map(getter, rows))
            except (KeyError, TypeError):
                keys = [row.get(paths[0]) if isinstance(row, dict) else None for row in rows]
            kinds = set(map(type, keys))
            return keys if kinds == {str} or kinds == {int} else list(map(canonical.key_part, keys))

        return plain

    def composed(rows: Sequence[Any]) -> list[Any]:
        return [
            canonical.join_key([canonical.key_part(at(row, path)) for path in paths])
            for row in rows
        ]

    return composed


def _timeless(rows: Sequence[Any]) -> list[Any]:
    """The rows without times, which may be that of the request."""
    return [canonical.raw_bytes(without_times(row)) for row in rows]


def without_times(row: Any) -> Any:
    """A row without the fields that contain a time."""
    if not isinstance(row, dict):
        return row
    return {name: value for name, value in row.items() if not _is_time(value)}


def _has_time(row: Any) -> bool:
    return isinstance(row, dict) and any(map(_is_time, row.values()))


def likely_key(rows: Sequence[Any]) -> str | None:
    """The field that identifies these rows, by common names of identifiers."""
    return next((name for name in IDENTITIES if identities(rows, name) is not None), None)


def identities(rows: Collection[Any], name: str) -> set[Any] | None:
    """The values of a field that exists in every row and is unique, or None."""
    values = {
        value
        for row in rows
        if isinstance(row, dict) and isinstance(value := row.get(name), (str, int))
    }
    return values if rows and len(values) == len(rows) else None


def overlap(first: Sequence[Any], second: Sequence[Any], paths: Sequence[str] = ()) -> int:
    """How many rows of two pages are the same, even if a field such as a time differs."""
    take = key_function(paths, first) or key_function((), first)
    if take is not None:
        keys = take(second)
        if None not in keys:
            return len(set(take(first)) & set(keys))
    if len(first) == len(second) and alike(columns(first), columns(second)):
        return len(second)
    known = set(_timeless(first))
    return sum(form in known for form in _timeless(second))


def alike(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether the `columns` of two pages belong to the same rows: nearly all are equal."""
    same = sum(other.get(name) == values for name, values in one.items())
    return bool(one) and same * 5 >= len(one) * 4


def columns(rows: Sequence[Any]) -> dict[str, int]:
    """A digest of each field that varies, except times and counters from 0 or 1.

    Empty for fewer than three rows, which are too easily alike.
    """
    found: dict[str, int] = {}
    if len(rows) < 3 or not all(isinstance(row, dict) for row in rows):
        return found
    for name in list(rows[0])[:32]:
        values = [row.get(name) for row in rows]
        if not all(isinstance(value, (str, int, float)) for value in values):
            continue
        if len(set(values)) < 2 or all(map(_is_time, values)):
            continue
        if all(type(value) is int for value in values) and sorted(values) in (
            list(range(len(rows))),
            list(range(1, len(rows) + 1)),
        ):
            continue
        found[name] = hash(tuple(values))
    return found


def _is_time(value: Any) -> bool:
    if isinstance(value, str):
        return _TIME.match(value) is not None
    return isinstance(value, (int, float)) and value > _LATELY
