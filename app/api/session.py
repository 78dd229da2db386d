"""`/session`: sign in and out, and show the current user."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.api._answers import problems
from app.http.identity import Identity, Viewer, sign_in, sign_out
from app.users.roles import Role

router = APIRouter(prefix="/session", tags=["session"])


class SignIn(BaseModel):
    """A name and the sign-in password; app passwords use the Authorization header instead."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=64)
    password: SecretStr = Field(max_length=1024)


class SessionView(BaseModel):
    """The current user. Send `csrf` in the header X-CSRF-Token with every change."""

    name: str
    display_name: str
    role: Role
    via: Literal["session", "app-password"]
    csrf: str


@router.post("", responses=problems(429))
def begin(request: Request, response: Response, body: SignIn) -> SessionView:
    """Sign in; the response sets the session cookie."""
    return _view(sign_in(request, response, body.name, body.password.get_secret_value()))


@router.get("", responses=problems())
def show(identity: Viewer) -> SessionView:
    """Show the current user."""
    return _view(identity)


@router.delete("", status_code=204, responses=problems())
def end(request: Request, response: Response, identity: Viewer) -> None:
    """Sign out, on every device."""
    sign_out(request, response, identity)


def _view(identity: Identity) -> SessionView:
    return SessionView(
        name=identity.user.name,
        display_name=identity.user.display_name,
        role=identity.user.role,
        via=identity.via,
        csrf=identity.csrf,
    )
