"""Every encrypted column of the database, put under another key.

What is encrypted: `sources.secrets`, `source_state.value` and, in `settings.value`, each
``{"encrypted": token}``. A test compares this with the comments of the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from app.db.secrets import SecretBox
from app.db.tables import settings, source_state, sources
from app.errors import SecretKeyError

ENCRYPTED = frozenset({"sources.secrets", "source_state.value", "settings.value"})

_LOCK = 0x6F72_6567_0002  # "oreg": the advisory lock of rotations, the same in every version


@dataclass(frozen=True, slots=True)
class Counts:
    """How many encrypted values there are: sources with secrets, tokens, settings."""

    sources: int
    tokens: int
    settings: int


@contextmanager
def alone(engine: sa.Engine) -> Iterator[None]:
    """One rotation at a time, on whatever host; a second one waits."""
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield


def reencrypt(connection: sa.Connection, box: SecretBox) -> Counts:
    """Put every encrypted value under the first key, or none of them.

    Nobody else writes one meanwhile. Raises SecretKeyError that names what no key fits.
    """
    connection.execute(
        sa.text(
            "LOCK TABLE openregister.sources, openregister.source_state, openregister.settings"
            " IN SHARE ROW EXCLUSIVE MODE"
        )
    )
    return _each(connection, box.rotate, write=True)


def verify(connection: sa.Connection, box: SecretBox) -> Counts:
    """Whether the box can read every encrypted value. Raises SecretKeyError that names one."""

    def read(token: bytes) -> bytes:
        box.decrypt(token)
        return token

    return _each(connection, read, write=False)


def _each(connection: sa.Connection, change: Callable[[bytes], bytes], *, write: bool) -> Counts:
    counts = []
    for name, table, key, column in (
        ("source", sources, [sources.c.name], sources.c.secrets),
        ("token", source_state, [source_state.c.source_id, source_state.c.name], None),
        ("setting", settings, [settings.c.key], None),
    ):
        target = column if column is not None else table.c.value
        rows = connection.execute(
            sa.select(*key, target).where(target.is_not(None)).order_by(*key)
        ).all()
        count = 0
        for *place, stored in rows:
            token = _token(stored)
            if token is None:
                continue
            what = f"{name} {' of source '.join(map(str, reversed(place)))}"
            with _naming(what):
                changed = change(token)
            count += 1
            if write:
                value = changed if isinstance(stored, bytes) else {"encrypted": changed.decode()}
                where = [column == part for column, part in zip(key, place, strict=True)]
                connection.execute(sa.update(table).where(*where).values({target.name: value}))
        counts.append(count)
    return Counts(*counts)


def _token(stored: object) -> bytes | None:
    """The encrypted form in a column; None for a setting that is no secret."""
    if isinstance(stored, bytes):
        return stored
    if isinstance(stored, dict) and stored.keys() == {"encrypted"}:
        return str(stored["encrypted"]).encode("ascii")
    return None


@contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except SecretKeyError as error:
        raise SecretKeyError(
            f"{error.what}: that of {what}", where=error.where, hint=error.hint
        ) from None
