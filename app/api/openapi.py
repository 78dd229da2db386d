"""`/openapi.json`: the API in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from app.http.identity import Viewer

router = APIRouter(tags=["about"])


@router.get("/openapi.json")
def document(request: Request, identity: Viewer) -> dict[str, Any]:
    """This document."""
    described: dict[str, Any] = request.app.openapi()
    return described
