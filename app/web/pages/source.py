"""A source's page: connection, schedule, objects and settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from app.application import Application
from app.documents.object import object_document
from app.errors import ConfigurationError, OpenRegisterError, SecretKeyError
from app.http.identity import App, RegisterAdmin, Viewer
from app.http.problems import Problem, describe
from app.operations import status
from app.registers import stepped_pages
from app.sources import confinement, jobs, manage, uploads
from app.sources.document import SourceOptions
from app.sources.manage import Edits
from app.sources.model import Source, to_document
from app.sources.settings import connector_types
from app.web import answers
from app.web.forms import Form
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.pages import sources as list_page
from app.web.pages._source import frame
from app.web.rendering import page, redirect

router = APIRouter(prefix="/sources/{name}", dependencies=[Depends(speak)])


@router.get("")
def landing(app: App, identity: Viewer, name: str) -> Response:
    """The first tab."""
    app.read(manage.get, name)
    return redirect(f"/sources/{name}/connection")


# -- connection ------------------------------------------------------------------------------


@router.get("/connection")
def connection(request: Request, app: App, identity: Viewer, name: str) -> Response:
    """The connector's settings; secrets are never shown."""
    source = app.read(manage.get, name)
    if answers.wants_json(request):
        return answers.as_json(source.connection)
    return _connection(request, app, source, source.connection)


def _connection(
    request: Request,
    app: Application,
    source: Source,
    document: Mapping[str, Any],
    problem: Problem | None = None,
    faults: Mapping[str, str] | None = None,
) -> Response:
    stored, lost = _stored_secrets(app, source)
    problem = problem or lost
    path = str(document.get("path", ""))
    fields = Form(connector_types.schema(source.type)).fields(
        document, faults=faults, stored=stored
    )
    return frame(
        request,
        app,
        source,
        "connection",
        fields=fields,
        problem=problem,
        uploaded=uploads.title(app, path),
        findings=source.findings,
    )


def _stored_secrets(app: Application, source: Source) -> tuple[frozenset[str], Problem | None]:
    """The fields with stored secrets, and why these cannot be read, if so."""
    try:
        return app.read(manage.secret_fields, source, app.box), None
    except SecretKeyError as error:
        return frozenset(), describe(error)


@router.post("/connection")
async def save_connection(
    request: Request, app: App, identity: RegisterAdmin, name: str
) -> Response:
    """Test the settings and store them."""
    return await run_in_threadpool(_save_connection, request, app, name, dict(await request.form()))


def _save_connection(
    request: Request, app: Application, name: str, form: Mapping[str, Any]
) -> Response:
    source = app.read(manage.get, name)
    given: Mapping[str, Any] = source.connection
    try:
        stored, _lost = _stored_secrets(app, source)
        given = Form(connector_types.schema(source.type)).read(form, stored=stored)
        document = {**to_document(source), "connection": given}
        saved = confinement.save(app, document, test="untested" not in form, update=True)
    except OpenRegisterError as error:
        faults = list_page.by_field(error)
        return _connection(request, app, source, given, describe(error), faults)
    said = f"OK — {saved.check.message}" if saved.check else _("Saved")
    open_question = "?undecided=1" if saved.check and saved.check.decision else ""
    return redirect(f"/sources/{name}/connection{open_question}", notice=said)


@router.post("/connection/test")
async def test_connection(
    request: Request, app: App, identity: RegisterAdmin, name: str
) -> Response:
    """Connect with the current settings of the form; part of the page."""
    source, form = app.read(manage.get, name), dict(await request.form())
    return await run_in_threadpool(list_page.tested, request, app, source.type, form, name)


# -- schedule --------------------------------------------------------------------------------


@router.get("/schedule")
def schedule(request: Request, app: App, identity: Viewer, name: str) -> Response:
    """When it runs: in words, and the next five times in the source's timezone."""
    source = app.read(manage.get, name)
    return _schedule(request, app, source, source.schedule, source.timezone)


def _schedule(
    request: Request,
    app: Application,
    source: Source,
    text: str,
    zone: str,
    problem: Problem | None = None,
) -> Response:
    found = jobs.outlook(source.schedule, source.timezone)
    if answers.wants_json(request):
        return answers.as_json(
            {"schedule": source.schedule, "timezone": source.timezone, **answers.plain(found)}
        )
    return frame(
        request,
        app,
        source,
        "schedule",
        text=text,
        zone=zone,
        outlook=found,
        tz=ZoneInfo(source.timezone),
        problem=problem,
        zones=sorted(available_timezones()),
        alarms=app.read(status.warnings),
    )


