"""JSON of registers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.registers.model import Register
    from app.registers.registers import Overview


def register_document(register: Register, schemas: Sequence[str]) -> dict[str, Any]:
    """A register; `schemas` are the slugs of those it uses."""
    return {
        "id": register.id,
        "slug": register.slug,
        "title": register.title,
        "description": register.description,
        "schemas": list(schemas),
        "created": register.created,
        "updated": register.updated,
        "changed_by": register.changed_by,
    }


def register_with_count(found: Overview) -> dict[str, Any]:
    """The same with its number of objects, exact or estimated."""
    counts = {"objects": found.objects, "objects_exact": found.exact}
    return {**register_document(found.register, found.schemas), **counts}
