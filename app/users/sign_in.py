"""Users and their credentials: passwords, and app passwords for programs."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.application import Application
from app.errors import ExistsError, OpenRegisterError, UsageError
from app.users import store
from app.users.model import AppPassword, User
from app.users.roles import Role

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1024
TOKEN_PREFIX = "orp_"  # noqa: S105 - lets scanners tell a leaked token for what it is

_hasher = PasswordHasher()  # argon2id with the parameters of RFC 9106
_hashing = threading.BoundedSemaphore(4)
"""Each hash takes 64 MiB, so a flood of sign-ins must wait instead of exhausting the memory."""

_NOBODY = _hasher.hash(secrets.token_urlsafe())
"""Verified for unknown names, so that a rejection takes as long as for known ones."""


class SignInError(OpenRegisterError):
    """The name or the password is wrong."""

    default_hint: ClassVar[str] = "Check both; `openregister user:resetpassword` sets a new one"


class LockedError(OpenRegisterError):
    """Too many wrong passwords; `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(
            "Too many failed sign-ins",
            hint=f"Try again in {max(1, round(retry_after))} seconds",
        )


@dataclass(frozen=True, slots=True)
class NewAppPassword:
    """An app password with its token, which is shown only once."""

    app_password: AppPassword
    token: str


def add(
    app: Application,
    name: str,
    *,
    role: Role,
    password: str,
    display_name: str = "",
    email: str | None = None,
) -> User:
    """Create a user. Raises UsageError for a bad name or password, ExistsError."""
    hashed = _hash(_checked(name, password))
    with app.engine.begin() as connection:
        return store.add(
            connection,
            name,
            role=role,
            password_hash=hashed,
            display_name=display_name,
            email=email,
        )


def add_first(app: Application, name: str, *, password: str) -> User:
    """Create the first account, an admin's; of several at once, one succeeds.

    Raises UsageError for a bad name or password, ExistsError if there is an account.
    """
    hashed = _hash(_checked(name, password))
    with app.engine.begin() as connection:
        store.hold(connection)
        if store.any_at_all(connection):
            raise ExistsError("There is an account already", hint="Sign in")
        return store.add(connection, name, role=Role.ADMIN, password_hash=hashed)


everybody = store.list_all
anybody = store.any_at_all
get = store.get
by_id = store.by_id
update = store.update
delete = store.delete
sign_out = store.end_sessions


def reset_password(app: Application, name: str, password: str) -> User:
    """Set a new password, end all sessions, lift a lock. Raises NotFoundError, UsageError."""
    hashed = _hash(_checked(name, password))
    return app.write(store.set_password, name, hashed)


def change_password(app: Application, name: str, *, old: str, new: str) -> User:
    """Let a user change their password. Raises SignInError if `old` is wrong, LockedError."""
    sign_in(app, name, old)
    return reset_password(app, name, new)


def make_password() -> str:
    """A random password."""
    return secrets.token_urlsafe(15)


def sign_in(app: Application, name: str, password: str) -> User:
    """The user with this name and password. Raises SignInError, LockedError."""
    with app.engine.begin() as connection:
        attempt = store.attempt(connection, name)
        left = 0.0 if attempt else store.locked_for(connection, name)
    if left:
        raise LockedError(left)
    right = _verify(attempt.password_hash if attempt else _NOBODY, password)
    if attempt is None or not right:
        raise SignInError("Wrong name or password")
    stale = _hasher.check_needs_rehash(attempt.password_hash)
    app.write(store.succeed, attempt.user.id, _hash(password) if stale else None)
    return attempt.user


def add_app_password(app: Application, user: str, name: str) -> NewAppPassword:
    """Create a token for a program. Raises NotFoundError, ExistsError."""
    if not name.strip() or len(name) > 100:
        raise UsageError("An app password needs a name of at most 100 characters")
    token = TOKEN_PREFIX + secrets.token_urlsafe(30)
    with app.engine.begin() as connection:
        owner = store.get(connection, user)
        made = store.add_app_password(connection, owner.id, name.strip(), _fingerprint(token))
    return NewAppPassword(made, token)


def app_passwords(connection: sa.Connection, user: str) -> list[AppPassword]:
    """The app passwords of a user. Raises NotFoundError."""
    return store.app_passwords_of(connection, get(connection, user).id)


def revoke_app_password(connection: sa.Connection, user: str, name: str) -> None:
    """Revoke an app password at once. Raises NotFoundError."""
    store.revoke_app_password(connection, get(connection, user).id, name)


def by_token(app: Application, token: str, *, name: str | None = None) -> User | None:
    """The user of an app password, who must be `name` if given; None if there is none."""
    if not token.startswith(TOKEN_PREFIX):
        return None
    user = app.write(store.by_token, _fingerprint(token))
    if user is None or (name is not None and store.normalise(name) != user.name):
        return None
    return user


def _fingerprint(token: str) -> bytes:
    """Tokens are long and random, so a fast hash is safe."""
    return sha256(token.encode()).digest()


def _checked(name: str, password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise UsageError(
            "The password is too short", hint=f"Use at least {SHORTEST_PASSWORD} characters"
        )
    if len(password) > LONGEST_PASSWORD:
        raise UsageError(f"The password is longer than {LONGEST_PASSWORD} characters")
    if store.normalise(password) == store.normalise(name):
        raise UsageError("The password equals the name", hint="Choose another one")
    return password


def _hash(password: str) -> str:
    with _hashing:
        return _hasher.hash(password)


def _verify(password_hash: str, password: str) -> bool:
    if len(password) > LONGEST_PASSWORD:
        return False
    try:
        with _hashing:
            return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
