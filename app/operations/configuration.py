"""Instance-wide settings: list, change, reset."""

from __future__ import annotations

import sqlalchemy as sa

from app.database import instance_settings as store
from app.database.instance_settings import Change, Known, Value

changed = store.changed
latest_change = store.latest_change
get = store.get
put = store.put


def overview(connection: sa.Connection) -> list[tuple[Known, Value]]:
    """Every setting with its definition and current value, secrets masked."""
    return list(zip(store.known(), store.values(connection), strict=True))


def reset(connection: sa.Connection, key: str, *, actor: str = "") -> Value:
    """Restore the default. Raises UsageError for an unknown key."""
    store.reset(connection, key, actor=actor)
    return store.get(connection, key)


def is_secret(key: str) -> bool:
    """Whether the setting is stored encrypted and never shown; False if unknown."""
    return any(known.key == key and known.secret for known in store.known())


__all__ = [
    "Change",
    "Known",
    "Value",
    "changed",
    "get",
    "is_secret",
    "latest_change",
    "overview",
    "put",
    "reset",
]
