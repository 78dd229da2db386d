"""Instance-wide settings: list, change, reset."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.database import instance_settings as store
from app.database.instance_settings import Change, Known, Value
from app.database.secrets import SecretBox
from app.errors import ChangedError, ConfigurationError

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


def change(
    connection: sa.Connection,
    given: Mapping[str, str],
    box: SecretBox,
    *,
    actor: str,
    if_updated: datetime | None = None,
) -> None:
    """Store the texts by key, all or none; an empty one restores the default.

    Raises ConfigurationError with every fault; ChangedError if the latest change of any setting
    is not that of `if_updated`.
    """
    latest = store.changed(connection)
    if if_updated is not None and latest is not None and latest.at != if_updated:
        raise ChangedError("A setting", by=latest.by, at=latest.at)
    faults: dict[str, str] = {}
    for known, value in overview(connection):
        text = given.get(known.key)
        if text is None or (not known.secret and text == as_text(value.value)):
            continue
        try:
            if text and text != as_text(known.default):
                put(connection, known.key, text, box, actor=actor)
            else:
                reset(connection, known.key, actor=actor)
        except ConfigurationError as error:
            faults |= error.faults
    if faults:
        raise ConfigurationError("Some settings are not valid", faults=faults)


def as_text(value: Any) -> str:
    """A value as it is typed: the items of a list with commas."""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def is_secret(key: str) -> bool:
    """Whether the setting is stored encrypted and never shown; False if unknown."""
    return any(known.key == key and known.secret for known in store.known())


__all__ = [
    "Change",
    "Known",
    "Value",
    "as_text",
    "change",
    "get",
    "is_secret",
    "latest_change",
    "overview",
    "put",
    "reset",
]
