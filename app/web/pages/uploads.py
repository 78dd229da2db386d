"""Upload a file for a source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, UploadFile
from starlette.responses import Response

from app.application import Application
from app.errors import OpenRegisterError, UsageError
from app.http.identity import App, RegisterAdmin
from app.http.problems import describe
from app.sources import manage, uploads
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import page, redirect

router = APIRouter(prefix="/upload", dependencies=[Depends(speak)])


@router.get("")
def form(request: Request, identity: RegisterAdmin) -> Response:
    """The form."""
    return page(request, "upload.html", problem=None, types=", ".join(uploads.TYPES))


@router.post("")
def receive(request: Request, app: App, identity: RegisterAdmin, file: UploadFile) -> Response:
    """Store the file, and continue to its source."""
    try:
        path = uploads.store(app, file.filename or "", file.file)
    except OpenRegisterError as error:
        problem = describe(error)
        types = ", ".join(uploads.TYPES)
        return page(
            request,
            "upload.html",
            status_code=problem.status,
            problem=problem,
            types=types,
        )
    kind = uploads.connector_for(Path(path).name)
    said = _("Uploaded %s") % Path(path).name
    return redirect(f"/add-source?type={kind}&path={quote(str(path))}", notice=said)


@router.post("/{name}")
def replace(
    request: Request, app: App, identity: RegisterAdmin, name: str, file: UploadFile
) -> Response:
    """Take a newer version of a source's file; other columns are shown before it is replaced."""
    source = app.read(manage.get, name)
    path = str(source.connection.get("path", ""))
    newer = uploads.store(app, file.filename or "", file.file)
    try:
        uploads.same_type(app, path, str(newer))
        added, missing = uploads.compare(app, source, newer)
    except OpenRegisterError:
        uploads.discard(app, str(newer))
        raise
    if not added and not missing:
        return _adopted(app, name, path, str(newer))
    return page(
        request, "upload_compare.html", source=source, newer=newer, added=added, missing=missing
    )


@router.post("/{name}/confirm")
def confirm(
    app: App,
    identity: RegisterAdmin,
    name: str,
    newer: Annotated[str, Form()] = "",
    cancel: Annotated[str, Form()] = "",
) -> Response:
    """Replace the file although its columns differ, or leave it."""
    path = str(app.read(manage.get, name).connection.get("path", ""))
    if not newer or newer == path or uploads.is_used(app, newer):
        raise UsageError(_("This form is no longer valid"), hint=_("Start again"))
    if cancel:
        uploads.discard(app, newer)
        return redirect(f"/sources/{name}/connection")
    return _adopted(app, name, path, newer)


def _adopted(app: Application, name: str, path: str, newer: str) -> Response:
    uploads.adopt(app, path, newer)
    return redirect(f"/sources/{name}/runs", notice=_("Uploaded %s") % Path(newer).name)
