"""Registers: list, add, and browse their objects."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Annotated, BinaryIO, cast
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response, StreamingResponse

from app.application import Application
from app.documents.object import object_document
from app.documents.register import register_with_count
from app.errors import OpenRegisterError
from app.http.identity import App, RegisterAdmin, Viewer
from app.http.problems import describe
from app.registers import export as exporting
from app.registers import find, parameters, registers, stepped_pages
from app.registers.export import Format
from app.registers.find import Place
from app.registers.parameters import ListRequest
from app.web import answers
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import page, redirect

router = APIRouter(dependencies=[Depends(speak)])

COLUMNS = 7
PER_PAGE = 50
_IN_MEMORY = 8 * 2**20
_OWN = frozenset({"after", "before", "form", "format", "_limit"})
"""Parameters of the pages themselves; all others select objects."""
_MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/x-ndjson",
}


@router.get("/registers")
def every(request: Request, app: App, identity: Viewer) -> Response:
    """The registers with their schemas and approximate numbers of objects."""
    found = app.read(registers.overview)
    if answers.wants_json(request):
        return answers.table([register_with_count(one) for one in found])
    return page(request, "registers/list.html", holdings=found)


@router.get("/add-register")
def form(request: Request, identity: RegisterAdmin) -> Response:
    """The form."""
    given = {"slug": "", "title": "", "description": ""}
    return page(request, "registers/add.html", given=given, problem=None)


@router.post("/add-register")
def add(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    slug: Annotated[str, Form()],
    title: Annotated[str, Form()] = "",
    description: Annotated[str, Form()] = "",
) -> Response:
    """Create it."""
    try:
        made = app.write(
            registers.add, slug.strip(), title=title, description=description, actor=identity.actor
        )
    except OpenRegisterError as error:
        given = {"slug": slug, "title": title, "description": description}
        problem = describe(error)
        return page(
            request,
            "registers/add.html",
            status_code=problem.status,
            given=given,
            problem=problem,
        )
    return redirect(f"/registers/{made.slug}", notice=_("Saved"))


@router.get("/registers/{register}")
def one(request: Request, app: App, identity: Viewer, register: str) -> Response:
    """One register: its schemas, or directly the objects of its only one."""
    found = app.read(registers.show, register)
    if answers.wants_json(request):
        return answers.as_json(register_with_count(found))
    return page(request, "registers/one.html", holding=found)


@router.post("/registers/{register}/delete")
def delete(app: App, identity: RegisterAdmin, register: str) -> Response:
    """Delete an empty register."""
    app.write(registers.delete, register)
    return redirect("/registers", notice=_("Deleted register %s") % register)


@router.get("/registers/{register}/{schema}")
def objects(
    request: Request,
    app: App,
    identity: Viewer,
    register: str,
    schema: str,
    after: UUID | None = None,
    before: UUID | None = None,
) -> Response:
    """The objects of a schema in a register; every further parameter filters, as in the API."""
    place, asked = _asked(request, app, register, schema)
    query = asked.query
    view = stepped_pages.page(app, query, after=after, before=before, limit=PER_PAGE)
    total = None if query.narrowed else stepped_pages.about(app, query)
    ignored = list(dict(query.ignored))
    if answers.wants_json(request):
        return answers.table(
            [object_document(one) for one in view.objects],
            next=view.next,
            previous=view.previous,
            looked=view.looked,
            total=total.number if total and total.exact else None,
            ignored=ignored,
        )
    properties = list(place.properties)
    shown = properties or list(dict.fromkeys(n for one in view.objects for n in one.data))
    given = [*parameters.write(query), *(("_fields", name) for name in asked.fields)]
    return page(
        request,
        "registers/objects.html",
        place=place,
        view=view,
        total=total,
        narrowed=query.narrowed,
        ignored=ignored,
        properties=properties,
        columns=asked.fields or shown[:COLUMNS],
        given=urlencode(given),
        filters=[(n, v) for n, v in given if n != "_search"],
        search=query.search,
        siblings=_siblings(app, place),
    )


def _asked(
    request: Request, app: Application, register: str, schema: str
) -> tuple[Place, ListRequest]:
    """The query of a page and its export; an empty form field is ignored."""
    place = app.read(find.place, register, schema)
    given = request.query_params.multi_items()
    return place, place.read((n, v) for n, v in given if n not in _OWN and v != "")


def _siblings(app: Application, place: Place) -> list[str]:
    for found, slugs in app.read(registers.names):
        if found.slug == place.register.slug:
            return slugs
    return []


@router.get("/registers/{register}/{schema}/export")
def export(
    request: Request,
    app: App,
    identity: Viewer,
    register: str,
    schema: str,
    form: Format = "csv",
) -> Response:
    """Export all objects that the page shows, page after page."""
    place, asked = _asked(request, app, register, schema)
    temporary = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed once it is sent
    out = cast(BinaryIO, temporary)
    try:
        exporting.objects(
            app, asked.query, form, out, document=object_document, fields=asked.fields
        )
    except BaseException:
        out.close()
        raise
    out.seek(0)
    name = f"{place.register.slug}-{place.schema.slug}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_chunks(out), media_type=_MEDIA[form], headers=headers)


def _chunks(out: BinaryIO) -> Iterator[bytes]:
    with out:
        while chunk := out.read(2**16):
            yield chunk
