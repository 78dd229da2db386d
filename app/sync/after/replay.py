"""Replay the quarantine: process rejected rows with the current mapping and schema.

The source is not read. Rows that now work become objects and leave the quarantine; the others stay
with their current reason. Rows that could not be decoded wait for the source.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

import sqlalchemy as sa

from app.application import Application
from app.mapping.target import Target
from app.sources.document import OnMissing
from app.sync import lock, quarantine, run
from app.sync.batch import Observer
from app.sync.lock import Result, Stop
from app.sync.model import Finish, Start
from app.sync.pipeline import Options, Sync
from app.sync.postgres.reader import RunIdentity
from app.sync.postgres.writer import RunObjects
from app.sync.report import Counters, ErrorBudget, RunState
from app.sync.run import Job, Request
from connectors.sdk.counting import counted
from connectors.sdk.rows import Batch, End, Proof, Row, RowBatch

BATCH = 1000


@dataclass(slots=True)
class _Replay:
    """The quarantine of one target as batches of rows, in their original order."""

    engine: sa.Engine
    source_id: int
    target: int
    run_id: int
    last: int = 0
    """Number of the last row returned."""

    def batches(self) -> Generator[Batch]:
        while True:
            with self.engine.connect() as connection:
                page = quarantine.replayable(
                    connection,
                    self.source_id,
                    self.target,
                    before_run=self.run_id,
                    after=self.last,
                    limit=BATCH,
                )
            if not page:
                yield RowBatch(end=End.INCREMENTAL, because=Proof.END_OF_DATA)
                return
            rows = [Row(row.raw, row.position) for row in page if isinstance(row.raw, dict)]
            self.last = page[-1].id
            yield RowBatch(rows=rows)


def retry_errors(
    app: Application,
    name: str,
    request: Request,
    *,
    observe: Observer = lambda counters, total: None,
    should_stop: Stop = lambda: False,
) -> Result:
    """Replay the quarantine of a source as a separate run, under the source's lock.

    Raises NotFoundError, ConfigurationError, AlreadyRunningError, LostRunError.
    """
    job = run.prepare(app, name, request)

    def work(run_id: int, stop: Stop) -> Finish:
        counters = Counters()
        for target in job.targets:
            if not stop():
                counters.add(_replay(job, target, run_id, counters, observe, stop))
        counters.check()
        state = RunState.CANCELLED if stop() else counters.state()
        return Finish(state, message=_message(app, job, counters), syncs=False)

    start = Start(job.source.id, request.trigger, request.actor, full=False)
    return lock.under_lock(app, start, work, source=job.source.name, should_stop=should_stop)


def _replay(
    job: Job, target: Target, run_id: int, before: Counters, observe: Observer, stop: Stop
) -> Counters:
    """Process one target's rows; rows that are no longer rejected are released."""
    app, source = job.app, job.source
    replay = _Replay(app.engine, source.id, target.number, run_id)
    identity = RunIdentity(run_id, source.id, source.name, job.request.actor, job.fingerprint)
    options = Options(on_missing=OnMissing.KEEP, budget=ErrorBudget(first=2**63))

    def observed(counters: Counters, total: int | None) -> None:
        sofar = replace(before)
        sofar.add(counters)
        observe(sofar, total)

    with RunObjects(app.engine, identity) as objects:
        sync = Sync([target], objects, options, observe=observed, stop=stop)
        outcome = sync.run(replay.batches())
    if not outcome.cancelled:
        with app.engine.begin() as connection:
            quarantine.release_replayed(
                connection, source.id, target.number, run_id=run_id, up_to=replay.last
            )
    return outcome.counters


def _message(app: Application, job: Job, counters: Counters) -> str:
    with app.engine.connect() as connection:
        left = quarantine.count(connection, job.source.id)
    return (
        f"Replayed {counted(counters.read, 'row')} from the quarantine; "
        f"{counted(left, 'is', 'are')} still rejected"
    )
