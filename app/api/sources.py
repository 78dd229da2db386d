"""`/sources`: manage, test, preview and run sources. Secrets are write-only."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api._answers import (
    Document,
    IfMatch,
    Listed,
    PageLimit,
    PageNumber,
    answer,
    listed,
    paged,
    problems,
)
from app.documents.run import run_document
from app.documents.source import (
    completeness,
    preview_document,
    saved_document,
    source_document,
    source_line,
    tested_document,
)
from app.errors import ConflictError, UsageError
from app.http.identity import App, RegisterAdmin, Viewer
from app.http.patience import Gone, working
from app.http.revisions import precondition, token
from app.operations import status as standing
from app.registers.ownership import merge_patch
from app.sources import confinement, decision, jobs, manage, preview, testing
from app.sources.manage import Saved
from app.sources.model import Source, to_document
from app.sync import runs as run_history
from app.sync.after import held, rejects
from app.sync.model import Run

router = APIRouter(prefix="/sources", tags=["sources"])

LONGEST_WAIT = 30.0
_LOOK_EVERY = 0.25

SourceJson = Annotated[
    dict[str, Any],
    Body(description="The document of `source:export`, with secrets in their places"),
]
Test = Annotated[bool, Query(description="Test the connection before anything is stored")]


class Approval(BaseModel):
    """The maximum number of deletions to approve."""

    model_config = ConfigDict(extra="forbid")

    ceiling: int = Field(ge=0, le=2**63 - 1)


@router.get("", responses={200: {"model": Listed}, **problems()})
def list_sources(
    request: Request, app: App, identity: Viewer, page: PageNumber = 1, limit: PageLimit = 100
) -> Response:
    """List the sources with their status."""
    found = [source_line(one) for one in app.read(standing.sources)]
    return answer(request, listed(found, page, limit))


@router.post(
    "", status_code=201, responses={201: {"model": Document}, **problems(400, 404, 409, 502)}
)
def create_source(
    request: Request, app: App, identity: RegisterAdmin, body: SourceJson, test: Test = True
) -> Response:
    """Add a source."""
    saved = confinement.save(app, body, test=test, update=False, actor=identity.actor)
    headers = {"Location": f"/api/sources/{saved.source.name}"}
    return _stored(request, app, saved, status=201, headers=headers)


@router.get("/{name}", responses={200: {"model": Document}, **problems(404)})
def show_source(request: Request, app: App, identity: Viewer, name: str) -> Response:
    """Show a source, its status, and its document without secrets."""
    return _shown(request, app, app.read(manage.get, name))


@router.put("/{name}", responses={200: {"model": Document}, **problems(400, 404, 409, 412, 502)})
def replace_source(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    name: str,
    body: SourceJson,
    test: Test = True,
    if_match: IfMatch = None,
) -> Response:
    """Replace a source's definition; missing secrets keep their stored values."""
    document = {"name": name, **body}
    if document["name"] != name:
        raise UsageError("The name in the document differs from the URL")
    app.read(manage.get, name)
    with precondition(if_match) as since:
        saved = confinement.save(
            app, document, test=test, update=True, actor=identity.actor, if_updated=since
        )
    return _stored(request, app, saved)


@router.patch("/{name}", responses={200: {"model": Document}, **problems(400, 404, 409, 412, 502)})
def change_source(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    name: str,
    body: SourceJson,
    test: Test = True,
    if_match: IfMatch = None,
) -> Response:
    """Change some members of a source's document (JSON Merge Patch)."""
    source = app.read(manage.get, name)
    document = {"name": name, **merge_patch(to_document(source), body)}
    if document["name"] != name:
        raise UsageError("The name in the document differs from the URL")
    with precondition(if_match) as since:
        saved = confinement.save(
            app,
            document,
            test=test,
            update=True,
            actor=identity.actor,
            if_updated=since or source.updated,
        )
    return _stored(request, app, saved)


@router.delete("/{name}", responses={200: {"model": Document}, **problems(404, 409, 412)})
def delete_source(
    request: Request, app: App, identity: RegisterAdmin, name: str, if_match: IfMatch = None
) -> Response:
    """Delete a source; its objects and their audit trail are kept."""
    with precondition(if_match) as since:
        left = app.write(manage.delete, name, if_updated=since)
    return answer(request, {"name": name, "deleted": True, "objects_left": left})


@router.post("/{name}/test", responses={200: {"model": Document}, **problems(404, 409, 502)})
def test_source(
    request: Request, app: App, identity: RegisterAdmin, gone: Gone, name: str
) -> Response:
    """Test the connection, and map the first rows."""
    with working(gone):
        tested = testing.test(app, name, stop=gone)
    return answer(request, tested_document(name, tested))


@router.post("/{name}/preview", responses={200: {"model": Document}, **problems(404, 409, 502)})
def preview_source(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    gone: Gone,
    name: str,
    limit: Annotated[int, Query(alias="_limit", ge=1, le=1000)] = 10,
) -> Response:
    """Show what the first rows would become, without writing."""
    with working(gone):
        sample = preview.preview(app, name, limit=limit, stop=gone)
    document = {
        "results": [preview_document(row) for row in sample.rows],
        "warnings": sample.warnings,
        "evidence": sample.evidence,
    }
    return answer(request, document)


