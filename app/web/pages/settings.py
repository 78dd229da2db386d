"""Settings of the instance: defaults of sources, queue, retention, maintenance, alerts."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.application import Application
from app.errors import ConfigurationError
from app.http.identity import Admin, App
from app.operations import configuration
from app.web import answers
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
    return _show(request, app, {}, {})


def _show(
    request: Request, app: Application, given: dict[str, str], faults: dict[str, str]
) -> Response:
    found = app.read(configuration.overview)
    groups = [
        (group, TITLES.get(group, group), [(*line, label(_last(line[0].key))) for line in lines])
        for group, lines in groupby(found, key=lambda line: line[0].key.partition(".")[0])
    ]
    status = 422 if faults else 200
    return page(
        request, "settings.html", status_code=status, groups=groups, given=given, faults=faults
    )


@router.post("")
async def save(request: Request, app: App, identity: Admin) -> Response:
    """Store changed settings; empty means the default."""
    return await run_in_threadpool(_save, request, app, dict(await request.form()))


def _save(request: Request, app: Application, form: dict[str, Any]) -> Response:
    faults: dict[str, str] = {}
    for known, value in app.read(configuration.overview):
        if known.key not in form and f"{known.key}.clear" not in form:
            continue
        text = str(form.get(known.key, "")).strip()
        if known.secret and not text and f"{known.key}.clear" not in form:
            continue
        if not known.secret and text == as_text(value.value):
            continue
        try:
            if text and text != as_text(known.default):
                app.write(configuration.put, known.key, text, app.box)
            else:
                app.write(configuration.reset, known.key)
        except ConfigurationError as error:
            faults |= error.faults
    if faults:
        return _show(request, app, {n: str(v) for n, v in form.items()}, faults)
    return redirect("/settings", notice=_("Saved"))


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def as_text(value: Any) -> str:
    """A value as shown in its input."""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
