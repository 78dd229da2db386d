"""Alembic migrations, applied by `openregister upgrade` through `app.database.migrate`.

Larger ones are plain SQL files next to their module, so that a DBA can read them first.
"""

from __future__ import annotations

from pathlib import Path


def execute_file(name: str) -> None:
    """Execute an SQL file from `versions/` in the transaction of the migration."""
    from alembic import op  # only bound to a connection while a migration runs

    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    # without parameters psycopg sends the whole text at once, so it may contain many statements
    connection.execute((Path(__file__).parent / "versions" / name).read_text(encoding="utf-8"))
