"""Sign in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from app.http.identity import App, MaybeIdentity, sign_in, sign_out
from app.http.problems import describe
from app.users import sign_in as people
from app.users.sign_in import LockedError, SignInError
from app.web import htmx
from app.web.rendering import own_path, page, redirect

router = APIRouter()


@router.get("/login")
def form(
    request: Request,
    app: App,
    identity: MaybeIdentity,
    next: str | None = None,  # noqa: A002
) -> Response:
    """The form; redirects users who are already signed in."""
    if identity is not None:
        return redirect(own_path(next))
    return page(
        request,
        "login.html",
        next=own_path(next),
        problem=None,
        nobody=not app.read(people.anybody),
    )


@router.post("/login")
def enter(
    request: Request,
    name: Annotated[str, Form()],
    password: Annotated[str, Form()],
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    """Check name and password, then go to the requested page."""
    answer = redirect(own_path(next))
    try:
        sign_in(request, answer, name, password)
    except (SignInError, LockedError) as error:
        problem = describe(error)
        refused = page(
            request,
            "login.html",
            status_code=problem.status,
            next=own_path(next),
            problem=problem,
            nobody=False,
        )
        refused.headers.update(problem.headers)
        return refused
    return answer


@router.post("/login/again")
def again(
    request: Request, name: Annotated[str, Form()], password: Annotated[str, Form()]
) -> Response:
    """Sign in over a page whose session has expired; the page gets the new session's token."""
    answer = Response()
    try:
        identity = sign_in(request, answer, name, password)
    except (SignInError, LockedError) as error:
        return page(request, "parts/problem.html", problem=describe(error))
    return htmx.event(answer, "signed-in", csrf=identity.csrf)


@router.post("/logout")
def leave(request: Request, identity: MaybeIdentity) -> Response:
    """End the user's sessions."""
    answer = redirect("/login")
    if identity is not None:
        sign_out(request, answer, identity)
    return answer
