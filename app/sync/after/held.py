"""Held deletions: what a run did not dare to delete, for a person to look at and approve."""

from __future__ import annotations

from itertools import islice
from typing import Any

import sqlalchemy as sa

from app import logs
from app.application import Application
from app.database.tables import held_deletions, objects, registers, schemas
from app.errors import HeldError
from app.sources import store
from app.sync import standing
from app.sync.batch import Missing, Progress
from app.sync.model import Finish, Run, Start
from app.sync.postgres.writer import RunIdentity, RunObjects
from app.sync.report import Counters, RunState
from app.sync.run import heartbeat
from app.sync.run_store import RunStore

BATCH = 5000


def held(app: Application, name: str, *, limit: int = 1000) -> list[dict[str, Any]]:
    """The objects that wait, still live and untouched since. Raises NotFoundError."""
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


def approve(app: Application, name: str, *, ceiling: int, actor: str) -> int:
    """As `approve_run`; returns how many were deleted."""
    return approve_run(app, name, ceiling=ceiling, actor=actor).counters.deleted


def approve_run(app: Application, name: str, *, ceiling: int, actor: str) -> Run:
    """Delete what waits, if it is at most `ceiling` now; the run that did.

    Counts again under the source's lock. An object that a later run met is not deleted any
    more. Raises HeldError when more than `ceiling` wait, AlreadyRunningError, NotFoundError.
    """
    with app.engine.connect() as connection:
        source = store.get(connection, name)
    run_id = RunStore(app.engine).start(Start(source.id, "manual", actor, full=False))
    counters = Counters()
    state, message = RunState.FAILED, "Approval of held deletions was interrupted"
    try:
        with (
            logs.bound(run=run_id, source=name),
            heartbeat(app, run_id),
            app.engine.connect() as connection,
        ):
            rows = connection.execute(_waiting(source.id)).all()
            if len(rows) > ceiling:
                state, message = RunState.CANCELLED, "More deletions wait than were approved"
                raise HeldError(
                    f"{len(rows):,} deletions wait for approval, more than {ceiling:,}",
                    where=f"source {name}",
                    hint=f"Look at them with `source:deletes {name}`, then `--approve {len(rows)}`",
                )
            missing = iter([Missing(r.uuid, r.version, r.data_hash, r.target) for r in rows])
            identity = RunIdentity(run_id, source.id, source.name, actor, b"")
            with RunObjects(app.engine, identity) as writer:
                while batch := list(islice(missing, BATCH)):
                    step = Counters(deleted=len(batch))
                    with writer.transaction(0) as transaction:
                        transaction.delete(batch, Progress(step, None, None))
                    counters.add(step)
                writer.settle_held()
        state, message = RunState.DONE, f"{counters.deleted:,} held deletions were approved"
    finally:
        run = RunStore(app.engine).finish(run_id, Finish(state, message=message, syncs=False))
    return run


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
