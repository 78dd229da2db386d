"""The list of data sources."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.documents.source import source_line
from app.http.identity import App, Viewer
from app.operations import status as overview
from app.operations.status import SourceStatus
from app.web import answers
from app.web.languages import speak
from app.web.rendering import page

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
