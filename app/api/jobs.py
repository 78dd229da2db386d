"""`/jobs`: background work, what is planned, running and done."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
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
from app.errors import ConflictError
from app.http.identity import Admin, App, RegisterAdmin, Viewer
from app.operations import jobs
from jobs import store
from jobs.model import Job

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("", responses={200: {"model": Listed}, **problems()})
def list_jobs(
    request: Request, app: App, identity: Viewer, page: PageNumber = 1, limit: PageLimit = 100
) -> Response:
    """List the jobs: the running ones, then by when they come."""
    found = jobs.listing(app)
    documents = [_document(job, found.title(job), found.now) for job in found.jobs]
    return answer(request, listed(documents, page, limit))


@router.get("/{job}", responses={200: {"model": Document}, **problems(404)})
def show_job(request: Request, app: App, identity: Viewer, job: JobId) -> Response:
    """Show a job and its latest attempts."""
    found = jobs.get(app, job)
    with app.engine.connect() as connection:
        now = store.clock(connection)
    title = jobs.titles(app).get(found.name, found.name)
    attempts = jobs.history(app, job_id=job, limit=50)
    return answer(request, {**_document(found, title, now), "attempts": attempts})


@router.post(
    "/{job}/run", status_code=202, responses={202: {"model": Document}, **problems(404, 409)}
)
def run_job(request: Request, app: App, identity: RegisterAdmin, job: JobId) -> Response:
    """Make a job due now."""
    found = jobs.get(app, job)
    with app.engine.begin() as connection:
        if not store.run_now(connection, job):
            raise ConflictError(f"Job {found.name} is disabled", hint="Enable its source first")
    return answer(request, {"job": job}, status=202)


@router.post(
    "/{job}/cancel", status_code=202, responses={202: {"model": Document}, **problems(404)}
)
def cancel_job(request: Request, app: App, identity: RegisterAdmin, job: JobId) -> Response:
    """Ask a running job to stop at the next good place."""
    jobs.get(app, job)
    with app.engine.begin() as connection:
        asked = store.cancel(connection, job)
    return answer(request, {"job": job, "asked": asked}, status=202)


@router.delete("/{job}", status_code=204, responses=problems(404))
def delete_job(app: App, identity: Admin, job: JobId) -> None:
    """Remove a job; whoever runs it can record no more."""
    jobs.delete(app, job)


def _document(job: Job, title: str, now: datetime) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "title": title,
        "handler": job.handler,
        "state": job.state(now),
        "schedule": job.schedule,
        "timezone": job.timezone,
        "next_run": job.next_run,
        "last_run": job.last_run,
        "last_state": job.last_state,
        "last_error": job.last_error,
        "failures": job.failures,
        "host": job.reserved_by,
        "pid": job.reserved_pid,
        "lease_until": job.lease_until,
    }
