"""The audit trail, and its verification."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.audit import verify as audit
from app.audit.store import Place
from app.errors import UsageError
from app.http import patience
from app.http.identity import App, Viewer
from app.http.patience import Gone
from app.operations import status
from app.web import answers
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import page

router = APIRouter(prefix="/audit", dependencies=[Depends(speak)])

PER_PAGE = 50


@router.get("")
def entries(
    request: Request,
    app: App,
    identity: Viewer,
    source: str = "",
    run: int | None = None,
    object: UUID | None = None,  # noqa: A002
    after: str = "",
) -> Response:
    """Latest entries first."""
    found = audit.entries(
        app,
        object_uuid=object,
        source=source or None,
        run_id=run,
        after=_place(after) if after else None,
        limit=PER_PAGE + 1,
    )
    shown = found[:PER_PAGE]
    last = shown[-1] if len(found) > PER_PAGE else None
    following = f"{last.created.isoformat()}_{last.chain_id}_{last.position}" if last else None
    if answers.wants_json(request):
        return answers.table(shown, next=following)
    return page(
        request,
        "audit.html",
        entries=shown,
        next=following,
        asked={"source": source, "run": run or "", "object": object or ""},
        sources=app.read(status.names),
    )


@router.post("/verify")
def verify(request: Request, app: App, identity: Viewer, gone: Gone) -> Response:
    """Recompute every chain within the time limit of a page; part of the page."""
    found = audit.verify(app, should_stop=patience.expired(gone))
    if answers.wants_json(request):
        return answers.as_json(found)
    return page(request, "parts/verified.html", found=found)


def _place(text: str) -> Place:
    try:
        moment, chain, position = text.split("_")
        return Place(datetime.fromisoformat(moment), int(chain), int(position))
    except ValueError:
        raise UsageError(
            _("This is not a valid position in the audit trail"), hint=_("Start at /audit")
        ) from None
