"""The frame of a source's page: header, toolbar, progress, tabs."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import Response

from app.application import Application
from app.operations import following, status
from app.operations.following import Progress
from app.sources.model import Source
from app.sources.warnings import unchecked_tls
from app.sync import report
from app.sync.model import SETTLED, Run
from app.sync.report import RunState
from app.web.filters import IN_FORCE
from app.web.languages import gettext as _
from app.web.rendering import page

TABS = {
    "connection": _("Connection"),
    "mapping": _("Mapping"),
    "schedule": _("Schedule"),
    "runs": _("Runs"),
    "objects": _("Objects"),
    "settings": _("Settings"),
}


def frame(request: Request, app: Application, source: Source, tab: str, **context: Any) -> Response:
    """A tab of a source's page; its template is `source/<tab>.html` unless `template` says."""
    template = context.pop("template", f"source/{tab}.html")
    progress = following.progress(app, source)
    where = app.read(status.one, source)
    return page(
        request,
        template,
        source=source,
        tab=tab,
        tabs=TABS,
        progress=progress,
        shown=shown(progress),
        fresh=where.fresh,
        health=where.health,
        standing=unchecked_tls(source),
        **context,
    )


def shown(progress: Progress) -> dict[str, Any]:
    """The content of the strip below the header, for the page and its script."""
    run = progress.run
    nothing: dict[str, Any] = {
        "sentence": "",
        "detail": "",
        "message": "",
        "warnings": (),
        "evidence": "",
        "rejected_before": 0,
        "undecided": False,
    }
    if progress.state == "queued":
        said = {"sentence": _("Running…"), "detail": _("waiting for a worker")}
        return {**nothing, **said, "state": "queued"}
    if run is None:
        return {**nothing, "state": "never"}
    return {
        "state": progress.state,
        "run": run.id,
        "sentence": sentence(run),
        "detail": run.counters.details(IN_FORCE),
        "message": run.message or "",
        "warnings": run.warnings,
        "counters": run.counters.as_dict(),
        "total": run.total,
        "started": run.started,
        "finished": run.finished,
        "duration_s": round(run.duration, 3),
        "retry_at": progress.retry_at,
        "rejected_before": run.rejected_before,
        "evidence": evidence(run),
        "undecided": run.full and not run.complete and run.state in SETTLED,
    }


def evidence(run: Run) -> str:
    """Why the run was complete, or that nothing proves it; empty for an incomplete one."""
    if run.state not in SETTLED:
        return ""
    return report.evidence(run.complete, run.complete_because, IN_FORCE)


def sentence(run: Run) -> str:
    """`Running…`, then `Done — N created, N updated, N errors`; another word if incomplete."""
    if run.state is RunState.RUNNING:
        return _("Running…")
    return report.closing(run.state, run.counters, run.rejected_before, IN_FORCE)
