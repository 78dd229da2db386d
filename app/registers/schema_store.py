"""Store JSON Schemas for objects, with all their versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.database.engine import dump_json
from app.database.names import check_slug
from app.database.tables import (
    objects,
    register_schemas,
    registers,
    schema_versions,
    schemas,
    source_targets,
    sources,
)
from app.errors import ChangedError, ConflictError, ExistsError, InUseError, NotFoundError
from app.registers.model import Schema, Version
from connectors.sdk import canonical

_COLUMNS = [
    schemas.c[name]
    for name in (
        "id",
        "slug",
        "title",
        "version",
        "document",
        "created",
        "updated",
        "changed_by",
    )
]


def add(
    connection: sa.Connection, slug: str, document: dict[str, Any], *, actor: str, title: str = ""
) -> Schema:
    """Create a schema as version 1. Raises UsageError for an invalid slug, ExistsError.

    Without `title` the document's title is used. The document is not checked here.
    """
    row = connection.execute(
        insert(schemas)
        .values(
            slug=check_slug("schema", slug),
            title=title or str(document.get("title") or slug),
            document=document,
            changed_by=actor,
        )
        .on_conflict_do_nothing(index_elements=["slug"])
        .returning(*_COLUMNS)
    ).one_or_none()
    if row is None:
        raise ExistsError(f"Schema {slug!r} already exists")
    schema = Schema(**row._mapping)
    _keep_version(connection, schema, actor)
    return schema


def find(connection: sa.Connection, slug: str) -> Schema | None:
    """The schema in its latest version, or None."""
    row = connection.execute(sa.select(*_COLUMNS).where(schemas.c.slug == slug)).one_or_none()
    return None if row is None else Schema(**row._mapping)


def get(connection: sa.Connection, slug: str) -> Schema:
    """The schema in its latest version. Raises NotFoundError."""
    schema = find(connection, slug)
    if schema is None:
        raise _missing(slug)
    return schema


def by_id(connection: sa.Connection, schema_id: int) -> Schema:
    """The schema in its latest version. Raises NotFoundError."""
    row = connection.execute(sa.select(*_COLUMNS).where(schemas.c.id == schema_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no schema with id {schema_id}")
    return Schema(**row._mapping)


def list_all(connection: sa.Connection, *, register: str | None = None) -> list[Schema]:
    """All schemas by slug, or those of one register."""
    query = sa.select(*_COLUMNS).order_by(schemas.c.slug)
    if register is not None:
        query = (
            query.join(register_schemas, register_schemas.c.schema_id == schemas.c.id)
            .join(registers, registers.c.id == register_schemas.c.register_id)
            .where(registers.c.slug == register)
        )
    return [Schema(**row._mapping) for row in connection.execute(query)]


def update(
    connection: sa.Connection,
    slug: str,
    *,
    actor: str,
    document: dict[str, Any] | None = None,
    title: str | None = None,
    if_version: int | None = None,
    if_updated: datetime | None = None,
) -> Schema:
    """Change the document (as a new version, unless it is equal) or the title.

    Raises NotFoundError; ConflictError if `if_version` is not the latest version, and
    ChangedError if document or title has changed since `if_updated`.
    """
    before = _locked(connection, slug, if_updated)
    if if_version is not None and before.version != if_version:
        raise ConflictError(f"Schema {slug!r} is now at version {before.version}, not {if_version}")
    renewed = document is not None and not _same(before.document, document)
    if not renewed and title in (None, before.title):
        return before
    row = connection.execute(
        sa.update(schemas)
        .where(schemas.c.id == before.id)
        .values(
            title=before.title if title is None else title,
            document=document if renewed else before.document,
            version=before.version + renewed,
            updated=sa.func.clock_timestamp(),
            changed_by=actor,
        )
        .returning(*_COLUMNS)
    ).one()
    after = Schema(**row._mapping)
    if renewed:
        _keep_version(connection, after, actor)
    return after


def versions(connection: sa.Connection, schema_id: int) -> list[Version]:
    """Every version, newest first."""
    rows = connection.execute(
        sa.select(
            schema_versions.c.version,
            schema_versions.c.document,
            schema_versions.c.actor,
            schema_versions.c.created,
        )
        .where(schema_versions.c.schema_id == schema_id)
        .order_by(schema_versions.c.version.desc())
    )
    return [Version(**row._mapping) for row in rows]


def link(connection: sa.Connection, *, register_id: int, schema_id: int) -> None:
    """Let the register use the schema. Safe to repeat."""
    connection.execute(
        insert(register_schemas)
        .values(register_id=register_id, schema_id=schema_id)
        .on_conflict_do_nothing()
    )


def linked(connection: sa.Connection, *, register_id: int, schema_id: int) -> bool:
    """Whether the register uses the schema."""
    return bool(
        connection.scalar(
            sa.select(
                sa.exists().where(
                    register_schemas.c.register_id == register_id,
                    register_schemas.c.schema_id == schema_id,
                )
            )
        )
    )


def registers_of(connection: sa.Connection, schema_id: int) -> list[str]:
    """Slugs of the registers that use the schema."""
    return list(
        connection.scalars(
            sa.select(registers.c.slug)
            .join(register_schemas, register_schemas.c.register_id == registers.c.id)
            .where(register_schemas.c.schema_id == schema_id)
            .order_by(registers.c.slug)
        )
    )


def delete(connection: sa.Connection, slug: str, *, if_updated: datetime | None = None) -> None:
    """Delete an unused schema with its versions.

    Raises NotFoundError, InUseError, ChangedError as `update`.
    """
    schema = _locked(connection, slug, if_updated)
    users = connection.scalars(
        sa.select(sources.c.name)
        .join(source_targets, source_targets.c.source_id == sources.c.id)
        .where(source_targets.c.schema_id == schema.id)
        .distinct()
        .order_by(sources.c.name)
    ).all()
    if users:
        raise InUseError(
            f"Schema {slug!r} is the target of {', '.join(users)}",
            hint="Point these sources elsewhere, or delete them first",
        )
    # the index on objects starts with the register, so query the existing pairs
    pairs = sa.select(register_schemas.c.register_id).where(
        register_schemas.c.schema_id == schema.id
    )
    if connection.scalar(
        sa.select(
            sa.exists().where(objects.c.register_id.in_(pairs), objects.c.schema_id == schema.id)
        )
    ):
        raise InUseError(
            f"There are objects of schema {slug!r}",
            hint="Only a schema that was never used can be deleted",
        )
    connection.execute(sa.delete(register_schemas).where(register_schemas.c.schema_id == schema.id))
    connection.execute(sa.delete(schemas).where(schemas.c.id == schema.id))


def _locked(connection: sa.Connection, slug: str, if_updated: datetime | None) -> Schema:
    row = connection.execute(
        sa.select(*_COLUMNS).where(schemas.c.slug == slug).with_for_update()
    ).one_or_none()
    if row is None:
        raise _missing(slug)
    found = Schema(**row._mapping)
    require_unchanged(found, if_updated)
    return found


def require_unchanged(stored: Schema, if_updated: datetime | None) -> None:
    """Raise ChangedError if the schema has changed since `if_updated`."""
    if if_updated is not None and stored.updated != if_updated:
        raise ChangedError(f"Schema {stored.slug!r}", by=stored.changed_by, at=stored.updated)


def _keep_version(connection: sa.Connection, schema: Schema, actor: str) -> None:
    connection.execute(
        sa.insert(schema_versions).values(
            schema_id=schema.id, version=schema.version, document=schema.document, actor=actor
        )
    )


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two documents are equal apart from whitespace; the order of members counts."""
    return dump_json(canonical.value(one)) == dump_json(canonical.value(other))


def _missing(slug: str) -> NotFoundError:
    return NotFoundError(
        f"There is no schema {slug!r}", hint="`openregister schema:list` lists the schemas"
    )
