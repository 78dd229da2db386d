"""Store users, their roles, failed sign-ins and app passwords.

Functions take part in the transaction of the given connection. Passwords and tokens are passed
in hashed; only `attempt` returns a hash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.database.tables import app_passwords, users
from app.errors import ExistsError, InUseError, NotFoundError, UsageError
from app.users.model import AppPassword, User
from app.users.roles import Role

FREE_TRIES = 5
"""Wrong passwords in a row that do not lock; each further one locks for longer."""

LONGEST_LOCK = 15 * 60
"""Seconds; the lock doubles up to here, so that a stranger cannot lock out a user for long."""

_FIRST_LOCK = 30
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_COLUMNS = [
    users.c[name]
    for name in (
        "id",
        "name",
        "display_name",
        "email",
        "role",
        "session_epoch",
        "failed_logins",
        "locked_until",
        "last_login",
        "created",
    )
]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An allowed sign-in attempt, counted as failed until `succeed` is called."""

    user: User
    password_hash: str


def normalise(name: str) -> str:
    """Names are case-insensitive."""
    return name.strip().lower()


def add(
    connection: sa.Connection,
    name: str,
    *,
    role: Role,
    password_hash: str,
    display_name: str = "",
    email: str | None = None,
) -> User:
    """Store a user. Raises UsageError for an invalid name, ExistsError for one in use."""
    name = normalise(name)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a valid user name",
            hint="Use letters, digits and . _ @ - (at most 64)",
        )
    row = connection.execute(
        insert(users)
        .values(
            name=name,
            role=role,
            password_hash=password_hash,
            display_name=display_name,
            email=email,
        )
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(*_COLUMNS)
    ).one_or_none()
    if row is None:
        raise ExistsError(f"User {name!r} already exists")
    return _user(row)


def find(connection: sa.Connection, name: str) -> User | None:
    """The user, or None."""
    row = connection.execute(sa.select(*_COLUMNS).where(users.c.name == normalise(name))).first()
    return None if row is None else _user(row)


def get(connection: sa.Connection, name: str) -> User:
    """The user. Raises NotFoundError."""
    user = find(connection, name)
    if user is None:
        raise NotFoundError(
            f"There is no user {name!r}", hint="`openregister user:list` shows them"
        )
    return user


def by_id(connection: sa.Connection, user_id: int) -> User | None:
    """The user, or None if deleted."""
    row = connection.execute(sa.select(*_COLUMNS).where(users.c.id == user_id)).first()
    return None if row is None else _user(row)


def list_all(connection: sa.Connection) -> list[User]:
    """All users by name."""
    rows = connection.execute(sa.select(*_COLUMNS).order_by(users.c.name))
    return [_user(row) for row in rows]


def hold(connection: sa.Connection) -> None:
    """Let nobody add a user until the transaction ends."""
    connection.execute(sa.text("LOCK TABLE openregister.users IN SHARE ROW EXCLUSIVE MODE"))


def any_at_all(connection: sa.Connection) -> bool:
    """Whether any user exists."""
    return bool(connection.scalar(sa.select(sa.exists().select_from(users))))


def update(
    connection: sa.Connection,
    name: str,
    *,
    role: Role | None = None,
    display_name: str | None = None,
    email: str | None = None,
) -> User:
    """Change the given values. Raises NotFoundError; InUseError for the last admin's role."""
    user = get(connection, name)
    if role is not None and role is not Role.ADMIN:
        _keep_an_admin(connection, user)
    given = {"role": role, "display_name": display_name, "email": email}
    values = {key: value for key, value in given.items() if value is not None}
    row = connection.execute(
        sa.update(users)
        .where(users.c.id == user.id)
        .values(**values, updated=sa.func.now())
        .returning(*_COLUMNS)
    ).one()
    return _user(row)


def delete(connection: sa.Connection, name: str) -> None:
    """Delete a user and their app passwords. Raises NotFoundError; InUseError for the last
    admin while other users remain."""
    user = get(connection, name)
    _keep_an_admin(connection, user)
    connection.execute(sa.delete(users).where(users.c.id == user.id))


def set_password(connection: sa.Connection, name: str, password_hash: str) -> User:
    """Change the password, end every session and lift a lock. Raises NotFoundError."""
    user = get(connection, name)
    row = connection.execute(
        sa.update(users)
        .where(users.c.id == user.id)
        .values(
            password_hash=password_hash,
            session_epoch=users.c.session_epoch + 1,
            failed_logins=0,
            locked_until=None,
            updated=sa.func.now(),
        )
        .returning(*_COLUMNS)
    ).one()
    return _user(row)


def end_sessions(connection: sa.Connection, user_id: int) -> None:
    """End every session of a user."""
    connection.execute(
        sa.update(users)
        .where(users.c.id == user_id)
        .values(session_epoch=users.c.session_epoch + 1)
    )


# -- signing in ------------------------------------------------------------------------------


