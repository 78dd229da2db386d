"""Users: their roles; and the current user's account with its app passwords."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from app.documents.user import app_password_document, user_document
from app.errors import OpenRegisterError, UsageError
from app.http.identity import Admin, App, Identity, Viewer
from app.http.problems import Problem, describe
from app.users import sign_in
from app.users.roles import Role
from app.web import answers, languages, rendering
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import own_path, page, redirect

router = APIRouter(dependencies=[Depends(speak)])

YEAR = 365 * 24 * 60 * 60


@router.get("/users")
def every(request: Request, app: App, identity: Admin) -> Response:
    """All users."""
    if answers.wants_json(request):
        return answers.table([user_document(user) for user in app.read(sign_in.everybody)])
    return _users(request, app)


def _users(
    request: Request, app: App, problem: Problem | None = None, made: tuple[str, str] | None = None
) -> Response:
    return page(
        request,
        "people/users.html",
        status_code=problem.status if problem else 200,
        users=app.read(sign_in.everybody),
        roles=[role.value for role in Role],
        problem=problem,
        made=made,
    )


@router.post("/users")
def add(
    request: Request,
    app: App,
    identity: Admin,
    name: Annotated[str, Form()],
    role: Annotated[Role, Form()],
    display_name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    """Add a user; without a password one is generated and shown only once."""
    chosen = password or sign_in.make_password()
    try:
        sign_in.add(app, name, role=role, password=chosen, display_name=display_name)
    except OpenRegisterError as error:
        return _users(request, app, describe(error))
    if password:
        return redirect("/users", notice=_("Saved"))
    return _users(request, app, made=(name, chosen))


@router.post("/users/{name}/role")
def change_role(app: App, identity: Admin, name: str, role: Annotated[Role, Form()]) -> Response:
    """Change a user's role."""
    app.write(sign_in.update, name, role=role)
    return redirect("/users", notice=_("Saved"))


@router.post("/users/{name}/password")
def new_password(request: Request, app: App, identity: Admin, name: str) -> Response:
    """Set a random password, shown only once, and end the user's sessions."""
    password = sign_in.make_password()
    sign_in.reset_password(app, name, password)
    return _users(request, app, made=(name, password))


@router.post("/users/{name}/delete")
def delete(app: App, identity: Admin, name: str) -> Response:
    """Delete a user with their sessions and app passwords."""
    app.write(sign_in.delete, name)
    return redirect("/users", notice=_("Deleted"))


@router.get("/account")
def account(request: Request, app: App, identity: Viewer) -> Response:
    """The current user's password and app passwords."""
    if answers.wants_json(request):
        found = app.read(sign_in.app_passwords, identity.user.name)
        return answers.table([app_password_document(one) for one in found])
    return _account(request, app, identity)


def _account(
    request: Request,
    app: App,
    identity: Identity,
    problem: Problem | None = None,
    token: str = "",
) -> Response:
    return page(
        request,
        "people/account.html",
        status_code=problem.status if problem else 200,
        passwords=app.read(sign_in.app_passwords, identity.user.name),
        problem=problem,
        token=token,
    )


@router.post("/account/password")
def change_password(
    request: Request,
    app: App,
    identity: Viewer,
    old: Annotated[str, Form()],
    new: Annotated[str, Form()],
    again: Annotated[str, Form()],
) -> Response:
    """Change the password; every session ends, including this one."""
    try:
        if new != again:
            raise UsageError(_("The new passwords do not match"))
        sign_in.change_password(app, identity.user.name, old=old, new=new)
    except OpenRegisterError as error:
        return _account(request, app, identity, describe(error))
    return redirect("/login")


@router.post("/account/app-passwords")
def add_app_password(
    request: Request, app: App, identity: Viewer, name: Annotated[str, Form()]
) -> Response:
    """Create a token for a program; it is shown only once."""
    try:
        made = sign_in.add_app_password(app, identity.user.name, name)
    except OpenRegisterError as error:
        return _account(request, app, identity, describe(error))
    return _account(request, app, identity, token=made.token)


@router.post("/account/app-passwords/revoke")
def revoke(app: App, identity: Viewer, name: Annotated[str, Form()]) -> Response:
    """Revoke an app password at once."""
    app.write(sign_in.revoke_app_password, identity.user.name, name)
    return redirect("/account", notice=_("Revoked"))


@router.post("/preferences")
def prefer(
    identity: Viewer,
    theme: Annotated[str, Form()] = "",
    language: Annotated[str, Form()] = "",
    back: Annotated[str, Form()] = "/",
) -> Response:
    """Pick the appearance or the language of the pages, in this browser."""
    answer = redirect(own_path(back))
    if theme in rendering.THEMES:
        answer.set_cookie(rendering.THEME_COOKIE, theme, max_age=YEAR, samesite="lax")
    if language in languages.LANGUAGES:
        answer.set_cookie(languages.COOKIE, language, max_age=YEAR, samesite="lax")
    return answer
