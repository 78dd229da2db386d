"""Background jobs: what runs where, what is due, and the latest attempts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from app.documents.job import attempt_document, job_document
from app.http.identity import Admin, App, RegisterAdmin, Viewer
from app.operations import jobs, status
from app.web import answers, confirmation
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.rendering import page, redirect

router = APIRouter(prefix="/jobs", dependencies=[Depends(speak)])


@router.get("")
def listing(request: Request, app: App, identity: Viewer) -> Response:
    """The jobs, and the latest attempts."""
    found = app.read(jobs.listing)
    attempts = app.read(jobs.history, limit=30)
    rows = [job_document(found, job) for job in found.jobs]
    if answers.wants_json(request):
        return answers.table(rows)
    return page(
        request,
        "jobs.html",
        jobs=rows,
        attempts=[attempt_document(attempt, found.titles) for attempt in attempts],
        alarms=app.read(status.warnings),
    )


@router.get("/history")
def history(request: Request, app: App, identity: Viewer, job: int | None = None) -> Response:
    """The latest attempts, of one job or of all, as JSON."""
    titles = app.read(jobs.titles)
    found = app.read(jobs.history, job_id=job, limit=200)
    return answers.table([attempt_document(attempt, titles) for attempt in found])


@router.post("/{job_id}/run")
def run(app: App, identity: RegisterAdmin, job_id: int) -> Response:
    """Let a worker run it as soon as it can."""
    app.write(jobs.due_now, job_id)
    return redirect("/jobs", notice=_("The job is due now. A worker will run it."))


@router.post("/{job_id}/delete")
def delete(
    app: App, identity: Admin, job_id: int, confirm: Annotated[str, Form()] = ""
) -> Response:
    """Delete it; a source's job is created again when its schedule is saved."""
    found = app.read(jobs.listing)
    title = next((found.title(job) for job in found.jobs if job.id == job_id), None)
    if title is not None:
        confirmation.require(confirm, title)
    app.write(jobs.delete, job_id)
    return redirect("/jobs", notice=_("Deleted"))
