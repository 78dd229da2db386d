"""The quarantine of a source: rows that could not become objects."""

from __future__ import annotations

from typing import Any

from app.application import Application
from app.sources import store
from app.sync import quarantine


def rows(
    app: Application, name: str, *, run_id: int | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Rejected rows with what is wrong with them. Raises NotFoundError."""
    with app.engine.connect() as connection:
        source = store.get(connection, name)
        found = quarantine.list_rows(connection, source.id, run_id=run_id, limit=limit)
    return [
        {
            "id": row.id,
            "run": row.run_id,
            "target": row.target,
            "position": row.position,
            "key": row.key,
            "stage": row.stage,
            "errors": [
                {"path": error.path, "message": error.message, "value": error.value}
                for error in row.errors
            ],
            "raw": row.raw,
            "first_seen": row.first_seen,
            "last_seen": row.last_seen,
        }
        for row in found
    ]


def groups(app: Application, name: str, *, run_id: int | None = None) -> list[dict[str, Any]]:
    """How many rows fail for which reason, the most frequent first. Raises NotFoundError."""
    with app.engine.connect() as connection:
        source = store.get(connection, name)
        found = quarantine.groups(connection, source.id, run_id=run_id)
    return [
        {
            "rows": group.rows,
            "stage": group.stage,
            "path": group.path,
            "message": group.message,
            "positions": list(group.positions),
        }
        for group in found
    ]


def count(app: Application, name: str, *, run_id: int | None = None) -> int:
    """How many rejected rows there are. Raises NotFoundError."""
    with app.engine.connect() as connection:
        source = store.get(connection, name)
        return quarantine.count(connection, source.id, run_id=run_id)