@router.get("/schedule/outlook")
def outlook(
    request: Request,
    app: App,
    identity: Viewer,
    name: str,
    timezone: str = "UTC",
) -> Response:
    """The meaning of the schedule in the form; part of the page."""
    try:
        found = jobs.outlook(written(request.query_params), timezone)
    except OpenRegisterError as error:
        return page(request, "parts/outlook.html", problem=describe(error), outlook=None, tz=None)
    return page(request, "parts/outlook.html", problem=None, outlook=found, tz=ZoneInfo(timezone))


@router.post("/schedule")
async def save_schedule(request: Request, app: App, identity: RegisterAdmin, name: str) -> Response:
    """Store the schedule and update the source's job."""
    return await run_in_threadpool(_save_schedule, request, app, name, dict(await request.form()))


def _save_schedule(
    request: Request, app: Application, name: str, form: Mapping[str, Any]
) -> Response:
    source = app.read(manage.get, name)
    text, zone = written(form), str(form.get("timezone", "UTC")).strip() or "UTC"
    try:
        jobs.outlook(text, zone)
        confinement.edit(app, name, Edits(schedule=text, timezone=zone))
    except OpenRegisterError as error:
        return _schedule(request, app, source, text, zone, describe(error))
    return redirect(f"/sources/{name}/schedule", notice=_("Saved"))


def written(form: Mapping[str, Any]) -> str:
    """The schedule as text, from the choice and its fields."""
    match form.get("kind"):
        case "every":
            unit = "hours" if form.get("unit") == "hours" else "minutes"
            return f"every {str(form.get('count', '')).strip() or '?'} {unit}"
        case "hourly":
            return "hourly"
        case "daily":
            return f"daily {str(form.get('time', '')).strip()}".strip()
        case "cron":
            return str(form.get("cron", "")).strip()
    return "manual"


# -- objects ---------------------------------------------------------------------------------


@router.get("/objects")
def objects(
    request: Request, app: App, identity: Viewer, name: str, after: UUID | None = None
) -> Response:
    """The objects that the source owns."""
    source = app.read(manage.get, name)
    view = stepped_pages.of_source(app, source.id, after=after)
    if answers.wants_json(request):
        return answers.table([object_document(one) for one in view.objects], next=view.next)
    columns = list(dict.fromkeys(name for one in view.objects for name in one.data))[:6]
    return frame(request, app, source, "objects", view=view, columns=columns)


# -- settings --------------------------------------------------------------------------------


@router.get("/settings")
def settings(request: Request, app: App, identity: Viewer, name: str) -> Response:
    """What happens to missing rows, and the source's own settings."""
    source = app.read(manage.get, name)
    if answers.wants_json(request):
        return answers.as_json(to_document(source))
    return _settings(request, app, source, source.options)


def _settings(
    request: Request,
    app: Application,
    source: Source,
    options: Mapping[str, Any],
    problem: Problem | None = None,
    faults: Mapping[str, str] | None = None,
) -> Response:
    form = Form(SourceOptions.model_json_schema(), "options")
    return frame(
        request,
        app,
        source,
        "settings",
        fields=form.fields(options, faults=faults),
        document=to_document(source),
        problem=problem,
    )


@router.post("/settings")
async def save_settings(request: Request, app: App, identity: RegisterAdmin, name: str) -> Response:
    """Store them."""
    return await run_in_threadpool(_save_settings, request, app, name, dict(await request.form()))


def _save_settings(
    request: Request, app: Application, name: str, form: Mapping[str, Any]
) -> Response:
    source = app.read(manage.get, name)
    options: Mapping[str, Any] = source.options
    try:
        options = Form(SourceOptions.model_json_schema(), "options").read(form)
        document = to_document(source)
        kept = {key: value for key, value in document.items() if key not in source.options}
        kept |= {**options, "on_missing": str(form.get("on_missing", source.on_missing))}
        confinement.save(app, kept, test=False, update=True)
    except OpenRegisterError as error:
        faults = error.faults if isinstance(error, ConfigurationError) else {}
        return _settings(request, app, source, options, describe(error), faults)
    return redirect(f"/sources/{name}/settings", notice=_("Saved"))


@router.get("/document")
def document(app: App, identity: Viewer, name: str) -> Response:
    """The source as a document for `source:import`, without secrets."""
    text = answers.indented(answers.plain(to_document(app.read(manage.get, name))))
    headers = {"Content-Disposition": f'attachment; filename="{name}.json"'}
    return PlainTextResponse(text + "\n", media_type="application/json", headers=headers)


@router.post("/delete")
def delete(app: App, identity: RegisterAdmin, name: str) -> Response:
    """Delete the source; its objects are kept."""
    app.write(manage.delete, name)
    said = _("Deleted source %s. Its objects remain in their registers.") % name
    return redirect("/sources", notice=said)
