"""A target of a source: a register and schema, and the compiled plan that leads there."""

from __future__ import annotations

from dataclasses import dataclass

from app.mapping.plan import RowPlan


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go: a register and schema, through a compiled plan."""

    number: int
    register_id: int
    schema_id: int
    plan: RowPlan
    local_fields: frozenset[str] = frozenset()
