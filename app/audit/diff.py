"""Differences between two states of an object, by top-level field.

A diff is ``{field: {"old": …, "new": …}}``. An added field has no ``"old"`` and a removed field
no ``"new"``. Absent and null are distinct, so states can be rebuilt exactly in both directions:
``apply(diff(a, b), a) == b`` and ``revert(diff(a, b), b) == a``.
"""

from __future__ import annotations

from typing import TypeAlias

from connectors.sdk import JsonValue, RowData, canonical

Diff: TypeAlias = "dict[str, dict[str, JsonValue]]"


def diff(old: RowData, new: RowData) -> Diff:
    """The changed fields of two canonical documents; empty if they are equal."""
    if old == new and _same(old, new):
        return {}
    changed: Diff = {}
    for name, before in old.items():
        if name not in new:
            changed[name] = {"old": before}
        elif not _same(before, new[name]):
            changed[name] = {"old": before, "new": new[name]}
    for name, after in new.items():
        if name not in old:
            changed[name] = {"new": after}
    return changed


def apply(changes: Diff, old: RowData) -> RowData:
    """The state after `changes`, from the state before."""
    return _rebuild(changes, old, "new")


def revert(changes: Diff, new: RowData) -> RowData:
    """The state before `changes`, from the state after."""
    return _rebuild(changes, new, "old")


def _rebuild(changes: Diff, state: RowData, side: str) -> RowData:
    rebuilt = dict(state)
    for name, change in changes.items():
        if side in change:
            rebuilt[name] = change[side]
        else:
            rebuilt.pop(name, None)
    return rebuilt


def _same(one: JsonValue, other: JsonValue) -> bool:
    """Equality of JSON values; Python treats true as equal to 1."""
    if type(one) is str or type(other) is str:
        return one == other
    if isinstance(one, (dict, list)):
        return one == other and canonical.dumps(one) == canonical.dumps(other)
    return one == other and isinstance(one, bool) == isinstance(other, bool)
