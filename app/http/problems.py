"""Error responses: `application/problem+json` (RFC 9457) for programs, a page for browsers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import orjson
import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app import errors as e
from app.database.errors import translate
from app.http.methods import allowed
from app.users.sign_in import LockedError, SignInError
from connectors.sdk import ConnectorError
from connectors.sdk.redact import redact
from connectors.sdk.wording import said

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
API_PREFIXES = ("/api", "/index.php/apps/openregister/api")


class NotSignedInError(e.OpenRegisterError):
    """The user is not signed in, or no longer."""

    default_hint: ClassVar[str] = (
        "Sign in, or send an app password with Basic or Bearer authentication"
    )


class ForbiddenError(e.OpenRegisterError):
    """The user is known but lacks the permission."""

    default_hint: ClassVar[str] = "Ask an admin for a role with this permission"


class CsrfError(ForbiddenError):
    """A change that was not sent by the session's own pages."""

    default_hint: ClassVar[str] = "Reload the page and try again"


class PreconditionError(e.OpenRegisterError):
    """The resource has changed since the version in If-Match."""

    default_hint: ClassVar[str] = "Read it again, then retry the change"


STATUSES: Mapping[type[Exception], int] = {
    NotSignedInError: 401,
    SignInError: 401,
    ForbiddenError: 403,
    PreconditionError: 412,
    LockedError: 429,
    e.NotFoundError: 404,
    e.ExistsError: 409,
    e.InUseError: 409,
    e.OwnedError: 409,
    e.ConflictError: 409,
    e.AlreadyRunningError: 409,
    e.HeldError: 409,
    e.LostRunError: 409,
    e.SecretKeyError: 409,
    e.SettingsError: 500,
    e.ConfigurationError: 422,
    e.UsageError: 400,
    ConnectorError: 502,
    e.DatabaseError: 503,
}
"""By class; a subclass that is not listed uses its nearest parent."""

TITLES = {
    400: "Invalid request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict with the current state",
    412: "Changed in the meantime",
    413: "Too large",
    415: "Unsupported content type",
    422: "Not valid",
    429: "Too many requests",
    500: "Internal error",
    502: "The source failed",
    503: "Temporarily unavailable",
}
FAILED = "The request failed"
"""The title of any other status."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error for display; `errors` lists fields: ``{"path", "message"}``."""

    status: int
    kind: str
    detail: str
    where: str = ""
    hint: str = ""
    errors: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return TITLES.get(self.status, FAILED)

    def document(self) -> dict[str, Any]:
        """The members of problem+json that have a value."""
        members = {
            "type": f"urn:openregister:problem:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "where": self.where,
            "hint": self.hint,
            "errors": list(self.errors),
        }
        return {name: value for name, value in members.items() if value}


ErrorPage = Callable[[Request, Problem], Response]


def describe(error: Exception) -> Problem:
    """The client's view of an error: never a secret, never a traceback."""
    match error:
        case e.OpenRegisterError():
            return _known(error)
        case RequestValidationError():
            return _invalid_request(error)
        case HTTPException():
            detail, headers = redact(str(error.detail)), dict(error.headers or {})
            return Problem(error.status_code, "HttpError", detail, headers=headers)
    if (known := translate(error)) is not None:
        return _database(error, known)
    return _known(e.expected(error))


def _known(error: e.OpenRegisterError) -> Problem:
    status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)
    faults: Mapping[str, str] = getattr(error, "faults", {})
    listed: Sequence[Mapping[str, Any]] = getattr(error, "errors", ())
    headers = {}
    if retry_after := getattr(error, "retry_after", None):
        headers["Retry-After"] = str(max(1, round(retry_after)))
    return Problem(
        status,
        type(error).__name__,
        redact(error.what.partition("\n")[0]).removesuffix(":"),
        where=redact(error.where),
        hint=redact(error.hint),
        errors=[{"path": path, "message": redact(fault)} for path, fault in faults.items()]
        or [{**fault, "message": redact(str(fault.get("message", "")))} for fault in listed],
        headers=headers,
    )


def _invalid_request(error: RequestValidationError) -> Problem:
    """Does not repeat the input, which may contain a secret."""
    faults = [
        {
            "path": ".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0]),
            "in": str(fault["loc"][0]),
            "message": said(fault["type"], fault.get("ctx")),
        }
        for fault in error.errors()
    ]
    return Problem(422, "InvalidRequest", "The request is not valid", errors=faults)


def _database(error: Exception, known: e.OpenRegisterError) -> Problem:
    """A database error: the client sees its kind, the log the server's message."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    if state == "57014":  # query_canceled: the statement timeout
        return Problem(
            503,
            "TooSlow",
            "The query takes too long",
            hint="Add a filter, or leave out _search or _order",
        )
    told = _known(known)
    if told.status >= 500:
        _log.error("%s: %s", known.what, redact(known.where))
    return replace(told, where="")


def wants_page(request: Request) -> bool:
    """Whether the request comes from a browser and is not for the API."""
    if request.url.path.startswith(API_PREFIXES):
        return False
    return "text/html" in request.headers.get("accept", "")


def answer(request: Request, problem: Problem) -> Response:
    """The problem as JSON."""
    headers = dict(problem.headers)
    if problem.status == 401 and "sec-fetch-mode" not in request.headers:
        # a browser would open its own dialog for Basic
        headers["WWW-Authenticate"] = 'Basic realm="Open Register", charset="UTF-8", Bearer'
    elif problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="Open Register"'
    return Response(
        orjson.dumps(problem.document(), default=str),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def install(api: FastAPI, page: ErrorPage) -> None:
    """Answer every error as a problem; `page` renders it for browsers."""

    async def handle(request: Request, error: Exception) -> Response:
        problem = describe(error)
        if problem.status == 405:
            problem = replace(problem, headers={**problem.headers, "Allow": allowed(request)})
        return page(request, problem) if wants_page(request) else answer(request, problem)

    for kind in (
        e.OpenRegisterError,
        RequestValidationError,
        HTTPException,
        SQLAlchemyError,
        psycopg.Error,
        Exception,
    ):
        api.add_exception_handler(kind, handle)
