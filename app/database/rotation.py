"""Re-encrypt every encrypted column of the database under another key.

These are `sources.secrets`, `source_state.value` and, in `settings.value`, each
``{"encrypted": token}``. A test compares this list with the comments of the tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.database.secrets import SecretBox
from app.database.tables import settings, source_state, sources
from app.errors import SecretKeyError

_LOCK = 0x6F72_6567_0002  # "oreg": the advisory lock of rotations, the same in every version


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of encrypted values: sources with secrets, tokens, settings."""

    sources: int
    tokens: int
    settings: int


@contextmanager
def alone(engine: sa.Engine) -> Iterator[None]:
    """Allow one rotation at a time across hosts; a second one waits."""
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield


@dataclass(frozen=True, slots=True)
class Stored:
    """One encrypted value. `kind` is source, token or setting; `source` names its source."""

    kind: str
    name: str
    source: str
    token: bytes
    place: tuple[Any, ...]
    plain_column: bool

    @property
    def title(self) -> str:
        """`source towns`, `token oauth2 of source towns`, `setting alerts.webhook_secret`."""
        owner = f" of source {self.source}" if self.kind == "token" else ""
        return f"{self.kind} {self.name}{owner}"


def reencrypt(connection: sa.Connection, box: SecretBox) -> Counts:
    """Re-encrypt every value under the first key, or none.

    Other writers wait. Raises SecretKeyError naming a value that no key decrypts.
    """
    connection.execute(
        sa.text(
            "LOCK TABLE openregister.sources, openregister.source_state, openregister.settings"
            " IN SHARE ROW EXCLUSIVE MODE"
        )
    )
    found = every(connection)
    for stored in found:
        with _naming(stored):
            changed = box.rotate(stored.token)
        table, column, keys = PLACES[stored.kind]
        connection.execute(
            sa.update(table)
            .where(*(key == part for key, part in zip(keys, stored.place, strict=True)))
            .values(
                {column.name: changed if stored.plain_column else {"encrypted": changed.decode()}}
            )
        )
    return counts(found)


def verify(connection: sa.Connection, box: SecretBox) -> Counts:
    """Check that every encrypted value can be read. Raises SecretKeyError naming one."""
    found = every(connection)
    for stored in found:
        with _naming(stored):
            box.decrypt(stored.token)
    return counts(found)


PLACES: dict[str, tuple[sa.Table, sa.Column[Any], tuple[sa.Column[Any], ...]]] = {
    "source": (sources, sources.c.secrets, (sources.c.id,)),
    "token": (source_state, source_state.c.value, (source_state.c.source_id, source_state.c.name)),
    "setting": (settings, settings.c.value, (settings.c.key,)),
}


def every(connection: sa.Connection) -> list[Stored]:
    """Every encrypted value: sources by name, their tokens, then settings."""
    found = []
    for number, name, token in connection.execute(
        sa.select(sources.c.id, sources.c.name, sources.c.secrets)
        .where(sources.c.secrets.is_not(None))
        .order_by(sources.c.name)
    ):
        found.append(Stored("source", name, name, token, (number,), True))
    for number, source, name, token in connection.execute(
        sa.select(
            source_state.c.source_id, sources.c.name, source_state.c.name, source_state.c.value
        )
        .join(sources, sources.c.id == source_state.c.source_id)
        .order_by(sources.c.name, source_state.c.name)
    ):
        found.append(Stored("token", name, source, token, (number, name), True))
    for key, value in connection.execute(
        sa.select(settings.c.key, settings.c.value).order_by(settings.c.key)
    ):
        if isinstance(value, dict) and value.keys() == {"encrypted"}:
            token = str(value["encrypted"]).encode("ascii", "replace")
            found.append(Stored("setting", key, "", token, (key,), False))
    return found


def counts(found: Sequence[Stored]) -> Counts:
    """The number of values of each kind."""
    kinds = Counter(stored.kind for stored in found)
    return Counts(kinds["source"], kinds["token"], kinds["setting"])


@contextmanager
def _naming(stored: Stored) -> Iterator[None]:
    try:
        yield
    except SecretKeyError as error:
        raise SecretKeyError(
            f"{error.what}: that of {stored.title}", where=error.where, hint=error.hint
        ) from None
