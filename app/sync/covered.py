"""Key ranges that a source has compared by itself, as ranges of the register's own keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.sdk.rows import KeyRange


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
