"""`/users`: users and app passwords."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints
from starlette.responses import Response

from app.api._answers import (
    Document,
    Listed,
    PageLimit,
    PageNumber,
    answer,
    listed,
    problems,
)
from app.documents.user import app_password_document, user_document
from app.http.identity import Admin, App, Identity, Viewer
from app.http.problems import ForbiddenError
from app.users import sign_in
from app.users.roles import Role

router = APIRouter(prefix="/users", tags=["users"])

Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]


class NewUser(BaseModel):
    """A new user."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._@-]*$", max_length=64)
    role: Role = Role.VIEWER
    password: SecretStr = Field(min_length=10, max_length=1024)
    display_name: Line = ""
    email: Line | None = None


class UserChange(BaseModel):
    """Missing values are unchanged; a new password ends the user's sessions."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    role: Role | None = None
    password: SecretStr | None = Field(default=None, min_length=10, max_length=1024)
    display_name: Line | None = None
    email: Line | None = None


class NewAppPassword(BaseModel):
    """The program for the app password."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, pattern=r"^[\w.@ -]*[\w.@-]$")


@router.get("", responses={200: {"model": Listed}, **problems()})
def list_users(
    request: Request, app: App, identity: Admin, page: PageNumber = 1, limit: PageLimit = 100
) -> Response:
    """List the users."""
    return answer(
        request, listed([user_document(user) for user in app.read(sign_in.everybody)], page, limit)
    )


@router.post("", status_code=201, responses={201: {"model": Document}, **problems(400, 409)})
def create_user(request: Request, app: App, identity: Admin, body: NewUser) -> Response:
    """Add a user."""
    made = sign_in.add(
        app,
        body.name,
        role=body.role,
        password=body.password.get_secret_value(),
        display_name=body.display_name,
        email=body.email,
    )
    return answer(
        request, user_document(made), status=201, headers={"Location": f"/api/users/{made.name}"}
    )


@router.get("/{name}", responses={200: {"model": Document}, **problems(404)})
def show_user(request: Request, app: App, identity: Viewer, name: str) -> Response:
    """Show a user: yourself, or as an admin anyone."""
    _oneself(identity, name)
    return answer(request, user_document(app.read(sign_in.get, name)))


@router.patch("/{name}", responses={200: {"model": Document}, **problems(400, 404, 409)})
def change_user(
    request: Request, app: App, identity: Admin, name: str, body: UserChange
) -> Response:
    """Change a user's role, names or password."""
    app.write(
        sign_in.update, name, role=body.role, display_name=body.display_name, email=body.email
    )
    if body.password is not None:
        sign_in.reset_password(app, name, body.password.get_secret_value())
    return answer(request, user_document(app.read(sign_in.get, name)))


@router.delete("/{name}", status_code=204, responses=problems(404, 409))
def delete_user(app: App, identity: Admin, name: str) -> None:
    """Delete a user."""
    app.write(sign_in.delete, name)


@router.get("/{name}/app-passwords", responses={200: {"model": Listed}, **problems(404)})
def list_app_passwords(
    request: Request,
    app: App,
    identity: Viewer,
    name: str,
    page: PageNumber = 1,
    limit: PageLimit = 100,
) -> Response:
    """List app passwords without their tokens: your own, or as an admin anyone's."""
    _oneself(identity, name)
    found = [app_password_document(item) for item in app.read(sign_in.app_passwords, name)]
    return answer(request, listed(found, page, limit))


@router.post(
    "/{name}/app-passwords",
    status_code=201,
    responses={201: {"model": Document}, **problems(400, 404, 409)},
)
def create_app_password(
    request: Request, app: App, identity: Viewer, name: str, body: NewAppPassword
) -> Response:
    """Create an app password for yourself; its token is shown only in this response."""
    if identity.user.name != name:
        raise ForbiddenError("Users can only create app passwords for themselves")
    made = sign_in.add_app_password(app, name, body.name)
    document = {**app_password_document(made.app_password), "token": made.token}
    return answer(request, document, status=201)


@router.delete("/{name}/app-passwords/{program}", status_code=204, responses=problems(404))
def revoke_app_password(app: App, identity: Viewer, name: str, program: str) -> None:
    """Revoke an app password: your own, or as an admin anyone's."""
    _oneself(identity, name)
    app.write(sign_in.revoke_app_password, name, program)


def _oneself(identity: Identity, name: str) -> None:
    if identity.user.name != name and not identity.may(Role.ADMIN):
        raise ForbiddenError(f"{identity.user.name} is not an admin, and not {name[:64]!r}")
