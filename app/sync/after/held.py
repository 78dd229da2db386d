"""Held deletions: deletions of a run that wait for a user's review and approval."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

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


def keyless(connection: sa.Connection, source: Source) -> int:
    """How many live objects were made without a key, in targets that have one now.

    At most 100,000 are counted. Those that wait for approval already do not count.
    """
    some = sa.select(sa.literal(1)).select_from(objects).where(*_keyless(source)).limit(100_000)
    return connection.scalar(sa.select(sa.func.count()).select_from(some.subquery())) or 0


def hold_keyless(connection: sa.Connection, name: str) -> None:
    """Let the objects that `keyless` counts wait for approval; safe to repeat.

    No later read can recognise them: rows with a key become other objects. Raises NotFoundError.
    """
    source = store.get(connection, name)
    if source.last_run_id is None:
        return  # it has made no object
    columns = [objects.c.source_id, objects.c.uuid, sa.literal(source.last_run_id)]
    found = sa.select(*columns).where(*_keyless(source))
    into = insert(held_deletions).from_select(["source_id", "object_uuid", "run_id"], found)
    connection.execute(into.on_conflict_do_nothing())


def _keyless(source: Source) -> list[sa.ColumnElement[bool]]:
    keyed = [place.target for place in source.targets if place.mapping.get("key")]
    waits = sa.exists().where(
        held_deletions.c.source_id == source.id, held_deletions.c.object_uuid == objects.c.uuid
    )
    return [
        objects.c.source_id == source.id,
        objects.c.target.in_(keyed),
        objects.c.source_key.is_(None),
        objects.c.deleted.is_(None),
        ~waits,
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
