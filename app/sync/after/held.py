"""Held deletions: deletions of a run that wait for a user's review and approval."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any

import sqlalchemy as sa

from app.application import Application
from app.database.tables import held_deletions, objects, registers, schemas
from app.errors import HeldError
from app.sources import store
from app.sources.model import Source
from app.sync import tracing
from app.sync.batch import Missing, ObjectStore, Progress
from app.sync.lanes import retried
from app.sync.lock import Stop, under_lock
from app.sync.model import Finish, Run, Start
from app.sync.postgres import standing
from app.sync.postgres.reader import RunIdentity
from app.sync.postgres.writer import RunObjects
from app.sync.report import Counters, RunState
from connectors.sdk.counting import counted

BATCH = 5000


def held(app: Application, name: str, *, limit: int = 1000) -> list[dict[str, Any]]:
    """The waiting objects, still live and unchanged since. Raises NotFoundError."""
    with app.engine.connect() as connection:
        source = store.get(connection, name)
        rows = connection.execute(_waiting(source.id).order_by(objects.c.uuid).limit(limit))
        return [
            {
                "uuid": row.uuid,
                "key": row.source_key,
                "register": row.register,
                "schema": row.schema,
                "run": row.run_id,
                "version": row.version,
            }
            for row in rows
        ]


def approve(
    app: Application,
    name: str,
    *,
    ceiling: int,
    actor: str,
    trigger: str = "manual",
    should_stop: Stop = lambda: False,
) -> Run:
    """Delete what waits, if it is at most `ceiling` now, as a run under the source's lock.

    The waiting deletions are counted again under the lock. An object seen by a later run is not
    deleted. If stopped early, the rest still waits. Raises HeldError if more than `ceiling` wait,
    AlreadyRunningError, LostRunError, NotFoundError, and the error that made the run fail.
    """
    with app.engine.connect() as connection:
        source = store.get(connection, name)
    work = partial(_delete, app, source, ceiling, actor)
    start = Start(source.id, trigger, actor, full=False)
    result = under_lock(app, start, work, source=name, should_stop=should_stop)
    if result.error is not None:
        raise result.error
    return result.run


def _delete(
    app: Application, source: Source, ceiling: int, actor: str, run_id: int, stop: Stop
) -> Finish:
    with app.engine.connect() as connection:
        rows = connection.execute(_waiting(source.id)).all()
    if len(rows) > ceiling:
        raise HeldError(
            f"More deletions wait than were approved: {len(rows):,}, not {ceiling:,}",
            where=f"source {source.name}",
            hint=f"Review them with `source:deletes {source.name}`, then `--approve {len(rows)}`",
        )
    missing = iter([Missing(r.uuid, r.version, r.data_hash, r.target) for r in rows])
    identity = RunIdentity(run_id, source.id, source.name, actor, b"")
    deleted, stopped = 0, stop()
    with RunObjects(app.engine, identity) as objects:
        writer = tracing.traced(objects, source.name)
        while not stopped and (batch := list(islice(missing, BATCH))):
            cancelled = retried(partial(_delete_batch, writer, batch))
            deleted += len(batch)
            stopped = cancelled or stop()
        left = len(rows) - deleted
        if not left:
            writer.settle_held()
    message = f"{counted(deleted, 'held deletion was', 'held deletions were')} approved"
    if left:
        return Finish(RunState.CANCELLED, message=f"{message}; {left:,} still wait", syncs=False)
    return Finish(RunState.DONE, message=message, syncs=False)


def _delete_batch(writer: ObjectStore, batch: Sequence[Missing]) -> bool:
    """One transaction; returns whether the run should stop."""
    with writer.transaction(0) as transaction:
        return transaction.delete(batch, Progress(Counters(deleted=len(batch)), None, None))


def _waiting(source_id: int) -> sa.Select[Any]:
    return (
        sa.select(
            objects.c.uuid,
            objects.c.source_key,
            objects.c.version,
            objects.c.data_hash,
            objects.c.target,
            held_deletions.c.run_id,
            registers.c.slug.label("register"),
            schemas.c.slug.label("schema"),
        )
        .join(objects, objects.c.uuid == held_deletions.c.object_uuid)
        .join(registers, registers.c.id == objects.c.register_id)
        .join(schemas, schemas.c.id == objects.c.schema_id)
        .where(standing.waiting(source_id))
    )
