"""What a connector remembers between runs, encrypted: the `SecretState` of the connector SDK."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.db.secrets import SecretBox
from app.db.tables import source_state
from connectors.sdk import JsonValue


class SourceState:
    """The small values of one source, such as tokens. Each write is a transaction of its own."""

    def __init__(self, engine: sa.Engine, source_id: int, box: SecretBox) -> None:
        self._engine = engine
        self._source_id = source_id
        self._box = box

    def get(self, name: str) -> dict[str, JsonValue] | None:
        """The value, or None. Raises SecretKeyError."""
        with self._engine.connect() as connection:
            token = connection.scalar(
                sa.select(source_state.c.value).where(
                    source_state.c.source_id == self._source_id, source_state.c.name == name
                )
            )
        value: dict[str, JsonValue] | None = None if token is None else self._box.decrypt(token)
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
