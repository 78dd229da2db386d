"""`/connectors`: the types of sources, and their settings."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api._answers import (
    Document,
    Listed,
    PageLimit,
    PageNumber,
    answer,
    listed,
    problems,
)
from app.errors import NotFoundError
from app.http.identity import App, Viewer
from app.sources.settings import connector_types

router = APIRouter(prefix="/connectors", tags=["connectors"])


@router.get("", responses={200: {"model": Listed}, **problems()})
def list_connectors(
    request: Request, app: App, identity: Viewer, page: PageNumber = 1, limit: PageLimit = 100
) -> Response:
    """List the installed connectors."""
    return answer(request, listed(connector_types.types(), page, limit))


@router.get("/{type_name}", responses={200: {"model": Document}, **problems(404, 502)})
def show_connector(request: Request, app: App, identity: Viewer, type_name: str) -> Response:
    """Show a connector and the JSON Schema of its settings."""
    for found in connector_types.types():
        if found["type"] == type_name:
            return answer(request, {**found, "schema": connector_types.schema(type_name)})
    raise NotFoundError(f"There is no connector {type_name!r}", hint="`GET /api/connectors`")
