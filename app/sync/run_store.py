"""Runs: one row is one sync, the lock of its source, and the fence for its writes.

At most one run per source is `running` (a partial unique index). Its process renews the lease of
the running row. Another process that finds the lease expired, or the process gone on its own host,
marks the run `crashed`. A process that lost its run can no longer write, because the transaction
of every batch first locks its running row.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.database.errors import is_lost
from app.database.revision import fence
from app.database.tables import runs, sources
from app.errors import AlreadyRunningError, LostRunError
from app.sync import runs as reading
from app.sync.model import SETTLED, Finish, Run, Start
from app.sync.postgres import standing as standings
from app.sync.postgres.statements import COPY_OBJECTS
from app.sync.report import Counters, RunState
from connectors.sdk import lenient
from connectors.sdk.message import stored
from connectors.sdk.redact import redact
from jobs.processes import is_gone, this_process

LEASE = sa.text("interval '2 minutes'")
HEARTBEAT_SECONDS = 20.0
LOOK_SECONDS = 2.0
"""Between two looks whether somebody asked the run to stop."""

PAUSES = (0.2, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between attempts to record an end while the database is down."""

_END_COPIES = sa.text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND state = 'active'
      AND wait_event = 'ClientRead' AND query = :copy AND query_start < :before
""").bindparams(copy=COPY_OBJECTS)
"""No limit of the server ends a COPY that waits for a stopped process, and the next run would wait
for its keys. The batch of one that is only slow is done again."""

CRASHED = "The process that ran it has exited; committed data is kept, and the next run continues"


class RunStore:
    """Starts, monitors and ends runs."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def start(self, start: Start) -> int:
        """Take the source's lock. Raises AlreadyRunningError naming the run that holds it."""
        process = this_process()
        values = {
            "source_id": start.source_id,
            "trigger": start.trigger,
            "actor": start.actor,
            "full": start.full,
            "cursor_before": start.cursor,
            "host": process.host,
            "pid": process.pid,
            "process": process.mark,
            "lease_until": sa.func.now() + LEASE,
        }
        with self._engine.begin() as connection:
            fence(connection)
            self._repair(connection, start.source_id)
            run_id = connection.scalar(_insert(values))
            if run_id is not None:
                connection.execute(
                    sa.update(sources)
                    .where(sources.c.id == start.source_id)
                    .values(last_run_id=run_id)
                )
                return int(run_id)
            holder = reading.running(connection, start.source_id)
        raise AlreadyRunningError(
            "The source is already being synced"
            + (f", by run {holder.id} on {holder.host} (process {holder.pid})" if holder else ""),
            where=f"source {holder.source}" if holder else "",
        )

    def heartbeat(self, run_id: int) -> bool:
        """Renew the lease; True if the run should stop. Raises LostRunError."""
        with self._engine.begin() as connection:
            row = connection.execute(
                sa.update(runs)
                .where(runs.c.id == run_id, runs.c.state == RunState.RUNNING)
                .values(lease_until=sa.func.now() + LEASE)
                .returning(runs.c.cancel_requested)
            ).first()
        if row is None:
            raise LostRunError(f"Run {run_id} no longer belongs to this process")
        return bool(row[0])

    def asked_to_stop(self, run_id: int) -> bool:
        """Whether the run, which is still ours, was asked to stop."""
        query = sa.select(runs.c.cancel_requested).where(runs.c.id == run_id)
        with self._engine.connect() as connection:
            return bool(connection.scalar(query))

    def advance(self, connection: sa.Connection, run_id: int, counters: Counters) -> bool:
        """Add a batch's counters within its transaction; True if the run should stop.

        Raises LostRunError: the batch must then be rolled back.
        """
        row = connection.execute(
            sa.update(runs)
            .where(runs.c.id == run_id, runs.c.state == RunState.RUNNING)
            .values({runs.c[name]: runs.c[name] + n for name, n in counters.as_dict().items()})
            .returning(runs.c.cancel_requested)
        ).first()
        if row is None:
            raise LostRunError(f"Run {run_id} no longer belongs to this process")
        return bool(row[0])

    def finish(self, run_id: int, finish: Finish) -> Run:
        """End a run and record its outcome at the source, in one transaction.

        Rows that stay rejected and held deletions are part of the outcome, even for a run that read
        nothing new. Waits for a database that is restarting. Raises LostRunError, and
        NewerDatabaseError if a newer version owns the database.
        """
        pauses = list(PAUSES)
        while True:
            try:
                return self._finish(run_id, finish)
            except sa.exc.DBAPIError as error:
                if not is_lost(error) or not pauses:
                    raise
                time.sleep(pauses.pop(0))
            except LostRunError:
                run = self._get(run_id)
                if len(pauses) == len(PAUSES) or run.state is RunState.CRASHED:
                    raise
                return run  # it was committed as the connection broke

    def _finish(self, run_id: int, finish: Finish) -> Run:
        with self._engine.begin() as connection:
            fence(connection)
            source_id = connection.scalar(
                sa.select(runs.c.source_id)
                .where(runs.c.id == run_id, runs.c.state == RunState.RUNNING)
                .with_for_update()
            )
            if source_id is None:
                raise LostRunError(f"Run {run_id} no longer belongs to this process")
            standing = standings.at_end(connection, source_id, run_id, with_held=finish.syncs)
            finish = replace(
                finish,
                state=standing.state(finish.state),
                message=standing.message(finish.state, finish.message),
                syncs=finish.syncs and (standing.well or finish.state is RunState.FAILED),
            )
            connection.execute(
                sa.update(runs)
                .where(runs.c.id == run_id)
                .values(
                    state=finish.state,
                    complete=finish.complete,
                    complete_because=finish.complete_because,
                    rejected_before=standing.rejected_before,
                    message=None if finish.message is None else redact(finish.message),
                    warnings=[stored(text) for text in finish.warnings],
                    drift=None if finish.drift is None else lenient.shown(finish.drift),
                    peak_memory=finish.peak_memory,
                    cursor_after=sa.func.coalesce(
                        sa.cast(finish.cursor, runs.c.cursor_after.type), runs.c.cursor_after
                    ),
                    finished=sa.func.clock_timestamp(),
                )
            )
            connection.execute(_source_after(source_id, finish))
        return self._get(run_id)

    def repair(self) -> list[Run]:
        """Mark every run as crashed whose lease expired or whose process on this host is gone."""
        with self._engine.begin() as connection:
            crashed = self._repair(connection, None)
        return [self._get(run_id) for run_id in crashed]

    def warn(self, run_id: int, warning: str) -> Run:
        """Add a warning to a run, finished or not. Raises NotFoundError."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(runs)
                .where(runs.c.id == run_id)
                .values(warnings=runs.c.warnings + sa.cast([stored(warning)], runs.c.warnings.type))
            )
        return self._get(run_id)

    def crash(self, connection: sa.Connection, source_id: int, *, host: str, pid: int) -> None:
        """Mark the source's running sync as crashed if that lost process ran it."""
        connection.execute(
            sa.update(runs)
            .where(runs.c.source_id == source_id, runs.c.state == RunState.RUNNING)
            .where(runs.c.host == host, runs.c.pid == pid)
            .values(state=RunState.CRASHED, finished=sa.func.now(), message=CRASHED)
        )

    def purge(self, connection: sa.Connection, older_than: timedelta) -> int:
        """Delete finished runs older than this, but never a source's latest; returns how many."""
        latest = sa.select(sources.c.last_run_id).where(sources.c.last_run_id.is_not(None))
        return connection.execute(
            sa.delete(runs).where(
                runs.c.finished < sa.func.now() - older_than, runs.c.id.not_in(latest)
            )
        ).rowcount

    def _get(self, run_id: int) -> Run:
        with self._engine.connect() as connection:
            return reading.get(connection, run_id)

    def _repair(self, connection: sa.Connection, source_id: int | None) -> list[int]:
        expired = (runs.c.lease_until < sa.func.now()).label("expired")
        query = sa.select(runs.c.id, runs.c.pid, runs.c.process, expired, runs.c.lease_until)
        query = query.where(runs.c.state == RunState.RUNNING)
        if source_id is not None:
            query = query.where(runs.c.source_id == source_id)
        rows = [
            row
            for row in connection.execute(query.with_for_update(skip_locked=True))
            if row.expired or is_gone(row.pid, row.process or "")
        ]
        dead = [row.id for row in rows]
        leases = [row.lease_until for row in rows if row.expired]
        if leases:
            connection.execute(_END_COPIES, {"before": max(leases)})
        if dead:
            connection.execute(
                sa.update(runs)
                .where(runs.c.id.in_(dead))
                .values(state=RunState.CRASHED, finished=sa.func.now(), message=CRASHED)
            )
        return dead


def _insert(values: dict[str, Any]) -> sa.Executable:
    return (
        insert(runs)
        .values(values)
        .on_conflict_do_nothing(
            index_elements=["source_id"], index_where=sa.text("state = 'running'")
        )
        .returning(runs.c.id)
    )


def _source_after(source_id: int, finish: Finish) -> sa.Update:
    values: dict[str, Any] = {}
    if finish.syncs and finish.state in SETTLED:
        values = {"last_sync": sa.func.now(), "failures": 0}
        values["status"] = sa.case((sources.c.status == "error", "active"), else_=sources.c.status)
        values["status_reason"] = None
    elif finish.syncs and finish.state is RunState.FAILED:
        values = {"failures": sources.c.failures + 1}
    if finish.cursor is not None:
        values |= {"cursor": finish.cursor, "cursor_fingerprint": finish.cursor_fingerprint}
    if finish.findings and finish.state in SETTLED:
        values["findings"] = sources.c.findings + sa.cast(
            lenient.shown(finish.findings), sources.c.findings.type
        )
    if finish.full:
        values["last_full"] = sa.func.now()
    return (
        sa.update(sources)
        .where(sources.c.id == source_id)
        .values(values or {"updated": sources.c.updated})
    )
