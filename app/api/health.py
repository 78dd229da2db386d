"""`/health`: whether the instance works; signed-in users also see the checks."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api._answers import Document, answer
from app.http.identity import App, MaybeIdentity
from app.operations import health as checking
from app.operations.health import Check, Health
from app.version import __version__

router = APIRouter(tags=["about"])


@router.get("/health", responses={200: {"model": Document}, 503: {"model": Document}})
def health(request: Request, app: App, identity: MaybeIdentity) -> Response:
    """Answer 200 with `ok` or `warning`, 503 with `failing`.

    `failing`: the database is down, or not at the revision that this version needs. `warning`:
    background:cron has stalled, jobs wait too long, rows stay rejected, or a source is in error or
    out of date. Signed-in users also get the individual `checks`.
    """
    checks = {check.name: check for check in checking.of_database(app.engine)}
    state = checking.verdict(checks.values())
    document: dict[str, Any] = {"status": state.value}
    if identity is not None:
        wrong = [check for check in checks.values() if check.state is not Health.OK]
        document |= {
            "version": __version__,
            "checks": [check.as_json() for check in checks.values()],
            "warnings": [check.message for check in wrong],
            "sources_in_error": _subjects(checks.get("sources")),
            "sources_not_fresh": _subjects(checks.get("freshness")),
            "sources_with_rejected_rows": _subjects(checks.get("rejected")),
        }
    return answer(request, document, status=503 if state is Health.FAILING else 200)


def _subjects(check: Check | None) -> list[str]:
    return list(check.subjects) if check else []
