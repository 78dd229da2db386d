"""Runs of a source: start, follow, stop, undo; quarantine; held deletions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from app.audit import verify as audits
from app.documents.run import plan_document, run_document
from app.documents.source import tested_document
from app.errors import NotFoundError, OpenRegisterError, UsageError
from app.http import patience
from app.http.identity import App, RegisterAdmin, Viewer
from app.http.patience import Gone, working
from app.http.problems import describe
from app.operations import following
from app.sources import decision, jobs, manage, testing
from app.sync import dry_run as planning
from app.sync import report
from app.sync import runs as run_history
from app.sync.after import held, rejects
from app.sync.model import Run
from app.sync.run import Request as RunRequest
from app.web import answers, htmx
from app.web.filters import IN_FORCE
from app.web.languages import gettext as _
from app.web.languages import speak
from app.web.pages._source import evidence, frame, sentence, shown
from app.web.rendering import own_path, page, redirect

router = APIRouter(prefix="/sources/{name}", dependencies=[Depends(speak)])

PER_PAGE = 25
HELD_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Bar:
    """One run of the chart, in a drawing 1000 wide and 100 high; `y` counts from the top."""

    run: Run
    x: float
    width: float
    created: tuple[float, float]
    updated: tuple[float, float]
    errors: tuple[float, float]
    time: float


@router.get("/runs")
def history(
    request: Request, app: App, identity: Viewer, name: str, before: int | None = None
) -> Response:
    """The runs, their rejected rows, and deletions that wait for approval."""
    source = app.read(manage.get, name)
    found = app.read(run_history.history, source.id, limit=PER_PAGE + 1, before=before)
    runs = found[:PER_PAGE]
    following_page = runs[-1].id if len(found) > PER_PAGE else None
    if answers.wants_json(request):
        return answers.table([run_document(run) for run in runs], next=following_page)
    return frame(
        request,
        app,
        source,
        "runs",
        runs=runs,
        next=following_page,
        bars=bars(runs[::-1]),
        slowest=max((run.duration for run in runs), default=0.0),
        largest=max((_written(run) for run in runs), default=0),
        groups=rejects.groups(app, name),
        held=held.held(app, name, limit=HELD_SHOWN + 1),
        held_shown=HELD_SHOWN,
        keyless=app.read(held.keyless, source),
    )


@router.get("/runs/{run_id}")
def one(request: Request, app: App, identity: Viewer, name: str, run_id: int) -> Response:
    """One run, its rejected rows and the first changes."""
    source = app.read(manage.get, name)
    run = app.read(run_history.get, run_id)
    if run.source_id != source.id:
        raise _no_run(name, run_id)
    rows = rejects.rows(app, name, run_id=run_id, limit=100)
    if answers.wants_json(request):
        return answers.as_json({**run_document(run), "rejected": rows})
    entries = audits.entries(app, run_id=run_id, limit=20)
    return frame(
        request,
        app,
        source,
        "runs",
        template="source/run.html",
        run=run,
        told=sentence(run),
        evidence=evidence(run),
        rejected=rows,
        entries=entries,
    )


@router.get("/errors")
def errors(request: Request, app: App, identity: Viewer, name: str) -> Response:
    """The quarantine."""
    source = app.read(manage.get, name)
    rows = rejects.rows(app, name, limit=200)
    if answers.wants_json(request):
        return answers.table(rows)
    groups = rejects.groups(app, name)
    return frame(
        request,
        app,
        source,
        "runs",
        template="source/errors.html",
        rejected=rows,
        groups=groups,
    )


@router.get("/status")
def status(request: Request, app: App, identity: Viewer, name: str) -> Response:
    """The status of the source, for the script of its page."""
    source = app.read(manage.get, name)
    return answers.as_json(shown(following.progress(app, source)))


@router.get("/strip")
def strip(request: Request, app: App, identity: Viewer, name: str) -> Response:
    """The same as part of the page."""
    source = app.read(manage.get, name)
    progress = following.progress(app, source)
    answer = page(
        request, "parts/strip.html", source=source, progress=progress, shown=shown(progress)
    )
    return answer if progress.under_way else htmx.event(answer, "run-ended")


# -- doing -----------------------------------------------------------------------------------

Back = Annotated[str, Form()]


@router.post("/run")
def run_now(app: App, identity: RegisterAdmin, name: str, back: Back = "") -> Response:
    """Ask a worker to run it; the page then shows its progress."""
    source = app.read(manage.get, name)
    if not source.enabled:
        raise UsageError(
            _("Source %(name)s is disabled") % {"name": name}, hint=_("Enable it first")
        )
    app.write(jobs.run_soon, source, actor=identity.actor)
    return redirect(own_path(back, f"/sources/{name}/runs"))


@router.post("/test")
def test(request: Request, app: App, identity: RegisterAdmin, gone: Gone, name: str) -> Response:
    """Test the stored connection, and map the first rows; part of the page."""
    try:
        with working(gone):
            found = testing.test(app, name, stop=gone)
    except OpenRegisterError as error:
        return page(request, "parts/test.html", problem=describe(error), check=None, warnings=())
    if answers.wants_json(request):
        return answers.as_json(tested_document(name, found))
    context: dict[str, Any] = {"check": found.check, "warnings": found.warnings, "decide": name}
    return page(request, "parts/test.html", problem=None, **context)


@router.post("/complete")
def state_complete(app: App, identity: RegisterAdmin, name: str, back: Back = "") -> Response:
    """Confirm that the source returns everything; the source is tested again."""
    check = decision.decide_from_outside(app, name, actor=identity.actor)
    stated = ", ".join(f"{path}: {value}" for path, value in (check.decision or {}).items())
    said = _("Saved in the connection: %s") % stated
    return redirect(own_path(back, f"/sources/{name}/connection"), notice=said)


@router.post("/findings/forget")
def forget_findings(app: App, identity: RegisterAdmin, name: str) -> Response:
    """Let the next run detect the form of the source again."""
    app.write(manage.forget_findings, name, actor=identity.actor)
    said = _("Detected values cleared. The next run detects them again.")
    return redirect(f"/sources/{name}/connection", notice=said)


@router.post("/dry-run")
def dry_run(request: Request, app: App, identity: RegisterAdmin, gone: Gone, name: str) -> Response:
    """A dry run within the time limit of a page, without writing; part of the page."""
    wanted, over = RunRequest("manual", identity.actor), patience.expired(gone)
    try:
        plan = planning.dry_run(app, name, wanted, should_stop=over)
    except OpenRegisterError as error:
        return page(request, "parts/plan.html", problem=describe(error), plan=None)
    stopped = over() and not plan.complete
    if answers.wants_json(request):
        return answers.as_json({**plan_document(plan), "stopped": stopped})
    proof = report.evidence(plan.complete, plan.complete_because, IN_FORCE)
    context: dict[str, Any] = {"plan": plan, "stopped": stopped, "evidence": proof}
    return page(request, "parts/plan.html", problem=None, **context)


@router.post("/enable")
def enable(app: App, identity: RegisterAdmin, name: str, back: Back = "") -> Response:
    """Let it run again, and reset its failures."""
    app.write(manage.set_enabled, name, True, actor=identity.actor)
    return redirect(own_path(back, f"/sources/{name}"), notice=_("Enabled"))


@router.post("/disable")
def disable(app: App, identity: RegisterAdmin, name: str, back: Back = "") -> Response:
    """Stop it from running; its objects are kept."""
    app.write(manage.set_enabled, name, False, actor=identity.actor)
    return redirect(own_path(back, f"/sources/{name}"), notice=_("Disabled"))


@router.post("/cancel")
def cancel(app: App, identity: RegisterAdmin, name: str, back: Back = "") -> Response:
    """Ask the current run to stop after its batch."""
    run = app.write(run_history.request_cancel, app.read(manage.get, name).id)
    said = _("Run %s stops after the current batch") % run.id if run else _("No run is in progress")
    return redirect(own_path(back, f"/sources/{name}/runs"), notice=said)


@router.post("/retry")
def retry(app: App, identity: RegisterAdmin, name: str) -> Response:
    """Ask a worker to replay the quarantine with the current mapping."""
    source = app.read(manage.get, name)
    app.write(jobs.retry_soon, source, actor=identity.actor)
    return redirect(f"/sources/{name}/runs")


@router.post("/runs/{run_id}/undo")
def undo(app: App, identity: RegisterAdmin, name: str, run_id: int) -> Response:
    """Ask a worker to undo a run."""
    source = app.read(manage.get, name)
    if app.read(run_history.get, run_id).source_id != source.id:
        raise _no_run(name, run_id)
    app.write(jobs.undo_soon, source, run_id, actor=identity.actor)
    return redirect(f"/sources/{name}/runs")


@router.post("/keyless")
def hold_keyless(app: App, identity: RegisterAdmin, name: str) -> Response:
    """Hold the deletion of the objects made before a key was set; a person approves it then."""
    app.write(held.hold_keyless, name)
    return redirect(f"/sources/{name}/runs")


@router.post("/deletes")
def approve(
    app: App, identity: RegisterAdmin, name: str, ceiling: Annotated[int, Form(ge=0)]
) -> Response:
    """Ask a worker to delete what waits, if it is no more than the user has seen."""
    source = app.read(manage.get, name)
    app.write(jobs.approve_soon, source, ceiling, actor=identity.actor)
    return redirect(f"/sources/{name}/runs")


# -- telling ---------------------------------------------------------------------------------


def _no_run(name: str, run_id: int) -> NotFoundError:
    said = _("Source %(name)s has no run %(run)s") % {"name": name, "run": run_id}
    return NotFoundError(said)


def _written(run: Run) -> int:
    return run.counters.created + run.counters.updated + run.counters.errors


def bars(runs: Sequence[Run]) -> list[Bar]:
    """The chart of some runs, oldest on the left: what they wrote, and how long they took."""
    largest = max((_written(run) for run in runs), default=0) or 1
    slowest = max((run.duration for run in runs), default=0.0) or 1.0
    step = 1000 / max(len(runs), 10)
    made = []
    for index, run in enumerate(runs):
        top = 100.0
        parts = []
        for figure in (run.counters.created, run.counters.updated, run.counters.errors):
            height = round(95 * figure / largest, 2)
            top = round(top - height, 2)
            parts.append((top, height))
        x, line = round(index * step + step * 0.15, 2), round(100 - 92 * run.duration / slowest, 2)
        made.append(Bar(run, x, round(step * 0.7, 2), parts[0], parts[1], parts[2], line))
    return made
