"""Background jobs: what runs where, what is due, what became of the last attempts."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.http.identity import Admin, App, RegisterAdmin, Viewer
from app.operations import jobs, status
from app.sources import jobs as scheduling
from app.web import answers
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import page, redirect

router = APIRouter(prefix="/jobs", dependencies=[Depends(speak)])


@router.get("")
def listing(request: Request, app: App, identity: Viewer) -> Response:
    """The jobs, and the latest attempts."""
    found = jobs.listing(app)
    attempts = jobs.history(app, limit=30)
    rows = [
        {
            "id": job.id,
            "title": found.title(job),
            "source": found.titles.get(job.name),
            "state": job.state(found.now),
            "schedule": job.schedule,
            "next_run": job.next_run,
            "last_run": job.last_run,
            "last_state": job.last_state,
            "failures": job.failures,
            "host": job.reserved_by,
            "error": job.last_error,
            "enabled": job.enabled,
        }
        for job in found.jobs
    ]
    if answers.wants_json(request):
        return answers.table(rows)
    return page(
        request,
        "jobs.html",
        jobs=rows,
        attempts=attempts,
        titles=found.titles,
        alarms=status.warnings(app),
    )


@router.get("/history")
def history(request: Request, app: App, identity: Viewer, job: int | None = None) -> Response:
    """The latest attempts, of one job or of all, as JSON."""
    return answers.table(jobs.history(app, job_id=job, limit=200))


@router.post("/{job_id}/run")
def run(app: App, identity: RegisterAdmin, job_id: int) -> Response:
    """Let a worker run it as soon as it can."""
    scheduling.due_now(app, job_id)
    return redirect("/jobs", notice=_("The job is due now. A worker will run it."))


@router.post("/{job_id}/delete")
def delete(app: App, identity: Admin, job_id: int) -> Response:
    """Remove it; a source's schedule makes it anew when it is saved."""
    jobs.delete(app, job_id)
    return redirect("/jobs", notice=_("Deleted"))
