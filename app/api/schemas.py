"""`/schemas`: JSON Schemas of objects, with all their versions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
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
from app.documents.schema import schema_document, schema_with_versions
from app.http.identity import App, RegisterAdmin, Viewer
from app.http.revisions import precondition, token
from app.registers import schemas
from app.registers.schemas import Overview

router = APIRouter(prefix="/schemas", tags=["schemas"])

Title = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]
Slug = Annotated[str, StringConstraints(pattern="^[a-z0-9][a-z0-9_-]*$", max_length=100)]


class NewSchema(BaseModel):
    """A new schema; `document` is a JSON Schema of objects (2020-12 or an older draft)."""

    model_config = ConfigDict(extra="forbid")

    slug: Slug
    register_: Slug = Field(alias="register", description="The register that uses it")
    document: dict[str, Any]
    title: Title = ""


class SchemaChange(BaseModel):
    """Missing values are unchanged; `if_version` rejects the change after a concurrent one."""

    model_config = ConfigDict(extra="forbid")

    document: dict[str, Any] | None = None
    title: Title | None = None
    if_version: int | None = Field(default=None, ge=1, le=2**31 - 1)


class SchemaDocument(Document):
    """A schema in its latest version."""

    id: int
    slug: str
    title: str
    version: int
    registers: list[str]
    document: dict[str, Any]


@router.get("", responses={200: {"model": Listed}, **problems(404)})
def list_schemas(
    request: Request,
    app: App,
    identity: Viewer,
    register: Annotated[Slug | None, Query(description="Only those of this register")] = None,
    page: PageNumber = 1,
    limit: PageLimit = 100,
) -> Response:
    """List the schemas."""
    found = app.read(schemas.overview, register=register)
    modified = max((item.schema.updated for item in found), default=None)
    documents = [schema_document(item) for item in found]
    return answer(request, listed(documents, page, limit), modified=modified)


@router.post("", status_code=201, responses={201: {"model": SchemaDocument}, **problems(404, 409)})
def create_schema(request: Request, app: App, identity: RegisterAdmin, body: NewSchema) -> Response:
    """Add a schema to a register."""
    made = schemas.add(
        app,
        body.slug,
        body.document,
        register=body.register_,
        actor=identity.actor,
        title=body.title,
    )
    return answer(
        request,
        schema_document(Overview(made, [body.register_])),
        status=201,
        headers={"Location": f"/api/schemas/{made.slug}"},
    )


@router.get("/{schema}", responses={200: {"model": SchemaDocument}, **problems(404)})
def show_schema(request: Request, app: App, identity: Viewer, schema: str) -> Response:
    """Show a schema and its versions."""
    found = app.read(schemas.show, schema)
    changed = found.schema.updated
    document = schema_with_versions(found)
    return answer(request, document, version=token(changed), modified=changed)


@router.patch("/{schema}", responses={200: {"model": SchemaDocument}, **problems(404, 409, 412)})
def change_schema(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    schema: str,
    body: SchemaChange,
    if_match: IfMatch = None,
) -> Response:
    """Change a schema's document, as a new version, or its title."""
    with precondition(if_match) as since:
        schemas.update(
            app,
            schema,
            actor=identity.actor,
            document=body.document,
            title=body.title,
            if_version=body.if_version,
            if_updated=since,
        )
    return show_schema(request, app, identity, schema)


@router.put("/{schema}/registers/{register}", status_code=204, responses=problems(404))
def link_schema(app: App, identity: RegisterAdmin, schema: str, register: str) -> None:
    """Let another register use the schema."""
    app.write(schemas.link, schema, register=register)


@router.delete("/{schema}", status_code=204, responses=problems(404, 409, 412))
def delete_schema(app: App, identity: RegisterAdmin, schema: str, if_match: IfMatch = None) -> None:
    """Delete an unused schema."""
    with precondition(if_match) as since:
        app.write(schemas.delete, schema, if_updated=since)
