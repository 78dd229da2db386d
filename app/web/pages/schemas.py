"""Schemas: list, and an editor that shows which stored objects would become invalid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from app.application import Application
from app.documents.schema import schema_document
from app.errors import ChangedError, ConfigurationError, OpenRegisterError
from app.http.identity import App, RegisterAdmin, Viewer
from app.http.problems import Problem, describe
from app.mapping.infer import Note
from app.operations import status
from app.registers import registers, schemas
from app.registers.schemas import Details
from app.sources import propose_schema
from app.web import answers, conflicts
from app.web.conflicts import Conflict
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import page, redirect
from connectors.sdk import canonical

router = APIRouter(dependencies=[Depends(speak)])

EMPTY = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}
SAMPLE = 1000
LONGEST_LOOK = 15.0


@router.get("/schemas")
def every(request: Request, app: App, identity: Viewer) -> Response:
    """The schemas, each with the registers that use it."""
    found = app.read(schemas.overview)
    if answers.wants_json(request):
        return answers.table([schema_document(one) for one in found])
    return page(request, "schemas/list.html", schemas=found)


@router.get("/add-schema")
def form(
    request: Request, app: App, identity: RegisterAdmin, register: str = "", source: str = ""
) -> Response:
    """The form; with `source` it contains a proposal derived from the source's rows."""
    text, problem = answers.indented(EMPTY), None
    notes: Sequence[Note] = ()
    if source:
        try:
            proposed = propose_schema.infer(app, source, limit=SAMPLE, seconds=LONGEST_LOOK)
            text, notes = answers.indented(proposed.schema), proposed.notes
        except OpenRegisterError as error:
            problem = describe(error)
    given = {"slug": "", "title": "", "register": register}
    return _form(request, app, given, text, problem, notes)


@router.post("/add-schema")
def add(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    slug: Annotated[str, Form()],
    home: Annotated[str, Form(alias="register")],
    document: Annotated[str, Form()],
    title: Annotated[str, Form()] = "",
) -> Response:
    """Create it."""
    try:
        made = schemas.add(
            app,
            slug.strip(),
            parsed(document),
            register=home,
            actor=identity.actor,
            title=title,
        )
    except OpenRegisterError as error:
        given = {"slug": slug, "title": title, "register": home}
        return _form(request, app, given, document, describe(error))
    return redirect(f"/schemas/{made.slug}", notice=_("Saved"))


@router.get("/schemas/{slug}")
def show(
    request: Request, app: App, identity: Viewer, slug: str, version: int | None = None
) -> Response:
    """The editor and the versions; `version` loads an earlier one into the editor."""
    found = app.read(schemas.show, slug)
    if answers.wants_json(request):
        return answers.as_json(found.schema.document)
    chosen = next((v for v in found.versions if v.version == version), None)
    text = answers.indented(chosen.document if chosen else found.schema.document)
    return _one(request, found, text, conflicts.version(found.schema.updated))


@router.post("/schemas/{slug}")
def update(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    slug: str,
    document: Annotated[str, Form()],
    version: Annotated[str, Form()],
    force: Annotated[bool, Form()] = False,
    overwrite: Annotated[str, Form()] = "",
) -> Response:
    """Store it as a new version; refused if stored objects would become invalid, unless forced."""
    made = overwrite or version
    found = app.read(schemas.show, slug)
    since = conflicts.since({"version": made}, found.schema.updated)
    try:
        schemas.update(
            app,
            slug,
            actor=identity.actor,
            document=parsed(document),
            if_updated=since,
            force=force,
        )
    except ChangedError as error:
        found = app.read(schemas.show, slug)
        now = conflicts.version(found.schema.updated)
        stored, typed = found.schema.document, parsed(document)
        conflict = conflicts.conflict(error.by, error.at, now, stored, typed)
        return _one(request, found, document, made, conflict=conflict, status=409)
    except OpenRegisterError as error:
        problem = describe(error)
        return _one(request, found, document, made, problem=problem, status=problem.status)
    return redirect(f"/schemas/{slug}", notice=_("Saved"))


def _one(
    request: Request,
    found: Details,
    text: str,
    version: str,
    *,
    problem: Problem | None = None,
    conflict: Conflict | None = None,
    status: int = 200,
) -> Response:
    return page(
        request,
        "schemas/one.html",
        status_code=status,
        found=found,
        text=text,
        problem=problem,
        held=problem is not None and problem.kind == "StoredObjectsError",
        made_from=version,
        conflict=conflict,
    )


@router.post("/schemas/{slug}/delete")
def delete(app: App, identity: RegisterAdmin, slug: str) -> Response:
    """Delete an unused schema."""
    app.write(schemas.delete, slug)
    return redirect("/schemas", notice=_("Deleted schema %s") % slug)


def parsed(text: str) -> Any:
    """The document. Raises ConfigurationError for invalid JSON."""
    try:
        return canonical.loads(text)
    except ValueError as error:
        raise ConfigurationError(
            _("The schema is not valid JSON"),
            faults={"(document)": str(error)},
            hint=_("Check the quotes and commas"),
        ) from None


def _form(
    request: Request,
    app: Application,
    given: dict[str, str],
    text: str,
    problem: Problem | None,
    notes: Sequence[Note] = (),
) -> Response:
    return page(
        request,
        "schemas/add.html",
        status_code=problem.status if problem else 200,
        registers=[found.slug for found, _slugs in app.read(registers.names)],
        sources=app.read(status.names),
        given=given,
        text=text,
        notes=notes,
        problem=problem,
    )
