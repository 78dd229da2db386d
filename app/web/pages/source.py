"""A source's page: connection, schedule, objects and settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from fastapi import APIRouter, Depends, Request
from fastapi import Form as FormField
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from app.application import Application
from app.documents.object import object_document
from app.errors import ChangedError, ConfigurationError, OpenRegisterError, SecretKeyError
from app.http.identity import App, RegisterAdmin, Viewer
from app.http.problems import Problem, describe
from app.operations import status
from app.registers import stepped_pages
from app.sources import confinement, connect, jobs, manage, uploads
from app.sources.document import SourceOptions
from app.sources.manage import Edits
from app.sources.model import Source, to_document
from app.sources.settings import connector_types
from app.web import answers, confirmation, conflicts
from app.web.conflicts import Conflict
from app.web.forms import Form
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.pages import add_source as add_page
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
    version = conflicts.version(source.updated)
    return _connection(request, app, source, source.connection, version)


def _connection(
    request: Request,
    app: Application,
    source: Source,
    document: Mapping[str, Any],
    version: str,
    problem: Problem | None = None,
    faults: Mapping[str, str] | None = None,
    conflict: Conflict | None = None,
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
        made_from=version,
        conflict=conflict,
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
    form = dict(await request.form())
    return await run_in_threadpool(_save_connection, request, app, name, form, identity.actor)


def _save_connection(
    request: Request, app: Application, name: str, form: Mapping[str, Any], actor: str
) -> Response:
    source, version = app.read(manage.get, name), conflicts.sent(form)
    given: Mapping[str, Any] = source.connection
    try:
        stored, _lost = _stored_secrets(app, source)
        given = Form(connector_types.schema(source.type)).read(form, stored=stored)
        document = {**to_document(source), "connection": given}
        since = conflicts.since(form, source.updated)
        test = "untested" not in form
        saved = confinement.save(
            app, document, test=test, update=True, actor=actor, if_updated=since
        )
    except ChangedError as error:
        source = app.read(manage.get, name)
        now, typed = conflicts.version(source.updated), _public(source.type, given)
        found = conflicts.conflict(error.by, error.at, now, source.connection, typed)
        return _connection(request, app, source, given, version, conflict=found)
    except OpenRegisterError as error:
        faults = add_page.by_field(error)
        return _connection(request, app, source, given, version, describe(error), faults)
    said = f"OK — {saved.check.message}" if saved.check else _("Saved")
    open_question = "?undecided=1" if saved.check and saved.check.decision else ""
    return redirect(f"/sources/{name}/connection{open_question}", notice=said)


def _public(type_name: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was typed, without its secrets; nothing of it where it is not valid."""
    try:
        return connect.parse(type_name, given).public
    except ConfigurationError:
        return {}


@router.post("/connection/test")
async def test_connection(
    request: Request, app: App, identity: RegisterAdmin, name: str
) -> Response:
    """Connect with the current settings of the form; part of the page."""
    source, form = app.read(manage.get, name), dict(await request.form())
    return await run_in_threadpool(add_page.tested, request, app, source.type, form, name)


# -- schedule --------------------------------------------------------------------------------


@router.get("/schedule")
def schedule(request: Request, app: App, identity: Viewer, name: str) -> Response:
    """When it runs: in words, and the next five times in the source's timezone."""
    source = app.read(manage.get, name)
    version = conflicts.version(source.updated, _timing(source))
    return _schedule(request, app, source, source.schedule, source.timezone, version)


def _timing(source: Source) -> dict[str, Any]:
    return {"schedule": source.schedule, "timezone": source.timezone}


