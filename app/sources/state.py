"""Encrypted state of connectors between runs: the `SecretState` of the connector SDK."""

from __future__ import annotations

import logging

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.database.secrets import SecretBox
from app.database.tables import source_state
from app.errors import SecretKeyError
from connectors.sdk import JsonValue

_log = logging.getLogger(__name__)


def forget(connection: sa.Connection, source_id: int) -> None:
    """Delete the state of a source."""
    connection.execute(sa.delete(source_state).where(source_state.c.source_id == source_id))


class SourceState:
    """Small values of one source, such as tokens. Each write is a separate transaction."""

    def __init__(self, engine: sa.Engine, source_id: int, box: SecretBox) -> None:
        self._engine = engine
        self._source_id = source_id
        self._box = box

    def get(self, name: str) -> dict[str, JsonValue] | None:
        """The value, or None; a value encrypted with a lost key counts as missing.

        The source can provide these values again, so a missing one stops no run.
        """
        with self._engine.connect() as connection:
            token = connection.scalar(
                sa.select(source_state.c.value).where(
                    source_state.c.source_id == self._source_id, source_state.c.name == name
                )
            )
        if token is None:
            return None
        try:
            value: dict[str, JsonValue] = self._box.decrypt(token)
        except SecretKeyError as error:
            _log.warning("Fetching %s of source %s again: %s", name, self._source_id, error.what)
            return None
        return value

    def put(self, name: str, value: dict[str, JsonValue]) -> None:
        """Store at once. Raises SecretKeyError."""
        token = self._box.encrypt(value)
        with self._engine.begin() as connection:
            connection.execute(
                insert(source_state)
                .values(source_id=self._source_id, name=name, value=token)
                .on_conflict_do_update(
                    index_elements=["source_id", "name"],
                    set_={"value": token, "updated": sa.func.now()},
                )
            )
