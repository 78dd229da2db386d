"""Sessions of the pages: an encrypted cookie that ends by age, sign-out or a new password.

The cookie contains the user and the session epoch; a session has ended when the user's epoch has
moved on. Nothing is stored on the server, so any of several servers can handle a request.
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
"""Seconds until a new sign-in is required."""

COOKIE = "openregister_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Cookie name with TLS: browsers then prevent other hosts and plain HTTP from setting it."""

_KIND = "session"


@dataclass(frozen=True, slots=True)
class Session:
    """The content of the cookie. `csrf` must be sent with every change."""

    user_id: int
    epoch: int
    started: int
    csrf: str


def open_session(app: Application, request: Request, response: Response, user: User) -> Session:
    """Start a session for a user who has just authenticated."""
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
        token.decode("ascii").rstrip("="),  # cookies with = would need quoting
        max_age=LIFETIME,
        path="/",
        httponly=True,
        samesite="lax",
        secure=secure,
    )
    return session


def close_session(request: Request, response: Response) -> None:
    """Delete the cookie."""
    secure = _secure(request)
    response.delete_cookie(
        SECURE_COOKIE if secure else COOKIE,
        path="/",
        httponly=True,
        samesite="lax",
        secure=secure,
    )


def read(app: Application, request: Request) -> Session | None:
    """The session of the request's cookie, if the cookie is valid and not expired."""
    token = request.cookies.get(SECURE_COOKIE if _secure(request) else COOKIE)
    if not token:
        return None
    try:
        content = app.box.decrypt(token.encode("utf-8") + b"=" * (-len(token) % 4))
    except SecretKeyError:  # forged, or encrypted with a key that no longer exists
        return None
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        return None
    session = Session(
        int(content["user"]), int(content["epoch"]), int(content["started"]), str(content["csrf"])
    )
    return session if time.time() < session.started + LIFETIME else None


def _secure(request: Request) -> bool:
    return request.url.scheme == "https"
