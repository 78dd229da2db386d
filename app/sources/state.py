"""What a connector remembers between runs, encrypted: the `SecretState` of the connector SDK."""

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
    """Remove what was remembered for a source."""
    connection.execute(sa.delete(source_state).where(source_state.c.source_id == source_id))


class SourceState:
    """The small values of one source, such as tokens. Each write is a transaction of its own."""

    def __init__(self, engine: sa.Engine, source_id: int, box: SecretBox) -> None:
        self._engine = engine
        self._source_id = source_id
        self._box = box

    def get(self, name: str) -> dict[str, JsonValue] | None:
        """The value, or None; one under a key that is gone counts as none.

        What connectors keep here can be had again from the source, so it holds up no run.
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
            _log.warning("%s of source %s is fetched again: %s", name, self._source_id, error.what)
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
