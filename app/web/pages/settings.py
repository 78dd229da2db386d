"""Settings of the instance: defaults of sources, queue, retention, maintenance, alerts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.application import Application
from app.errors import ChangedError, ConfigurationError
from app.http.identity import Admin, App
from app.http.revisions import moment
from app.operations import configuration
from app.operations.configuration import Change
from app.web import answers, conflicts
from app.web.conflicts import Conflict
from app.web.forms import label
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import page, redirect

router = APIRouter(prefix="/settings", dependencies=[Depends(speak)])

TITLES = {
    "source": _("Defaults for sources"),
    "network": _("Network"),
    "queue": _("Background jobs"),
    "retention": _("Retention"),
    "maintenance": _("Maintenance"),
    "alerts": _("Alerts"),
}


@router.get("")
def show(request: Request, app: App, identity: Admin) -> Response:
    """Every setting with its default."""
    if answers.wants_json(request):
        found = app.read(configuration.overview)
        return answers.table([{**answers.plain(v), "help": known.help} for known, v in found])
    return _show(request, app, {}, {}, _version(app.read(configuration.latest_change)))


def _show(
    request: Request,
    app: Application,
    given: dict[str, str],
    faults: dict[str, str],
    version: str,
    conflict: Conflict | None = None,
) -> Response:
    found = app.read(configuration.overview)
    groups = [
        (group, TITLES.get(group, group), [(*line, label(_last(line[0].key))) for line in lines])
        for group, lines in groupby(found, key=lambda line: line[0].key.partition(".")[0])
    ]
    return page(
        request,
        "settings.html",
        status_code=409 if conflict else 422 if faults else 200,
        groups=groups,
        given=given,
        faults=faults,
        made_from=version,
        conflict=conflict,
    )


def _version(change: Change | None) -> str:
    return conflicts.version(change.at) if change else "0"


@router.post("")
async def save(request: Request, app: App, identity: Admin) -> Response:
    """Store changed settings; empty means the default."""
    return await run_in_threadpool(_save, request, app, dict(await request.form()), identity.actor)


def _save(request: Request, app: Application, form: dict[str, Any], actor: str) -> Response:
    given, version = {n: str(v) for n, v in form.items()}, conflicts.sent(form)
    try:
        since = moment(version) if "version" in form else None
        edits = _given(app, form)
        app.write(configuration.change, edits, app.box, actor=actor, if_updated=since)
    except ChangedError as error:
        found = app.read(configuration.overview)
        stored = {known.key: value.value for known, value in found if not known.secret}
        typed = {key: form.get(key, value) for key, value in stored.items()}
        shown = {key: configuration.as_text(value) for key, value in stored.items()}
        now = _version(app.read(configuration.latest_change))
        conflict = conflicts.conflict(error.by, error.at, now, shown, typed)
        return _show(request, app, given, {}, version, conflict)
    except ConfigurationError as error:
        return _show(request, app, given, error.faults, version)
    return redirect("/settings", notice=_("Saved"))


def _given(app: Application, form: Mapping[str, Any]) -> dict[str, str]:
    """The texts to store by key; a secret that was left empty is unchanged."""
    given = {}
    for known, _value in app.read(configuration.overview):
        text = str(form.get(known.key, "")).strip()
        cleared = f"{known.key}.clear" in form
        if text or cleared or (known.key in form and not known.secret):
            given[known.key] = text
    return given


def _last(key: str) -> str:
    return key.rpartition(".")[2]
