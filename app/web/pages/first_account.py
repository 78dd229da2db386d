"""The first account, made on the pages with the link that `serve` prints."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from app.application import Application
from app.errors import ExistsError, NotFoundError, UsageError
from app.http.identity import App, refuse_foreign, sign_in
from app.http.problems import describe
from app.users import sign_in as people
from app.users.invitation import Invitation
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import page, redirect

router = APIRouter(prefix=Invitation.PATH, dependencies=[Depends(speak)])


@router.get("")
def form(request: Request, app: App, token: str = "") -> Response:
    """The form, for whoever has the link."""
    _check(request, app, token)
    return page(request, "first_account.html", token=token, name="", problem=None)


@router.post("")
def create(
    request: Request,
    app: App,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
    token: Annotated[str, Form()] = "",
) -> Response:
    """Create an administrator's account and sign in."""
    refuse_foreign(request)
    _check(request, app, token)
    try:
        if password != again:
            raise UsageError(_("The two passwords differ"))
        people.add_first(app, name, password=password)
    except ExistsError:
        return redirect("/login")
    except UsageError as error:
        problem = describe(error)
        return page(
            request,
            "first_account.html",
            status_code=problem.status,
            token=token,
            name=name,
            problem=problem,
        )
    answer = redirect("/")
    sign_in(request, answer, name, password)
    return answer


def _check(request: Request, app: Application, token: str) -> None:
    """Raise NotFoundError unless this machine asks with the token and there is no account."""
    invitation: Invitation | None = request.app.state.invitation
    if (
        invitation is None
        or not _is_here(request)
        or not invitation.accepts(token)
        or app.read(people.anybody)
    ):
        raise NotFoundError(
            _("This link is not valid"),
            hint=_("It works once, on the computer that shows it. Start the server again."),
        )


def _is_here(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:  # a proxy named something else
        return False
