"""`/metrics`: metrics for Prometheus, read from the database on request."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.responses import PlainTextResponse, Response

from app.http.identity import App, Viewer
from app.operations.metrics import Figures

router = APIRouter(tags=["about"])


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(app: App, identity: Viewer) -> Response:
    """Runs, rows, durations, jobs, the age of the last cron tick, freshness."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(app))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
