"""Relations between registers: find objects by the value of a field."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from app.database.tables import objects
from app.errors import ConfigurationError, NotFoundError
from app.mapping.spec import Lookup
from app.registers import register_store, schema_store
from connectors.sdk import JsonValue, canonical


class RegisterLookups:
    """Resolves lookups of a mapping in the register; `register` is the source's own."""

    def __init__(self, engine: sa.Engine, register: str) -> None:
        self._engine = engine
        self._register = register

    def resolve(self, lookup: Lookup, values: Collection[str]) -> Mapping[str, JsonValue]:
        """The `lookup.take` value of each live object whose field `by` has one of `values`.

        One query for all values; if several objects have the same value, the oldest counts. Raises
        ConfigurationError if the register or schema does not exist.
        """
        field = objects.c.data[lookup.by].astext
        taken = (
            sa.cast(objects.c.uuid, sa.Text)
            if lookup.take == "uuid"
            else sa.cast(objects.c.data[lookup.take], sa.Text)
        )
        with self._engine.connect() as connection:
            register_id, schema_id = self._place(connection, lookup)
            rows = connection.execute(
                sa.select(field, taken)
                .where(
                    objects.c.register_id == register_id,
                    objects.c.schema_id == schema_id,
                    objects.c.deleted.is_(None),
                    field.in_(list(values)),
                )
                .order_by(objects.c.uuid.desc())
            )
            if lookup.take == "uuid":
                return {str(value): str(uuid) for value, uuid in rows}
            return {
                str(value): None if found is None else canonical.parse(found)
                for value, found in rows
            }

    def _place(self, connection: sa.Connection, lookup: Lookup) -> tuple[int, int]:
        try:
            register = register_store.get(connection, lookup.register_slug or self._register)
            schema = schema_store.get(connection, lookup.schema_slug)
        except NotFoundError as error:
            raise ConfigurationError(
                "A lookup of the mapping failed", faults={"lookup": error.what}
            ) from None
        return register.id, schema.id
