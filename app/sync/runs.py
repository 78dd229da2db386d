"""Read runs, and request that one stops; `run_store` starts and ends them.

Functions take part in the transaction of the given connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from app.database.tables import runs, sources
from app.errors import NotFoundError
from app.sync.model import Run
from app.sync.report import Counters, RunState
from connectors.sdk.message import restored

_SELECT = sa.select(runs, sources.c.name.label("source")).join(sources)
_PLAIN = tuple(
    name
    for name in Run.__dataclass_fields__
    if name not in {"counters", "state", "source", "warnings"}
)


def get(connection: sa.Connection, run_id: int) -> Run:
    """One run. Raises NotFoundError."""
    row = connection.execute(_SELECT.where(runs.c.id == run_id)).first()
    if row is None:
        raise NotFoundError(f"There is no run {run_id}", hint="`source:runs NAME` lists them")
    return _run(row)


def history(
    connection: sa.Connection,
    source_id: int | None = None,
    *,
    limit: int = 50,
    before: int | None = None,
) -> list[Run]:
    """Latest runs first; `before` continues below a run id."""
    query = _SELECT.order_by(runs.c.id.desc()).limit(limit)
    if source_id is not None:
        query = query.where(runs.c.source_id == source_id)
    if before is not None:
        query = query.where(runs.c.id < before)
    return [_run(row) for row in connection.execute(query)]


def count(connection: sa.Connection, source_id: int) -> int:
    """How many runs of a source are stored."""
    query = sa.select(sa.func.count()).where(runs.c.source_id == source_id)
    return connection.scalar(query) or 0


def running(connection: sa.Connection, source_id: int) -> Run | None:
    """The run that holds the source's lock."""
    row = connection.execute(
        _SELECT.where(runs.c.source_id == source_id, runs.c.state == RunState.RUNNING)
    ).first()
    return None if row is None else _run(row)


def latest(connection: sa.Connection, source_ids: Sequence[int]) -> dict[int, Run]:
    """The latest run of each source."""
    query = _SELECT.where(
        runs.c.id.in_(sa.select(sources.c.last_run_id).where(sources.c.id.in_(list(source_ids))))
    )
    return {row.source_id: _run(row) for row in connection.execute(query)}


def request_cancel(connection: sa.Connection, source_id: int) -> Run | None:
    """Ask the source's running sync to stop after its batch; None if nothing is running."""
    connection.execute(
        sa.update(runs)
        .where(runs.c.source_id == source_id, runs.c.state == RunState.RUNNING)
        .values(cancel_requested=True)
    )
    return running(connection, source_id)


def _run(row: Any) -> Run:
    mapping = row._mapping
    counters = Counters(**{name: mapping[name] for name in Counters.__dataclass_fields__})
    return Run(
        counters=counters,
        state=RunState(mapping["state"]),
        source=mapping["source"],
        warnings=[restored(warning) for warning in mapping["warnings"]],
        **{name: mapping[name] for name in _PLAIN},
    )
