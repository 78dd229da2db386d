"""The page of one object: its data, and its audit trail."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from app.audit import verify
from app.documents.object import object_document, version_document
from app.errors import ConflictError, OpenRegisterError
from app.http.identity import App, RegisterAdmin, Viewer
from app.http.problems import Problem, describe
from app.registers import edit_objects as service
from app.registers import history, schemas
from app.registers.model import StoredObject
from app.sources import explain as explaining
from app.web import answers, conflicts
from app.web.conflicts import Conflict
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import page, redirect
from connectors.sdk import canonical

router = APIRouter(prefix="/objects/{uuid}", dependencies=[Depends(speak)])


@router.get("")
def show(request: Request, app: App, identity: Viewer, uuid: UUID) -> Response:
    """Its data, property by property."""
    found = service.get(app, uuid)
    if answers.wants_json(request):
        return answers.as_json(object_document(found))
    document = app.read(schemas.show, found.schema).schema.document
    properties = document.get("properties") or {}
    return page(
        request,
        "object.html",
        found=found,
        tab="data",
        names=[*properties, *(name for name in found.data if name not in properties)],
        properties=properties,
        heading=_heading(found.key, found.data, uuid),
    )


@router.get("/audit")
def trail(request: Request, app: App, identity: Viewer, uuid: UUID) -> Response:
    """Every version: author, time, changes, and whether the entry is valid."""
    found = history.history(app, uuid)
    held = verify.verify_object(app, uuid)
    if answers.wants_json(request):
        return answers.table(
            [{**version_document(v), "verified": held.get(v.number)} for v in found.versions]
        )
    return page(
        request,
        "object.html",
        found=found.object,
        tab="audit",
        versions=found.versions,
        held=held,
        heading=_heading(found.object.key, found.object.data, uuid),
    )


@router.get("/explain")
def explain(request: Request, app: App, identity: Viewer, uuid: UUID, field: str) -> Response:
    """Which source, run and rule set a property; part of the page."""
    told = explaining.explain(app, uuid, field)
    if answers.wants_json(request):
        return answers.as_json(told)
    return page(request, "parts/explain.html", told=told)


@router.get("/edit")
def form(request: Request, app: App, identity: RegisterAdmin, uuid: UUID) -> Response:
    """The object as JSON, to change it."""
    found = service.get(app, uuid)
    return _editor(request, found, answers.indented(found.data), found.version)


@router.post("/edit")
def edit(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    uuid: UUID,
    data: Annotated[str, Form()],
    version: Annotated[int, Form()],
    overwrite: Annotated[int | None, Form()] = None,
) -> Response:
    """Replace the document, unless it was changed concurrently."""
    document: object = None
    made = overwrite or version
    try:
        document = canonical.loads(data)
        if not isinstance(document, dict):
            raise ValueError(_("it is not an object"))
        service.replace(app, uuid, document, actor=identity.actor, if_version=made)
    except ConflictError:
        changed = history.history(app, uuid)
        found, last = changed.object, changed.versions[0]
        typed = document if isinstance(document, dict) else {}
        by, now = last.actor, str(found.version)
        conflict = conflicts.conflict(by, last.created, now, found.data, typed)
        return _editor(request, found, data, made, conflict=conflict, status=409)
    except (OpenRegisterError, ValueError) as error:
        found = service.get(app, uuid)
        if isinstance(error, OpenRegisterError):
            problem = describe(error)
        else:
            said = _("This is not valid JSON. Check the quotes and commas.")
            problem = Problem(422, "NoJson", said, hint=str(error))
        return _editor(request, found, data, made, problem=problem, status=422)
    return redirect(f"/objects/{uuid}", notice=_("Saved"))


def _editor(
    request: Request,
    found: StoredObject,
    text: str,
    version: int,
    *,
    problem: Problem | None = None,
    conflict: Conflict | None = None,
    status: int = 200,
) -> Response:
    return page(
        request,
        "object.html",
        status_code=status,
        found=found,
        tab="edit",
        text=text,
        made_from=version,
        problem=problem,
        conflict=conflict,
        heading=_heading(found.key, found.data, found.uuid),
    )


@router.post("/restore")
def restore(
    app: App, identity: RegisterAdmin, uuid: UUID, version: Annotated[int | None, Form()] = None
) -> Response:
    """Restore a version, or a deleted object."""
    service.restore(app, uuid, actor=identity.actor, version=version)
    return redirect(f"/objects/{uuid}/audit", notice=_("Restored"))


@router.post("/delete")
def delete(app: App, identity: RegisterAdmin, uuid: UUID) -> Response:
    """Mark it as deleted."""
    service.delete(app, uuid, actor=identity.actor)
    return redirect(f"/objects/{uuid}/audit", notice=_("Deleted"))


def _heading(key: str | None, data: dict[str, object], uuid: UUID) -> str:
    for name in ("name", "title", "label"):
        if isinstance(data.get(name), str) and data[name]:
            return f"{data[name]} ({key})" if key else str(data[name])
    return key or str(uuid)
