"""Wakes workers on every host when a job becomes due, with the database's NOTIFY."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

_log = logging.getLogger(__name__)

CHANNEL = "openregister_jobs"


def notify(connection: sa.Connection) -> None:
    """Wake the listening workers when the transaction of `connection` commits."""
    connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


def anyone_listening(connection: sa.Connection) -> bool:
    """Whether a worker is listening on any host: its connection's last statement was LISTEN."""
    statement = sa.text(
        "SELECT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE :listen)"
    )
    return bool(connection.scalar(statement, {"listen": f'LISTEN "{CHANNEL}"%'}))


class Listener:
    """A connection that listens, replaced when it breaks.

    Behind a pooler that gives each transaction another session no notification arrives; the
    worker's polling then finds the work a little later.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: psycopg.Connection[Any] | None = None

    @property
    def listening(self) -> bool:
        """Whether `fileno` can be waited for."""
        return self._connection is not None

    def fileno(self) -> int:
        """Readable when a notification arrived or the connection broke."""
        if self._connection is None:
            raise ValueError("Not listening")
        return self._connection.fileno()

    def listen(self) -> None:
        """Connect if necessary. Raises SQLAlchemy's or psycopg's OperationalError."""
        if self._connection is not None:
            return
        pooled = self._engine.raw_connection()
        connection = pooled.driver_connection
        assert isinstance(connection, psycopg.Connection)
        pooled.detach()  # a dedicated connection, never returned to the pool
        connection.autocommit = True
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        self._connection = connection

    def notified(self) -> bool:
        """Whether a notification arrived since the last call, or the connection broke."""
        if self._connection is None:
            return False
        line = self._connection.pgconn
        notified = False
        try:
            line.consume_input()
            while line.notifies() is not None:
                notified = True
        except psycopg.OperationalError as error:
            _log.warning("Lost the connection that listens for notifications; reconnecting")
            _log.debug("It broke", exc_info=error)
            self.close()
            return True
        return notified

    def close(self) -> None:
        """Stop listening."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()
