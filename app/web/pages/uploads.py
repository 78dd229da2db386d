"""Upload a file for a source."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, UploadFile
from starlette.responses import Response

from app.errors import OpenRegisterError
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
def replace(app: App, identity: RegisterAdmin, name: str, file: UploadFile) -> Response:
    """Replace the file of a source with a newer version."""
    source = app.read(manage.get, name)
    uploads.replace(app, str(source.connection.get("path", "")), file.filename or "", file.file)
    return redirect(f"/sources/{name}/runs", notice=_("Uploaded %s") % (file.filename or ""))