@router.post(
    "/{name}/run",
    status_code=202,
    responses={200: {"model": Document}, 202: {"model": Document}, **problems(404, 409)},
)
def run_source(
    request: Request,
    app: App,
    identity: RegisterAdmin,
    name: str,
    wait: Annotated[
        float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for the end")
    ] = 0,
) -> Response:
    """Let a worker run the source now: 202 with the job, or 200 with the finished run."""
    source = app.read(manage.get, name)
    if not source.enabled:
        raise ConflictError(f"Source {name} is disabled", hint="Enable it first")
    job = app.write(jobs.run_soon, source, actor=identity.actor)
    run = _finished(request, source.id, source.last_run_id or 0, wait)
    if run is not None:
        return answer(request, run_document(run))
    runs = f"/api/sources/{name}/runs"
    document = {"job": job, "source": name, "runs": runs}
    return answer(request, document, status=202, headers={"Location": runs})


def _finished(request: Request, source_id: int, last: int, wait: float) -> Run | None:
    """The run after `last`, once it has ended; None if that takes longer."""
    app = request.app.state.application
    until = time.monotonic() + wait
    while time.monotonic() < until:
        time.sleep(_LOOK_EVERY)
        found = app.read(run_history.history, source_id, limit=1)
        if found and found[0].id > last and found[0].finished is not None:
            latest: Run = found[0]
            return latest
    return None


@router.get("/{name}/runs", responses={200: {"model": Listed}, **problems(404)})
def list_runs(
    request: Request,
    app: App,
    identity: Viewer,
    name: str,
    page: Annotated[int, Query(alias="_page", ge=1, le=10_000)] = 1,
    limit: PageLimit = 50,
) -> Response:
    """List a source's runs, latest first."""
    source = app.read(manage.get, name)
    found = app.read(run_history.history, source.id, limit=page * limit)
    shown = [run_document(run) for run in found[(page - 1) * limit :]]
    return answer(request, paged(shown, app.read(run_history.count, source.id), page, limit))


@router.get("/{name}/errors", responses={200: {"model": Listed}, **problems(404)})
def list_errors(
    request: Request,
    app: App,
    identity: Viewer,
    name: str,
    run: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    page: Annotated[int, Query(alias="_page", ge=1, le=10_000)] = 1,
    limit: PageLimit = 100,
) -> Response:
    """List the rows in quarantine with their errors."""
    found = rejects.rows(app, name, run_id=run, limit=page * limit)
    total = rejects.count(app, name, run_id=run)
    return answer(request, paged(found[(page - 1) * limit :], total, page, limit))


@router.get("/{name}/deletes", responses={200: {"model": Listed}, **problems(404)})
def list_deletes(
    request: Request,
    app: App,
    identity: Viewer,
    name: str,
    page: PageNumber = 1,
    limit: PageLimit = 100,
) -> Response:
    """List the deletions that wait for approval, at most 1,000."""
    return answer(request, listed(held.held(app, name), page, limit))


@router.post(
    "/{name}/deletes",
    status_code=202,
    responses={202: {"model": Document}, **problems(404)},
)
def approve_deletes(
    request: Request, app: App, identity: RegisterAdmin, name: str, body: Approval
) -> Response:
    """Let a worker delete what waits, if it is at most `ceiling` then; 202 with the job.

    It becomes a run of the source, which is cancelled without deleting if more deletions wait.
    """
    source = app.read(manage.get, name)
    job = app.write(jobs.approve_soon, source, body.ceiling, actor=identity.actor)
    runs = f"/api/sources/{name}/runs"
    document = {"job": job, "source": name, "runs": runs}
    return answer(request, document, status=202, headers={"Location": runs})


@router.post("/{name}/cancel", responses={200: {"model": Document}, **problems(404)})
def cancel_run(request: Request, app: App, identity: RegisterAdmin, name: str) -> Response:
    """Ask a running sync to stop after its batch."""
    run = app.write(run_history.request_cancel, app.read(manage.get, name).id)
    return answer(request, {"source": name, "run": run.id if run else None})


@router.post("/{name}/enable", responses={200: {"model": Document}, **problems(404)})
def enable_source(request: Request, app: App, identity: RegisterAdmin, name: str) -> Response:
    """Let a source run again, and reset its failures."""
    source = app.write(manage.set_enabled, name, True, actor=identity.actor)
    return _shown(request, app, source)


@router.post("/{name}/complete", responses={200: {"model": Document}, **problems(404, 502)})
def state_complete(request: Request, app: App, identity: RegisterAdmin, name: str) -> Response:
    """Confirm that the source returns everything, if its test asks that.

    The source is tested again, and the `decision` of that test becomes part of its connection.
    """
    check = decision.decide_from_outside(app, name, actor=identity.actor)
    return answer(request, {"source": name, **completeness(name, check)})


@router.delete("/{name}/findings", responses={200: {"model": Document}, **problems(404)})
def forget_findings(request: Request, app: App, identity: RegisterAdmin, name: str) -> Response:
    """Accept a changed form of the source: the next run detects it again."""
    source = app.write(manage.forget_findings, name, actor=identity.actor)
    return _shown(request, app, source)


@router.post("/{name}/disable", responses={200: {"model": Document}, **problems(404)})
def disable_source(request: Request, app: App, identity: RegisterAdmin, name: str) -> Response:
    """Stop a source from running; its objects are kept."""
    source = app.write(manage.set_enabled, name, False, actor=identity.actor)
    return _shown(request, app, source)


def _shown(request: Request, app: App, source: Source) -> Response:
    document = source_document(app.read(standing.details, source))
    return answer(request, document, version=token(source.updated))


def _stored(
    request: Request,
    app: App,
    saved: Saved,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    document = saved_document(app.read(standing.details, saved.source), saved)
    version = token(saved.source.updated)
    return answer(request, document, status=status, version=version, headers=headers)
