"""The quarantine of a source: rejected rows."""

from __future__ import annotations

from contextlib import closing
from typing import Any, BinaryIO

import sqlalchemy as sa

from app.application import Application
from app.registers import export
from app.registers.export import Format, Rows
from app.sources import store
from app.sync import quarantine

_PAGE = 1000
_COLUMNS = (
    "id",
    "run",
    "target",
    "position",
    "key",
    "stage",
    "path",
    "message",
    "value",
    "raw",
    "first_seen",
    "last_seen",
)


def rows(
    app: Application, name: str, *, run_id: int | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Rejected rows with their errors. Raises NotFoundError."""
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
    """How many rows fail for each reason, most frequent first. Raises NotFoundError."""
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


def write(
    app: Application, name: str, form: Format, out: BinaryIO, *, run_id: int | None = None
) -> int:
    """Write the quarantine of a source, a line per error; how many. Raises NotFoundError."""
    with app.engine.connect() as connection:
        source = store.get(connection, name)
        with closing(_rejected(connection, source.id, run_id)) as rows:
            return export.write(form, _COLUMNS, rows, out)


def _rejected(connection: sa.Connection, source_id: int, run_id: int | None) -> Rows:
    after = 0
    while page := quarantine.list_rows(
        connection, source_id, run_id=run_id, after=after, limit=_PAGE
    ):
        for row in page:
            for error in row.errors:
                yield (
                    row.id,
                    row.run_id,
                    row.target,
                    row.position,
                    row.key,
                    row.stage,
                    error.path,
                    error.message,
                    error.value,
                    row.raw,
                    row.first_seen,
                    row.last_seen,
                )
        after = page[-1].id
