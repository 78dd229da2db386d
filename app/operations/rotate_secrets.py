"""The key of the stored secrets: a new one in the place of the old one."""

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
    """A stored secret that no key opens, why, and the command that replaces it."""

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
    """What can and cannot be read. `where` is the variable or the file that the keys are in."""

    where: str
    counts: Counts
    unreadable: Sequence[Unreadable]


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did. `where` is the variable or the file that the keys are in."""

    where: str
    made: bool
    """A new key was made and put into the file."""
    counts: Counts
    dropped: int
    """Old keys taken out of the file; those of a variable are for a person to take out."""
    left: int
    """Old keys that are still there."""


def check(app: Application) -> Checked:
    """Try to read every stored secret; none of them is shown or changed."""
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
            return f"nothing to enter: the next run of {stored.source} fetches a new one"
        case _:
            return source_again(stored.name)


def rotate(app: Application, *, keep_old: bool = False) -> Rotated:
    """Encrypt every stored secret with the newest key; in a key file of one key, make a new one.

    At every moment what is stored can be read: the new key is added first, the values change in
    one transaction, and old keys go only after every value was read with the new one alone. A
    rotation that was cut short is finished by the next one. Raises UsageError when there is no
    new key to go over to, SecretKeyError.
    """
    box = app.box
    with rotation.alone(app.engine):
        found = box.key_count()
        if found == 0:
            with app.engine.connect() as connection:
                counts = rotation.verify(connection, box)  # a lost key is told as lost
            return Rotated(box.where, False, counts, 0, 0)
        made = found == 1
        if made and not box.in_file:
            raise UsageError(
                "There is no new key to go over to",
                where=box.where,
                hint="Put a new one first, before a comma: `openssl rand -base64 32` makes it; "
                "restart what runs, then call secrets:rotate again",
            )
        if made:
            box.add_key()
        counts = app.write(rotation.reencrypt, box)
        app.read(rotation.verify, box.newest())
        dropped = 0 if keep_old or not box.in_file else box.drop_old_keys()
        return Rotated(box.where, made, counts, dropped, box.key_count() - 1)
