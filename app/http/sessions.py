"""Sessions of the pages: an encrypted cookie, ended by time, by signing out or by a new password.

The cookie names the person and the session epoch it was made under; a session is over when the
person's epoch has moved on. Nothing is stored on the server, so any of several servers will do.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from fastapi import Request, Response

from app.application import Application
from app.errors import SecretKeyError
from app.users.model import User

LIFETIME = 12 * 60 * 60
"""Seconds from signing in to having to do so again."""

COOKIE = "openregister_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Its name behind TLS: browsers then keep other hosts and plain HTTP from setting it."""

_KIND = "session"


@dataclass(frozen=True, slots=True)
class Session:
    """What the cookie says. `csrf` must come back with every change."""

    user_id: int
    epoch: int
    started: int
    csrf: str


def open_session(app: Application, request: Request, response: Response, user: User) -> Session:
    """Begin a session for a person who has just proved who they are."""
    session = Session(user.id, user.session_epoch, int(time.time()), secrets.token_urlsafe(24))
    token = app.box.encrypt(
        {
            "kind": _KIND,
            "user": session.user_id,
            "epoch": session.epoch,
            "started": session.started,
            "csrf": session.csrf,
        }
    )
    secure = _secure(request)
    response.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        token.decode("ascii").rstrip("="),  # cookies with = would have to be quoted
        max_age=LIFETIME,
        path="/",
        httponly=True,
        samesite="lax",
        secure=secure,
    )
    return session


def close_session(request: Request, response: Response) -> None:
    """Take the cookie away."""
    secure = _secure(request)
    response.delete_cookie(
        SECURE_COOKIE if secure else COOKIE,
        path="/",
        httponly=True,
        samesite="lax",
        secure=secure,
    )


def read(app: Application, request: Request) -> Session | None:
    """The session that the request's cookie speaks of, if the cookie is ours and not too old."""
    token = request.cookies.get(SECURE_COOKIE if _secure(request) else COOKIE)
    if not token:
        return None
    try:
        content = app.box.decrypt(token.encode("utf-8") + b"=" * (-len(token) % 4))
    except SecretKeyError:  # made up, or made under a key that is gone
        return None
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        return None
    session = Session(
        int(content["user"]), int(content["epoch"]), int(content["started"]), str(content["csrf"])
    )
    return session if time.time() < session.started + LIFETIME else None


def _secure(request: Request) -> bool:
    return request.url.scheme == "https"
