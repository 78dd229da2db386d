"""Data sources: list and add."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.application import Application
from app.documents.source import source_line
from app.errors import ConfigurationError, OpenRegisterError
from app.http.identity import App, RegisterAdmin, Viewer
from app.http.problems import Problem, describe
from app.operations import status as overview
from app.operations.status import SourceStatus
from app.registers import registers
from app.sources import confinement, quick_start
from app.sources.quick_start import NewTarget
from app.sources.settings import connector_types
from app.web import answers
from app.web.forms import Form
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import page, redirect

router = APIRouter(dependencies=[Depends(speak)])


@router.get("/sources")
def listing(
    request: Request,
    app: App,
    identity: Viewer,
    q: str = "",
    status: str = "",
    health: str = "",
    register: str = "",
    type: str = "",  # noqa: A002
) -> Response:
    """Every source with where it stands."""
    every = app.read(overview.sources)
    shown = [
        one
        for one in every
        if q.lower() in f"{one.source.name} {one.source.type} {_registers(one)}".lower()
        and status in ("", one.source.status)
        and health in ("", one.health.condition)
        and type in ("", one.source.type)
        and register in ("", *_registers(one))
    ]
    alarms = app.read(overview.warnings)
    if answers.wants_json(request):
        lines = [source_line(one) for one in shown]
        return answers.table(lines, total=len(every), warnings=alarms)
    return page(
        request,
        "sources.html",
        sources=shown,
        known=len(every),
        alarms=alarms,
        asked={"q": q, "status": status, "health": health, "register": register, "type": type},
        registers=sorted({slug for one in every for slug in _registers(one)}),
        types=sorted({one.source.type for one in every}),
    )


def _registers(one: SourceStatus) -> list[str]:
    return [target.register for target in one.source.targets]


@router.get("/add-source")
def form(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    type: str = "",  # noqa: A002
    path: str = "",
    register: str = "",
    schema: str = "",
) -> Response:
    """Pick a type, then fill in its settings; `path` is that of a file just uploaded."""
    given = {"target": f"{register}/{schema}", "name": "", "new_register": "", "new_schema": ""}
    if not type:
        return page(request, "source_add.html", types=connector_types.types(), chosen=None)
    return _form(request, app, type, given, {"path": path} if path else {})


@router.post("/add-source")
async def receive(request: Request, app: App, identity: RegisterAdmin) -> Response:
    """Test and store it; errors are shown at their fields."""
    return await run_in_threadpool(_add, request, app, dict(await request.form()), identity.actor)


def _add(request: Request, app: Application, form: Mapping[str, Any], actor: str) -> Response:
    type_name = str(form.get("type", ""))
    given = {n: str(form.get(n, "")) for n in ("name", "target", "new_register", "new_schema")}
    connection: dict[str, Any] = {}
    try:
        connection = Form(connector_types.schema(type_name)).read(form)
        test = "untested" not in form
        document = {"name": given["name"], "type": type_name, "connection": connection}
        if given["target"] == "new":
            target = NewTarget(given["new_register"], given["new_schema"])
            saved = quick_start.with_new_schema(app, document, target, actor=actor, test=test)
        else:
            register, _slash, schema = given["target"].partition("/")
            document["target"] = {"register": register, "schema": schema}
            saved = confinement.save(app, document, test=test, update=False, actor=actor)
    except OpenRegisterError as error:
        problem = describe(error)
        faults = by_field(error)
        return _form(request, app, type_name, given, connection, problem, faults)
    said = f"OK — {saved.check.message}. " if saved.check else ""
    if saved.proposed_key:
        said += _("Key: %s (proposed by the source).") % ", ".join(saved.proposed_key)
    open_question = "?undecided=1" if saved.check and saved.check.decision else ""
    if open_question and saved.check:
        said += f" {saved.check.evidence.rstrip('. ')}."
    address = f"/sources/{saved.source.name}/mapping{open_question}"
    return redirect(address, notice=said or _("Saved"))


@router.post("/add-source/test")
async def try_out(request: Request, app: App, identity: RegisterAdmin) -> Response:
    """Connect with the values of the form, without storing them; part of the page."""
    form = dict(await request.form())
    return await run_in_threadpool(tested, request, app, str(form.get("type", "")), form, "")


def tested(
    request: Request, app: Application, type_name: str, form: Mapping[str, Any], name: str
) -> Response:
    """The result of testing draft settings; `name` is a source whose stored secrets are used."""
    try:
        connection = Form(connector_types.schema(type_name)).read(form)
        check = confinement.check_draft(app, name, type_name, connection)
    except OpenRegisterError as error:
        return page(request, "parts/test.html", problem=describe(error), check=None, warnings=())
    context: dict[str, Any] = {"check": check, "warnings": check.warnings, "decide": ""}
    return page(request, "parts/test.html", problem=None, **context)


def by_field(error: OpenRegisterError) -> dict[str, str]:
    """The errors of a connection by the form's name for a field."""
    faults = error.faults if isinstance(error, ConfigurationError) else {}
    return {path.removeprefix("connection."): fault for path, fault in faults.items()}


def _form(
    request: Request,
    app: Application,
    type_name: str,
    given: Mapping[str, str],
    connection: Mapping[str, Any],
    problem: Problem | None = None,
    faults: Mapping[str, str] | None = None,
) -> Response:
    schema = connector_types.schema(type_name)
    return page(
        request,
        "source_add.html",
        status_code=problem.status if problem else 200,
        chosen=next(line for line in connector_types.types() if line["type"] == type_name),
        places=app.read(registers.names),
        fields=Form(schema).fields(connection, faults=faults),
        given=given,
        problem=problem,
        faults=faults or {},
    )
