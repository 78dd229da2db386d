"""`/jobs`: background jobs, planned, running and done."""

from __future__ import annotations

from typing import Annotated

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
from app.documents.job import attempt_document, job_document
from app.http.identity import Admin, App, RegisterAdmin, Viewer
from app.operations import jobs

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("", responses={200: {"model": Listed}, **problems()})
def list_jobs(
    request: Request, app: App, identity: Viewer, page: PageNumber = 1, limit: PageLimit = 100
) -> Response:
    """List the jobs: running ones first, then by next run."""
    found = app.read(jobs.listing)
    documents = [job_document(found, job) for job in found.jobs]
    return answer(request, listed(documents, page, limit))


@router.get("/{job}", responses={200: {"model": Document}, **problems(404)})
def show_job(request: Request, app: App, identity: Viewer, job: JobId) -> Response:
    """Show a job and its latest attempts."""
    found = app.read(jobs.show, job)
    attempts = app.read(jobs.history, job_id=job, limit=50)
    document = job_document(found, found.jobs[0])
    told = [attempt_document(attempt, found.titles) for attempt in attempts]
    return answer(request, {**document, "attempts": told})


@router.post(
    "/{job}/run", status_code=202, responses={202: {"model": Document}, **problems(404, 409)}
)
def run_job(request: Request, app: App, identity: RegisterAdmin, job: JobId) -> Response:
    """Make a job due now."""
    app.write(jobs.due_now, job)
    return answer(request, {"job": job}, status=202)


@router.post(
    "/{job}/cancel", status_code=202, responses={202: {"model": Document}, **problems(404)}
)
def cancel_job(request: Request, app: App, identity: RegisterAdmin, job: JobId) -> Response:
    """Ask a running job to stop at the next safe point."""
    asked = app.write(jobs.cancel, job)
    return answer(request, {"job": job, "asked": asked}, status=202)


@router.delete("/{job}", status_code=204, responses=problems(404))
def delete_job(app: App, identity: Admin, job: JobId) -> None:
    """Delete a job; a running one can record nothing more."""
    app.write(jobs.delete, job)
