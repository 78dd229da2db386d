"""Read and clear rejected rows, which the bulk writer inserts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.database.tables import quarantine
from connectors.sdk import FieldError, JsonValue

_COLUMNS = list(quarantine.c)


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row of `quarantine`; `run_id` is the last run that saw it, `raw` the source's row."""

    id: int
    source_id: int
    target: int
    identity: str
    run_id: int
    position: str
    key: str | None
    stage: str
    errors: tuple[FieldError, ...]
    raw: JsonValue
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Rows rejected for the same reason. `positions` lists a few of them."""

    stage: str
    path: str
    message: str
    rows: int
    positions: tuple[str, ...]


def list_rows(
    connection: sa.Connection,
    source_id: int,
    *,
    run_id: int | None = None,
    stage: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[RejectedRow]:
    """Rejected rows by number, starting after `after`."""
    query = (
        sa.select(*_COLUMNS)
        .where(_matches(source_id, run_id), quarantine.c.id > after)
        .order_by(quarantine.c.id)
        .limit(limit)
    )
    if stage is not None:
        query = query.where(quarantine.c.stage == stage)
    return [_row(row._mapping) for row in connection.execute(query)]


def count(connection: sa.Connection, source_id: int, *, run_id: int | None = None) -> int:
    """How many rows are in quarantine now."""
    return (
        connection.scalar(
            sa.select(sa.func.count()).select_from(quarantine).where(_matches(source_id, run_id))
        )
        or 0
    )


def groups(
    connection: sa.Connection, source_id: int, *, run_id: int | None = None, limit: int = 50
) -> list[ErrorGroup]:
    """The reasons for rejection, most frequent first.

    A row with several errors counts in each group.
    """
    fault = (
        sa.func.jsonb_array_elements(quarantine.c.errors)
        .table_valued(sa.column("value", quarantine.c.errors.type))
        .lateral("fault")
    )
    path = fault.c.value["path"].as_string()
    message = fault.c.value["message"].as_string()
    rows = sa.func.count()
    positions = sa.func.array_agg(
        sa.dialects.postgresql.aggregate_order_by(quarantine.c.position, quarantine.c.id)
    )
    query = (
        sa.select(quarantine.c.stage, path, message, rows, positions[1:5])
        .select_from(quarantine.join(fault, sa.true()))
        .where(_matches(source_id, run_id))
        .group_by(quarantine.c.stage, path, message)
        .order_by(rows.desc(), quarantine.c.stage, path, message)
        .limit(limit)
    )
    return [
        ErrorGroup(stage, path or "", message or "", number, tuple(examples))
        for stage, path, message, number, examples in connection.execute(query)
    ]


def replayable(
    connection: sa.Connection,
    source_id: int,
    target: int,
    *,
    before_run: int,
    after: int = 0,
    limit: int = 1000,
) -> list[RejectedRow]:
    """Rows of a target that can be mapped again, after `after`, last seen before `before_run`."""
    query = (
        sa.select(*_COLUMNS)
        .where(
            _matches(source_id, None),
            quarantine.c.target == target,
            quarantine.c.id > after,
            quarantine.c.run_id < before_run,
            _IS_ROW,
        )
        .order_by(quarantine.c.id)
        .limit(limit)
    )
    return [_row(row._mapping) for row in connection.execute(query)]


def release_replayed(
    connection: sa.Connection, source_id: int, target: int, *, run_id: int, up_to: int
) -> int:
    """Delete the rows up to number `up_to` that a replay has not rejected again; how many."""
    return connection.execute(
        sa.delete(quarantine).where(
            _matches(source_id, None),
            quarantine.c.target == target,
            quarantine.c.id <= up_to,
            quarantine.c.run_id < run_id,
            _IS_ROW,
        )
    ).rowcount


def remove(connection: sa.Connection, ids: Sequence[int]) -> int:
    """Delete these rows, for example after a successful replay; returns how many existed."""
    return connection.execute(
        sa.delete(quarantine).where(quarantine.c.id == sa.any_(sa.literal(list(ids), _IDS)))
    ).rowcount


def purge(connection: sa.Connection, *, older_than: timedelta) -> int:
    """Delete the content of rows not seen for this long; returns how many.

    The rows themselves are kept with their reasons, because an unchanged source does not send
    them again, and rejected rows count until they are resolved.
    """
    fault = sa.func.jsonb_array_elements(quarantine.c.errors).table_valued(
        sa.column("value", quarantine.c.errors.type)
    )
    reasons = sa.select(sa.func.jsonb_agg(fault.c.value.op("-")(sa.literal("value", sa.Text))))
    return connection.execute(
        sa.update(quarantine)
        .where(
            quarantine.c.last_seen < sa.func.now() - older_than,
            sa.cast(quarantine.c.raw, sa.Text).is_not(None),
        )
        .values(raw=sa.null(), errors=sa.func.coalesce(reasons.scalar_subquery(), sa.text("'[]'")))
    ).rowcount


_IDS = sa.ARRAY(sa.BigInteger)
_IS_ROW = sa.and_(quarantine.c.stage != "read", sa.func.json_typeof(quarantine.c.raw) == "object")
"""What the reader could not decode is not a row yet."""


def _matches(source_id: int, run_id: int | None) -> sa.ColumnElement[bool]:
    by_source = quarantine.c.source_id == source_id
    return by_source if run_id is None else sa.and_(by_source, quarantine.c.run_id == run_id)


def _row(row: Any) -> RejectedRow:
    fields = dict(row)
    fields["key"] = fields.pop("source_key")
    fields["errors"] = tuple(
        FieldError(fault.get("path", ""), fault.get("message", ""), fault.get("value"))
        for fault in fields["errors"]
    )
    return RejectedRow(**fields)