def _schedule(
    request: Request,
    app: Application,
    source: Source,
    text: str,
    zone: str,
    version: str,
    problem: Problem | None = None,
    conflict: Conflict | None = None,
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
        made_from=version,
        conflict=conflict,
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
    form = dict(await request.form())
    return await run_in_threadpool(_save_schedule, request, app, name, form, identity.actor)


def _save_schedule(
    request: Request, app: Application, name: str, form: Mapping[str, Any], actor: str
) -> Response:
    source, version = app.read(manage.get, name), conflicts.sent(form)
    text, zone = written(form), str(form.get("timezone", "UTC")).strip() or "UTC"
    try:
        jobs.outlook(text, zone)
        since = conflicts.since(form, source.updated, _timing(source))
        document = manage.apply(to_document(source), Edits(schedule=text, timezone=zone))
        confinement.save(app, document, test=False, update=True, actor=actor, if_updated=since)
    except ChangedError as error:
        source = app.read(manage.get, name)
        stored, typed = _timing(source), {"schedule": text, "timezone": zone}
        now = conflicts.version(source.updated, stored)
        found = conflicts.conflict(error.by, error.at, now, stored, typed)
        return _schedule(request, app, source, text, zone, version, conflict=found)
    except OpenRegisterError as error:
        return _schedule(request, app, source, text, zone, version, describe(error))
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
    version = conflicts.version(source.updated, _options(source))
    return _settings(request, app, source, source.options, source.on_missing, version)


def _options(source: Source) -> dict[str, Any]:
    return {**source.options, "on_missing": source.on_missing}


def _settings(
    request: Request,
    app: Application,
    source: Source,
    options: Mapping[str, Any],
    on_missing: str,
    version: str,
    problem: Problem | None = None,
    faults: Mapping[str, str] | None = None,
    conflict: Conflict | None = None,
) -> Response:
    form = Form(SourceOptions.model_json_schema(), "options")
    return frame(
        request,
        app,
        source,
        "settings",
        fields=form.fields(options, faults=faults),
        on_missing=on_missing,
        document=to_document(source),
        problem=problem,
        made_from=version,
        conflict=conflict,
    )


@router.post("/settings")
async def save_settings(request: Request, app: App, identity: RegisterAdmin, name: str) -> Response:
    """Store them."""
    form = dict(await request.form())
    return await run_in_threadpool(_save_settings, request, app, name, form, identity.actor)


def _save_settings(
    request: Request, app: Application, name: str, form: Mapping[str, Any], actor: str
) -> Response:
    source, version = app.read(manage.get, name), conflicts.sent(form)
    options: Mapping[str, Any] = source.options
    missing = str(form.get("on_missing", source.on_missing))
    try:
        options = Form(SourceOptions.model_json_schema(), "options").read(form)
        document = to_document(source)
        kept = {key: value for key, value in document.items() if key not in source.options}
        kept |= {**options, "on_missing": missing}
        since = conflicts.since(form, source.updated, _options(source))
        confinement.save(app, kept, test=False, update=True, actor=actor, if_updated=since)
    except ChangedError as error:
        source = app.read(manage.get, name)
        stored, typed = _options(source), {**options, "on_missing": missing}
        now = conflicts.version(source.updated, stored)
        found = conflicts.conflict(error.by, error.at, now, stored, typed)
        return _settings(request, app, source, options, missing, version, conflict=found)
    except OpenRegisterError as error:
        faults = error.faults if isinstance(error, ConfigurationError) else {}
        return _settings(request, app, source, options, missing, version, describe(error), faults)
    return redirect(f"/sources/{name}/settings", notice=_("Saved"))


@router.get("/document")
def document(app: App, identity: Viewer, name: str) -> Response:
    """The source as a document for `source:import`, without secrets."""
    text = answers.indented(answers.plain(to_document(app.read(manage.get, name))))
    headers = {"Content-Disposition": f'attachment; filename="{name}.json"'}
    return PlainTextResponse(text + "\n", media_type="application/json", headers=headers)


@router.post("/delete")
def delete(
    app: App, identity: RegisterAdmin, name: str, confirm: Annotated[str, FormField()] = ""
) -> Response:
    """Delete the source; its objects are kept."""
    app.read(manage.get, name)
    confirmation.require(confirm, name)
    app.write(manage.delete, name)
    said = _("Deleted source %s. Its objects remain in their registers.") % name
    return redirect("/sources", notice=said)
