"""Instance-wide settings: look at them, change one, go back to the default."""

from __future__ import annotations

from app.application import Application
from app.database import instance_settings as store
from app.database.instance_settings import Known, Value


def overview(app: Application) -> list[tuple[Known, Value]]:
    """Every setting with what is known of it and its value in force, secrets masked."""
    with app.engine.connect() as connection:
        return list(zip(store.known(), store.values(connection), strict=True))


def get(app: Application, key: str) -> Value:
    """One setting, a secret masked. Raises UsageError for an unknown key."""
    with app.engine.connect() as connection:
        return store.get(connection, key)


def put(app: Application, key: str, text: str) -> Value:
    """Set one from text. Raises UsageError for an unknown key, ConfigurationError."""
    with app.engine.begin() as connection:
        return store.put(connection, key, text, app.box)


def reset(app: Application, key: str) -> Value:
    """Back to the default. Raises UsageError for an unknown key."""
    with app.engine.begin() as connection:
        store.reset(connection, key)
        return store.get(connection, key)


def is_secret(key: str) -> bool:
    """Whether the setting is stored encrypted and never shown; False for an unknown one."""
    return any(known.key == key and known.secret for known in store.known())
