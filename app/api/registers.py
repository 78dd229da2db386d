"""`/registers`: named collections of objects."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from app.api._answers import (
    Document,
    IfMatch,
    Listed,
    PageLimit,
    PageNumber,
    answer,
    listed,
    problems,
)
from app.documents.register import register_document
from app.errors import NotFoundError
from app.http.identity import App, RegisterAdmin, Viewer
from app.http.revisions import precondition, token
from app.registers import registers

router = APIRouter(prefix="/registers", tags=["registers"])

Line = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]


class NewRegister(BaseModel):
    """A new register."""

    model_config = ConfigDict(extra="forbid")

    slug: str = Field(pattern="^[a-z0-9][a-z0-9_-]*$", max_length=100)
    title: Line = ""
    description: Line = ""


class RegisterChange(BaseModel):
    """Missing values are unchanged."""

    model_config = ConfigDict(extra="forbid")

    title: Line | None = None
    description: Line | None = None


class RegisterDocument(Document):
    """A register; `schemas` are those it uses."""

    id: int
    slug: str
    title: str
    description: str
    schemas: list[str]


@router.get("", responses={200: {"model": Listed}, **problems()})
def list_registers(
    request: Request, app: App, identity: Viewer, page: PageNumber = 1, limit: PageLimit = 100
) -> Response:
    """List the registers."""
    found = app.read(registers.names)
    modified = max((register.updated for register, _ in found), default=None)
    documents = [register_document(register, schemas) for register, schemas in found]
    return answer(request, listed(documents, page, limit), modified=modified)


@router.post(
    "", status_code=201, responses={201: {"model": RegisterDocument}, **problems(400, 409)}
)
def create_register(
    request: Request, app: App, identity: RegisterAdmin, body: NewRegister
) -> Response:
    """Add a register."""
    made = app.write(
        registers.add,
        body.slug,
        title=body.title,
        description=body.description,
        actor=identity.actor,
    )
    return answer(
        request,
        register_document(made, ()),
        status=201,
        headers={"Location": f"/api/registers/{made.slug}"},
    )


@router.get("/{register}", responses={200: {"model": RegisterDocument}, **problems(404)})
def show_register(request: Request, app: App, identity: Viewer, register: str) -> Response:
    """Show a register, by slug or id."""
    for found, schemas in app.read(registers.names):
        if register in (found.slug, str(found.id)):
            return answer(
                request,
                register_document(found, schemas),
                version=token(found.updated),
                modified=found.updated,
            )
    raise NotFoundError(f"There is no register {register!r}")


@router.patch("/{register}", responses={200: {"model": RegisterDocument}, **problems(404, 412)})
def change_register(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    register: str,
    body: RegisterChange,
    if_match: IfMatch = None,
) -> Response:
    """Change a register's title or description."""
    with precondition(if_match) as since:
        app.write(
            registers.update,
            register,
            title=body.title,
            description=body.description,
            actor=identity.actor,
            if_updated=since,
        )
    return show_register(request, app, identity, register)


@router.delete("/{register}", status_code=204, responses=problems(404, 409, 412))
def delete_register(
    app: App, identity: RegisterAdmin, register: str, if_match: IfMatch = None
) -> None:
    """Delete an empty register."""
    with precondition(if_match) as since:
        app.write(registers.delete, register, if_updated=since)
