"""JSON of schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.registers.schemas import Details, Overview


def schema_document(found: Overview) -> dict[str, Any]:
    """A schema in its latest version; `registers` are the slugs of those that use it."""
    schema = found.schema
    return {
        "id": schema.id,
        "slug": schema.slug,
        "title": schema.title,
        "version": schema.version,
        "registers": list(found.registers),
        "properties": list(schema.document.get("properties") or {}),
        "document": schema.document,
        "created": schema.created,
        "updated": schema.updated,
        "changed_by": schema.changed_by,
    }


def schema_with_versions(found: Details) -> dict[str, Any]:
    """The same with every version, newest first."""
    versions = [
        {"version": each.version, "actor": each.actor, "created": each.created}
        for each in found.versions
    ]
    return {**schema_document(found), "versions": versions}