def attempt(connection: sa.Connection, name: str) -> Attempt | None:
    """Begin a sign-in; None if the name is unknown or locked.

    It counts as failed until it succeeds, so that simultaneous guesses are all counted.
    """
    failures = users.c.failed_logins + 1
    seconds = sa.func.least(
        LONGEST_LOCK, _FIRST_LOCK * sa.func.power(2, sa.func.least(failures - FREE_TRIES - 1, 10))
    )
    lock = sa.func.now() + sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    row = connection.execute(
        sa.update(users)
        .where(
            users.c.name == normalise(name),
            sa.or_(users.c.locked_until.is_(None), users.c.locked_until <= sa.func.now()),
        )
        .values(
            failed_logins=failures,
            locked_until=sa.case((failures > FREE_TRIES, lock), else_=None),
        )
        .returning(*_COLUMNS, users.c.password_hash)
    ).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)
    password_hash = values.pop("password_hash")
    return Attempt(_user_of(values), password_hash)


def succeed(connection: sa.Connection, user_id: int, new_hash: str | None = None) -> None:
    """The password was right: reset the failures; `new_hash` replaces an outdated hash."""
    values: dict[str, Any] = {
        "failed_logins": 0,
        "locked_until": None,
        "last_login": sa.func.now(),
    }
    if new_hash is not None:
        values["password_hash"] = new_hash
    connection.execute(sa.update(users).where(users.c.id == user_id).values(values))


def locked_for(connection: sa.Connection, name: str) -> float:
    """Seconds until the next attempt is allowed; 0 if allowed now, and for unknown names."""
    left = connection.scalar(
        sa.select(sa.func.extract("epoch", users.c.locked_until - sa.func.now())).where(
            users.c.name == normalise(name)
        )
    )
    return max(0.0, float(left or 0))


# -- app passwords ---------------------------------------------------------------------------

_APP_COLUMNS = [
    app_passwords.c[name] for name in ("id", "user_id", "name", "created", "last_used", "revoked")
]


def add_app_password(
    connection: sa.Connection, user_id: int, name: str, token_hash: bytes
) -> AppPassword:
    """Store a hashed token under a unique name. Raises ExistsError.

    A revoked app password of that name is replaced.
    """
    connection.execute(
        sa.delete(app_passwords).where(
            app_passwords.c.user_id == user_id,
            app_passwords.c.name == name,
            app_passwords.c.revoked.is_not(None),
        )
    )
    row = connection.execute(
        insert(app_passwords)
        .values(user_id=user_id, name=name, token_hash=token_hash)
        .on_conflict_do_nothing(index_elements=["user_id", "name"])
        .returning(*_APP_COLUMNS)
    ).one_or_none()
    if row is None:
        raise ExistsError(f"App password {name!r} already exists")
    return AppPassword(**row._mapping)


def app_passwords_of(connection: sa.Connection, user_id: int) -> list[AppPassword]:
    """The app passwords of a user by name, including revoked ones."""
    rows = connection.execute(
        sa.select(*_APP_COLUMNS)
        .where(app_passwords.c.user_id == user_id)
        .order_by(app_passwords.c.name)
    )
    return [AppPassword(**row._mapping) for row in rows]


def revoke_app_password(connection: sa.Connection, user_id: int, name: str) -> None:
    """Revoke an app password at once. Raises NotFoundError."""
    revoked = connection.execute(
        sa.update(app_passwords)
        .where(
            app_passwords.c.user_id == user_id,
            app_passwords.c.name == name,
            app_passwords.c.revoked.is_(None),
        )
        .values(revoked=sa.func.now())
    )
    if revoked.rowcount == 0:
        raise NotFoundError(f"There is no app password {name!r} in use")


def by_token(connection: sa.Connection, token_hash: bytes) -> User | None:
    """The user of an app password; records its use to the minute. None if unknown or revoked."""
    row = connection.execute(
        sa.select(
            *_COLUMNS,
            app_passwords.c.id.label("app_password"),
            sa.or_(
                app_passwords.c.last_used.is_(None),
                app_passwords.c.last_used < sa.func.now() - sa.text("interval '1 minute'"),
            ).label("stale"),
        )
        .join(app_passwords, app_passwords.c.user_id == users.c.id)
        .where(app_passwords.c.token_hash == token_hash, app_passwords.c.revoked.is_(None))
    ).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)
    used, stale = values.pop("app_password"), values.pop("stale")
    if stale:
        connection.execute(
            sa.update(app_passwords)
            .where(app_passwords.c.id == used)
            .values(last_used=sa.func.now())
        )
    return _user_of(values)


def _keep_an_admin(connection: sa.Connection, user: User) -> None:
    if user.role is not Role.ADMIN:
        return
    # the lock serialises two admins who remove each other
    admins = connection.scalars(
        sa.select(users.c.id).where(users.c.role == Role.ADMIN).with_for_update()
    ).all()
    others = connection.scalar(sa.select(sa.exists().where(users.c.id != user.id)))
    if len(admins) == 1 and others:
        raise InUseError(
            f"{user.name} is the only admin",
            hint="Make another user an admin first",
        )


def _user(row: Any) -> User:
    return _user_of(dict(row._mapping))


def _user_of(values: dict[str, Any]) -> User:
    return User(**{**values, "role": Role(values["role"])})
