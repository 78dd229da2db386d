"""Authentication and authorisation: the dependencies of every route.

    @router.get("/sources")
    def sources(app: App, identity: Viewer) -> …

`Viewer`, `RegisterAdmin` and `Admin` admit a user with that role or one above it. Programs send
an app password (Basic or Bearer), pages a session cookie. A change with a cookie must include the
session's CSRF token, in the header `X-CSRF-Token` or the form field `_csrf`; an app password needs
none, because browsers do not send it automatically.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from app.application import Application
from app.http import sessions
from app.http.problems import CsrfError, ForbiddenError, NotSignedInError
from app.http.throttle import Throttle
from app.users import sign_in as people
from app.users.model import User
from app.users.roles import Role
from app.users.sign_in import LockedError, SignInError

CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "_csrf"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True, slots=True)
class Identity:
    """A user, and how they authenticated. `csrf` is the token for forms of this session."""

    user: User
    via: Literal["session", "app-password"]
    csrf: str = ""

    @property
    def actor(self) -> str:
        """Name for audit entries and runs: ``web:alice``, or ``api:alice`` for a program."""
        return f"{'web' if self.via == 'session' else 'api'}:{self.user.name}"

    def may(self, role: Role | str) -> bool:
        """Whether the user has that role or one above it."""
        return self.user.role.includes(Role(role))


def application(request: Request) -> Application:
    """The application behind the server."""
    found: Application = request.app.state.application
    return found


App = Annotated[Application, Depends(application)]


async def identify(request: Request) -> Identity | None:
    """The user; None if not signed in. Raises NotSignedInError for a wrong app password or token,
    LockedError after too many, CsrfError for a change from another site."""
    if not hasattr(request.state, "identity"):
        request.state.identity = await _identify(request)
    found: Identity | None = request.state.identity
    return found


async def _identify(request: Request) -> Identity | None:
    if "authorization" in request.headers:
        return await run_in_threadpool(_by_header, request)
    identity = await run_in_threadpool(_by_cookie, request)
    if identity is not None and request.method not in SAFE_METHODS:
        refuse_foreign(request)
        sent = (await _sent_token(request)).encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(sent, identity.csrf.encode()):
            raise CsrfError("The request lacks the session's CSRF token")
    return identity


def refuse_foreign(request: Request) -> None:
    """Raise CsrfError if the browser says that another site sent this request."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise CsrfError("The request comes from another site")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise CsrfError("The request comes from another site")


async def _sent_token(request: Request) -> str:
    if token := request.headers.get(CSRF_HEADER):
        return token
    if request.headers.get("content-type", "").startswith(_FORMS):
        field = (await request.form()).get(CSRF_FIELD)
        return field if isinstance(field, str) else ""
    return ""


def _by_cookie(request: Request) -> Identity | None:
    app = application(request)
    session = sessions.read(app, request)
    if session is None:
        return None
    user = app.read(people.by_id, session.user_id)
    if user is None or user.session_epoch != session.epoch:
        return None
    return Identity(user, "session", session.csrf)


def _by_header(request: Request) -> Identity:
    scheme, _, rest = request.headers["authorization"].partition(" ")
    name, token = None, rest.strip()
    if scheme.lower() == "basic":
        name, token = _basic(token)
    elif scheme.lower() != "bearer":
        raise NotSignedInError(f"The authorization scheme {scheme[:20]!r} is not supported")
    user = people.by_token(application(request), token, name=name)
    if user is not None:  # even if others at this address have failed
        return Identity(user, "app-password")
    throttle, address = _throttle(request), _address(request)
    if left := throttle.locked_for(address):
        raise LockedError(left)
    throttle.fail(address)
    raise NotSignedInError(
        "The app password is not valid",
        hint="Create one with `openregister user:app-password`; a sign-in password is not accepted",
    )


def _basic(encoded: str) -> tuple[str, str]:
    unreadable = NotSignedInError("The Basic authorization is not valid")
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
    except ValueError:  # not valid base64, or not text
        raise unreadable from None
    name, colon, token = text.partition(":")
    if not colon:
        raise unreadable
    return name, token


def sign_in(request: Request, response: Response, name: str, password: str) -> Identity:
    """Check a password and open a session; sets the cookie on `response`.

    Raises SignInError, LockedError, and CsrfError for a form sent by another site.
    """
    refuse_foreign(request)
    app, throttle, address = application(request), _throttle(request), _address(request)
    name_key = f"name {name.strip().lower()[:64]}"
    left = max(throttle.locked_for(address), _names(request).locked_for(name_key))
    if left:
        raise LockedError(left)
    try:
        user = people.sign_in(app, name, password)
    except SignInError:
        throttle.fail(address)
        _names(request).fail(name_key)  # unknown names are locked like known ones
        raise
    _names(request).succeed(name_key)
    session = sessions.open_session(app, request, response, user)
    return Identity(user, "session", session.csrf)


def sign_out(request: Request, response: Response, identity: Identity) -> None:
    """End every session of the user and delete the cookie."""
    application(request).write(people.sign_out, identity.user.id)
    sessions.close_session(request, response)


def _throttle(request: Request) -> Throttle:
    found: Throttle = request.app.state.address_throttle
    return found


def _names(request: Request) -> Throttle:
    found: Throttle = request.app.state.name_throttle
    return found


def _address(request: Request) -> str:
    return request.client.host if request.client else "local"


def require(role: Role) -> Callable[..., Awaitable[Identity]]:
    """A dependency that returns the identity if it has the role; raises NotSignedInError,
    ForbiddenError."""

    async def check(
        request: Request, identity: Annotated[Identity | None, Depends(identify)]
    ) -> Identity:
        if identity is None:
            raise NotSignedInError("You are not signed in")
        if not identity.may(role):
            raise ForbiddenError(
                f"{identity.user.name} is {identity.user.role}; this needs the role {role}"
            )
        return identity

    return check


MaybeIdentity = Annotated[Identity | None, Depends(identify)]
Viewer = Annotated[Identity, Depends(require(Role.VIEWER))]
RegisterAdmin = Annotated[Identity, Depends(require(Role.REGISTER_ADMIN))]
Admin = Annotated[Identity, Depends(require(Role.ADMIN))]
