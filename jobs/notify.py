"""Hears that a job was made due, through the database's NOTIFY, on whatever host that was."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

_log = logging.getLogger(__name__)

CHANNEL = "openregister_jobs"


def ring(connection: sa.Connection) -> None:
    """Wake the listening workers when the transaction of `connection` commits."""
    connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


def anyone_listening(connection: sa.Connection) -> bool:
    """Whether a worker listens, on whatever host: the last thing its connection said is LISTEN."""
    statement = sa.text(
        "SELECT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE :listen)"
    )
    return bool(connection.scalar(statement, {"listen": f'LISTEN "{CHANNEL}"%'}))


class Bell:
    """A connection that listens, made anew when it breaks.

    Behind a pooler that gives each transaction another session nothing is ever heard; the
    worker's own looks then find the work a little later.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: psycopg.Connection[Any] | None = None

    @property
    def listening(self) -> bool:
        """Whether `fileno` may be waited for."""
        return self._connection is not None

    def fileno(self) -> int:
        """Readable when something was heard, or the connection broke."""
        if self._connection is None:
            raise ValueError("The bell does not listen")
        return self._connection.fileno()

    def listen(self) -> None:
        """Connect, if need be. Raises SQLAlchemy's or psycopg's OperationalError."""
        if self._connection is not None:
            return
        pooled = self._engine.raw_connection()
        connection = pooled.driver_connection
        assert isinstance(connection, psycopg.Connection)
        pooled.detach()  # a connection of its own, which never goes back to the pool
        connection.autocommit = True
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        self._connection = connection

    def rang(self) -> bool:
        """Whether anything was heard since it was asked last, or the connection broke meanwhile."""
        if self._connection is None:
            return False
        line = self._connection.pgconn
        rang = False
        try:
            line.consume_input()
            while line.notifies() is not None:
                rang = True
        except psycopg.OperationalError as error:
            _log.warning("The connection that listens is lost; it is made again")
            _log.debug("It broke", exc_info=error)
            self.close()
            return True
        return rang

    def close(self) -> None:
        """Stop listening."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()
