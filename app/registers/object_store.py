"""One object, or some by their UUIDs. `list_store` reads lists, the bulk writer stores."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa

from app.database.tables import objects, registers, schemas, sources
from app.errors import NotFoundError
from app.registers.model import StoredObject

SELECT = (
    sa.select(
        objects.c.uuid,
        registers.c.slug.label("register"),
        objects.c.register_id,
        schemas.c.slug.label("schema"),
        objects.c.schema_id,
        sources.c.name.label("source"),
        objects.c.source_id,
        objects.c.target,
        objects.c.source_key.label("key"),
        objects.c.version,
        objects.c.run_id,
        objects.c.created,
        objects.c.updated,
        objects.c.deleted,
        objects.c.origin_hash,
        objects.c.data_hash,
        objects.c.data,
    )
    .join(registers, registers.c.id == objects.c.register_id)
    .join(schemas, schemas.c.id == objects.c.schema_id)
    .outerjoin(sources, sources.c.id == objects.c.source_id)
)


def get(connection: sa.Connection, uuid: UUID) -> StoredObject:
    """The object, deleted or not. Raises NotFoundError."""
    row = connection.execute(SELECT.where(objects.c.uuid == uuid)).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no object {uuid}", hint="`openregister object:list` lists the objects"
        )
    return StoredObject(**row._mapping)


def get_many(connection: sa.Connection, uuids: Collection[UUID]) -> dict[UUID, StoredObject]:
    """These objects, deleted or not, without those that do not exist."""
    rows = connection.execute(SELECT.where(objects.c.uuid.in_(uuids)))
    return {row.uuid: StoredObject(**row._mapping) for row in rows}


def source_id(connection: sa.Connection, name: str) -> int:
    """The number of a source. Raises NotFoundError."""
    found = connection.scalar(sa.select(sources.c.id).where(sources.c.name == name))
    if found is None:
        raise NotFoundError(
            f"There is no source {name!r}", hint="`openregister source:list` lists the sources"
        )
    return int(found)


def local_fields(connection: sa.Connection, source_id: int) -> frozenset[str]:
    """Properties of a source's objects that users may edit."""
    options = connection.scalar(sa.select(sources.c.options).where(sources.c.id == source_id))
    return frozenset((options or {}).get("local_fields", ()))
