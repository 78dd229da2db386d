"""Registers: the list, adding one, and the objects in each."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Annotated, BinaryIO, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response, StreamingResponse

from app.application import Application
from app.errors import OpenRegisterError
from app.http.identity import App, RegisterAdmin, Viewer
from app.http.problems import describe
from app.registers import export as exporting
from app.registers import list_query, numbered_pages, registers, stepped_pages
from app.registers.export import Format
from app.registers.list_query import Place
from app.registers.object_store import Selection
from app.registers.select import Query
from app.web import answers
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import page, redirect

router = APIRouter(dependencies=[Depends(speak)])

COLUMNS = 7
PER_PAGE = 50
_IN_MEMORY = 8 * 2**20
_MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/x-ndjson",
}


@router.get("/registers")
def every(request: Request, app: App, identity: Viewer) -> Response:
    """The registers with their schemas, and about how much is in each."""
    found = stepped_pages.holdings(app)
    if answers.wants_json(request):
        return answers.table(found)
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
        made = registers.add(app, slug.strip(), title=title, description=description)
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
    """One register: its schemas, and the objects of its only one at once."""
    found = next((h for h in stepped_pages.holdings(app) if h.register.slug == register), None)
    if found is None:
        registers.show(app, register)  # says that there is none
    if answers.wants_json(request):
        return answers.as_json(found)
    return page(request, "registers/one.html", holding=found)


@router.post("/registers/{register}/delete")
def delete(app: App, identity: RegisterAdmin, register: str) -> Response:
    """Delete an empty register."""
    registers.delete(app, register)
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
    with app.engine.connect() as connection:
        place = numbered_pages.place(connection, register, schema)
    own = {"after", "before", "format", "_limit"}
    given = [(n, v) for n, v in request.query_params.multi_items() if n not in own and v != ""]
    asked = list_query.read(place, given)
    view = stepped_pages.page(app, asked.listing, after=after, before=before, limit=PER_PAGE)
    narrowed = bool(asked.listing.conditions or asked.listing.search)
    total = None
    if not narrowed:
        total = stepped_pages.about(
            app, Selection(register_id=place.register.id, schema_id=place.schema.id)
        )
    if answers.wants_json(request):
        return answers.table(
            view.objects,
            next=view.next,
            previous=view.previous,
            looked=view.looked,
            total=total.number if total and total.exact else None,
            ignored=asked.ignored,
        )
    properties = list(place.schema.document.get("properties") or {})
    shown = properties or list(dict.fromkeys(n for one in view.objects for n in one.data))
    return page(
        request,
        "registers/objects.html",
        place=place,
        view=view,
        total=total,
        narrowed=narrowed,
        ignored=asked.ignored,
        properties=properties,
        columns=shown[:COLUMNS],
        filters=[(n, v) for n, v in given if not n.startswith("_")],
        search=asked.listing.search,
        siblings=_siblings(app, place),
    )


def _siblings(app: Application, place: Place) -> list[str]:
    for found, slugs in registers.names(app):
        if found.slug == place.register.slug:
            return slugs
    return []


@router.get("/registers/{register}/{schema}/export")
def export(
    app: App,
    identity: Viewer,
    register: str,
    schema: str,
    form: Format = "csv",
    filter: str | None = None,  # noqa: A002
) -> Response:
    """All of them as a file to take away."""
    with app.engine.connect() as connection:
        place = numbered_pages.place(connection, register, schema)
    query = Query(place.register.slug, place.schema.slug, filter=filter)
    temporary = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed once it is sent
    out = cast(BinaryIO, temporary)
    try:
        exporting.objects(app, query, form, out)
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
