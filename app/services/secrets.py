"""The key of the stored secrets: a new one in the place of the old one."""

from __future__ import annotations

from dataclasses import dataclass

from app.bootstrap import Application
from app.db import rotation
from app.db.rotation import Counts
from app.errors import UsageError


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
        with app.engine.begin() as connection:
            counts = rotation.reencrypt(connection, box)
        with app.engine.connect() as connection:
            rotation.verify(connection, box.newest())
        dropped = 0 if keep_old or not box.in_file else box.drop_old_keys()
        return Rotated(box.where, made, counts, dropped, box.key_count() - 1)
