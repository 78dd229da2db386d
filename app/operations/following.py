"""The current state of a source: queued, running, or the result of its last run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.application import Application
from app.sources import jobs as scheduling
from app.sources.model import Source
from app.sync import runs
from app.sync.model import Run
from app.sync.report import RunState
from jobs import store as jobs


@dataclass(frozen=True, slots=True)
class Progress:
    """A source's progress for display. `state` is queued, a run's state, or never.

    `run` is the running one, or else the last one, also while a job is queued.
    """

    state: str
    run: Run | None
    next_run: datetime | None
    retry_at: datetime | None = None
    """When a postponed job is retried."""

    @property
    def under_way(self) -> bool:
        """Whether it will change automatically soon."""
        return self.state in ("queued", RunState.RUNNING)


def progress(app: Application, source: Source) -> Progress:
    """Read the source's jobs and its latest run."""
    name = scheduling.key(source.id)
    with app.engine.connect() as connection:
        planned = jobs.find(connection, name)
        asked = [
            job
            for job in jobs.every(connection)
            if (job.key or "").startswith(
                (f"{name}:now", f"{name}:retry", f"{name}:undo:", f"{name}:approve")
            )
        ]
        now = jobs.clock(connection)
    run = app.read(runs.latest, [source.id]).get(source.id)
    next_run = planned.next_run if planned and planned.enabled else None
    if run is not None and run.state is RunState.RUNNING:
        return Progress(RunState.RUNNING, run, next_run)
    for job in asked:
        if job.running or (job.next_run is not None and job.next_run <= now):
            return Progress("queued", run, next_run)
    later = [job.next_run for job in asked if job.next_run is not None]
    state = run.state.value if run else "never"
    return Progress(state, run, next_run, min(later, default=None))
