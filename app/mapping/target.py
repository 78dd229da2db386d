"""A target of a source: a register, a schema and the compiled plan."""

from __future__ import annotations

from dataclasses import dataclass

from app.mapping.plan import RowPlan


@dataclass(frozen=True, slots=True)
class Target:
    """The register and schema for the rows, with the compiled plan."""

    number: int
    register_id: int
    schema_id: int
    plan: RowPlan
    local_fields: frozenset[str] = frozenset()
