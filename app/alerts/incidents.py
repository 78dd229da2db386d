"""Incidents: problems of a source that were reported and are not resolved yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.database.tables import incidents


@dataclass(frozen=True, slots=True)
class Incident:
    """A row of `incidents`; `kind` is failing or stale."""

    source_id: int
    kind: str
    message: str
    opened: datetime


def every(connection: sa.Connection) -> dict[tuple[int, str], Incident]:
    """The open incidents, by source and kind."""
    rows = connection.execute(sa.select(incidents))
    return {(row.source_id, row.kind): Incident(**row._mapping) for row in rows}


def open_one(connection: sa.Connection, source_id: int, kind: str, message: str) -> Incident | None:
    """Open one; None if it is already open."""
    row = connection.execute(
        insert(incidents)
        .values(source_id=source_id, kind=kind, message=message)
        .on_conflict_do_nothing()
        .returning(*incidents.c)
    ).one_or_none()
    return None if row is None else Incident(**row._mapping)


def close(connection: sa.Connection, incident: Incident) -> bool:
    """Close one; False if it is already closed."""
    statement = sa.delete(incidents).where(
        incidents.c.source_id == incident.source_id, incidents.c.kind == incident.kind
    )
    return connection.execute(statement).rowcount > 0
