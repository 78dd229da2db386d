"""`/audit-trails` and `/audit/verify`: who changed what, and its verification."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import StringConstraints
from starlette.responses import Response

from app.api._answers import Document, Listed, answer, paged, problems
from app.api._audit import entry_document
from app.audit import verify as audit
from app.audit.store import AuditEntry, Place
from app.errors import UsageError
from app.http import patience
from app.http.documents import moment
from app.http.identity import App, Viewer
from app.http.patience import Gone

router = APIRouter(tags=["audit"])

DEEPEST = 10_000
"""Entries reachable by numbered pages; the cursor reaches all."""

Name = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00]*$")]


@router.get("/audit-trails", responses={200: {"model": Listed}, **problems(400, 404)})
def list_entries(
    request: Request,
    app: App,
    identity: Viewer,
    object_uuid: Annotated[UUID | None, Query(alias="object")] = None,
    source: Annotated[Name | None, Query(description="Name of the source that wrote them")] = None,
    run: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    page: Annotated[int, Query(alias="_page", ge=1, le=DEEPEST)] = 1,
    limit: Annotated[int, Query(alias="_limit", ge=1, le=1000)] = 100,
    cursor: Annotated[
        str | None, Query(alias="_cursor", max_length=100, description="From Link: next")
    ] = None,
) -> Response:
    """List audit entries, latest first. Follow `Link: next` for all of them."""
    after = None if cursor is None else _place(cursor)
    if after is None and page * limit > DEEPEST:
        raise UsageError(
            f"Numbered pages only reach the latest {DEEPEST:,} entries",
            hint="Follow the Link header with rel=next, which reaches all",
        )
    wanted = limit if after is not None else page * limit
    found = audit.entries(
        app,
        object_uuid=object_uuid,
        source=source,
        run_id=run,
        after=after,
        limit=wanted + 1,
    )
    more = len(found) > wanted
    shown = found[wanted - limit : wanted]
    total = audit.count(app, object_uuid=object_uuid, source=source, run_id=run)
    document = paged([entry_document(entry) for entry in shown], total, page, limit)
    headers = {}
    if more:
        following = request.url.remove_query_params(["_page", "_cursor"])
        following = following.include_query_params(_cursor=_cursor(shown[-1]))
        headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return answer(request, document, headers=headers)


@router.get("/audit/verify", responses={200: {"model": Document}, **problems(404)})
def verify(
    request: Request,
    app: App,
    identity: Viewer,
    gone: Gone,
    source: Annotated[Name | None, Query()] = None,
) -> Response:
    """Recompute the chains and the hashes of the objects, for at most 20 seconds.

    `complete` is false if that did not cover all of them, and `ok` is true only if it did;
    `openregister audit:verify` on the host has no such limit.
    """
    found = audit.verify(app, source=source, should_stop=patience.expired(gone))
    document: dict[str, Any] = {
        "ok": found.ok and found.complete,
        "complete": found.complete,
        "chains": found.chains,
        "entries": found.entries,
        "objects": found.objects,
        "faults": found.count,
        "first_faults": [
            {
                "what": fault.what,
                "source": fault.source,
                "lane": fault.lane,
                "position": fault.position,
                "object": fault.object,
            }
            for fault in found.faults
        ],
        "heads": found.heads,
    }
    return answer(request, document)


def _cursor(entry: AuditEntry) -> str:
    return f"{moment(entry.created)}_{entry.chain_id}_{entry.position}"


def _place(cursor: str) -> Place:
    created, _, rest = cursor.partition("_")
    chain, _, position = rest.partition("_")
    try:
        place = Place(datetime.fromisoformat(created), int(chain), int(position))
    except ValueError:
        place = None
    if place is None or place.created.tzinfo is None or max(place[1:]) >= 2**31:
        raise UsageError("_cursor is not a cursor of a page", hint="Follow the Link header")
    return place
