"""People, and the app passwords of their programs, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.users.roles import Role


@dataclass(frozen=True, slots=True)
class User:
    """A row of `users` without the password's hash."""

    id: int
    name: str
    display_name: str
    email: str | None
    role: Role
    session_epoch: int
    """Sessions made under an earlier number are over."""
    failed_logins: int
    locked_until: datetime | None
    last_login: datetime | None
    created: datetime


@dataclass(frozen=True, slots=True)
class AppPassword:
    """A row of `app_passwords` without the token's hash."""

    id: int
    user_id: int
    name: str
    created: datetime
    last_used: datetime | None
    revoked: datetime | None
