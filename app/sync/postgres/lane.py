"""A lane's connection, and the transactions on it that no upgrade of the database overlaps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import sqlalchemy as sa

from app.database import errors, revision
from app.sync.batch import BatchLostError, WriteConflictError
from app.sync.postgres import statements as sql

Connection = psycopg.Connection[Any]

_CONFLICTS = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
)
"""Of a transaction that was rolled back because of another's; done again it may get through."""


class Lane:
    """A connection used by one thread, one transaction after the other."""

    def __init__(self, engine: sa.Engine) -> None:
        self._pooled = engine.raw_connection()
        raw = self._pooled.driver_connection
        assert isinstance(raw, psycopg.Connection)
        self.connection: Connection = raw
        raw.autocommit = True  # BEGIN is ours to send, together with what belongs to it

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[None]:
        """A transaction that no upgrade of the database can overlap.

        Raises NewerDatabaseError where one has been, and BatchLostError when the connection went
        before anything can have been committed.
        """
        begun = True
        try:
            try:
                self._begin(sql.BEGIN_READ_ONLY if read_only else sql.BEGIN)
                yield
            except BaseException:
                with suppress(psycopg.Error):
                    self.connection.rollback()
                raise
            begun = False
            self.connection.commit()
        except psycopg.Error as error:
            if begun and errors.is_lost(error):
                raise BatchLostError from error
            if begun and isinstance(error, _CONFLICTS):
                raise WriteConflictError from error
            raise

    def _begin(self, statement: str) -> None:
        cursor = self.connection.execute(statement, prepare=False)
        while cursor.nextset():
            pass
        row = cursor.fetchone()
        revision.refuse_other(row[0] if row else None)

    def close(self) -> None:
        """Give the connection back to the pool as it was, or drop it where it is broken."""
        if self.connection.broken or self.connection.closed:
            self._pooled.invalidate()
        else:
            self.connection.autocommit = False
        self._pooled.close()
