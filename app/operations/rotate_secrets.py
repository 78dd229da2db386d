"""Rotate the key of the stored secrets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.application import Application
from app.database import rotation
from app.database.rotation import Counts, Stored
from app.database.secrets import setting_again, source_again
from app.errors import SecretKeyError, UsageError


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A stored secret that no key decrypts, the reason, and the command that replaces it."""

    kind: str
    name: str
    source: str
    error: str
    fix: str

    @property
    def title(self) -> str:
        """`source towns`, `token oauth2 of source towns`, `setting alerts.webhook_secret`."""
        owner = f" of source {self.source}" if self.kind == "token" else ""
        return f"{self.kind} {self.name}{owner}"


@dataclass(frozen=True, slots=True)
class Checked:
    """What can and cannot be read. `where` is the variable or file with the keys."""

    where: str
    counts: Counts
    unreadable: Sequence[Unreadable]


@dataclass(frozen=True, slots=True)
class Rotated:
    """The result of a rotation. `where` is the variable or file with the keys."""

    where: str
    made: bool
    """A new key was generated and stored in the file."""
    counts: Counts
    dropped: int
    """Old keys removed from the file; a user must remove those of a variable."""
    left: int
    """Old keys that still exist."""


def check(app: Application) -> Checked:
    """Try to read every stored secret, without showing or changing any."""
    found = app.read(rotation.every)
    unreadable = []
    for stored in found:
        try:
            app.box.decrypt(stored.token)
        except SecretKeyError as error:
            unreadable.append(
                Unreadable(stored.kind, stored.name, stored.source, error.what, _fix(stored))
            )
    return Checked(app.box.where, rotation.counts(found), unreadable)


def _fix(stored: Stored) -> str:
    match stored.kind:
        case "setting":
            return setting_again(stored.name)
        case "token":
            return f"no action needed: the next run of {stored.source} fetches a new one"
        case _:
            return source_again(stored.name)


def rotate(app: Application, *, keep_old: bool = False) -> Rotated:
    """Encrypt every stored secret with the newest key; generate one if the key file has only one.

    Stored secrets are readable at all times: the new key is added first, the values change in one
    transaction, and old keys are removed only after every value was read with the new one alone.
    The next rotation completes an interrupted one. Raises UsageError if there is no new key,
    SecretKeyError.
    """
    box = app.box
    with rotation.alone(app.engine):
        found = box.key_count()
        if found == 0:
            with app.engine.connect() as connection:
                counts = rotation.verify(connection, box)  # reports a lost key as lost
            return Rotated(box.where, False, counts, 0, 0)
        made = found == 1
        if made and not box.in_file:
            raise UsageError(
                "There is no new key",
                where=box.where,
                hint="Put a new one first, before a comma: use `openssl rand -base64 32`; "
                "restart all processes, then run secrets:rotate again",
            )
        if made:
            box.add_key()
        counts = app.write(rotation.reencrypt, box)
        app.read(rotation.verify, box.newest())
        dropped = 0 if keep_old or not box.in_file else box.drop_old_keys()
        return Rotated(box.where, made, counts, dropped, box.key_count() - 1)
