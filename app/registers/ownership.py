"""Who may change a field: the source that owns the object, or users if the source allows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from connectors.sdk import RowData


def merge_patch(target: RowData, patch: RowData) -> RowData:
    """JSON Merge Patch (RFC 7396): null removes a member, objects merge, all else replaces."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            below = merged.get(name)
            merged[name] = merge_patch(below if isinstance(below, dict) else {}, value)
        else:
            merged[name] = value
    return merged


def with_local(row: RowData, stored: RowData, local_fields: Collection[str]) -> RowData:
    """What a sync writes: the row, with the stored values of local fields.

    A local field that is not stored stays absent, whatever the row contains: a user removed it.
    """
    kept = {name: value for name, value in row.items() if name not in local_fields}
    return kept | {name: stored[name] for name in local_fields if name in stored}


def not_local(changed: Iterable[str], local_fields: Collection[str]) -> list[str]:
    """The changed top-level fields that belong to the source."""
    return [name for name in changed if name not in local_fields]
