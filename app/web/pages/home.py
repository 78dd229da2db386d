"""Home: what needs attention, what the last days brought, what runs next."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.http.identity import App, RegisterAdmin, Viewer
from app.operations import history, sample, status
from app.operations.source_health import Condition
from app.web import answers
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import page, redirect

router = APIRouter(dependencies=[Depends(speak)])

NEXT = 5
"""Sources shown among those that run next."""


@router.get("/")
def home(request: Request, app: App, identity: Viewer) -> Response:
    """What an administrator looks at first."""
    every = app.read(status.sources)
    worst = list(Condition)[::-1]
    attention = sorted(
        (one for one in every if one.health.condition in (Condition.FAILING, Condition.ATTENTION)),
        key=lambda one: worst.index(one.health.condition),
    )
    days = app.read(history.days)
    alarms = app.read(status.warnings)
    if answers.wants_json(request):
        found = {
            one.source.name: [reason.as_json() for reason in one.health.reasons]
            for one in attention
        }
        return answers.as_json({"attention": found, "days": days, "warnings": alarms})
    planned = [one for one in every if one.source.enabled and one.next_run is not None]
    return page(
        request,
        "home.html",
        attention=attention,
        alarms=alarms,
        days=days,
        ran=any(day.runs for day in days),
        following=sorted(planned, key=lambda one: str(one.next_run))[:NEXT],
        healthy=sum(one.health.condition is Condition.HEALTHY for one in every),
        known=len(every),
    )


@router.post("/sample-data")
def try_it(app: App, identity: RegisterAdmin) -> Response:
    """Create a register, a schema and a source of the examples."""
    source = sample.add(app, actor=identity.actor)
    said = _("The sample is ready. Choose Run now to fill the register.")
    return redirect(f"/sources/{source.name}/runs", notice=said)
