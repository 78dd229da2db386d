"""Create a source together with a new register or schema, derived from its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.application import Application
from app.errors import UsageError
from app.registers import register_store, registers, schemas
from app.sources import confinement, manage, preview, propose_schema
from app.sources.manage import Saved
from app.sources.model import Source, to_document
from connectors.sdk import Row

SAMPLE = 1000
"""Rows from which the schema is derived."""
LONGEST_LOOK = 15.0
"""Seconds that a page waits for the first rows."""


@dataclass(frozen=True, slots=True)
class NewTarget:
    """Slugs of the register, which may exist, and of the schema, which must not."""

    register: str
    schema: str
    title: str = ""
    required: Sequence[str] = ()
    """Properties that every object must have."""
    closed: Sequence[str] = ()
    """Properties whose values are those of the first rows and no others."""
    as_text: Sequence[str] = ()
    """Properties that stay text although they look like numbers or dates."""


def with_new_schema(
    app: Application, document: dict[str, Any], target: NewTarget, *, actor: str, test: bool
) -> Saved:
    """Create register, schema and source; the schema allows the first rows.

    All or nothing. Raises the errors of `definitions.save`, UsageError for slugs, and
    ConnectorError if the rows cannot be read.
    """
    if not target.register or not target.schema:
        raise UsageError("Give a name to the register and to the new schema")
    with app.engine.connect() as connection:
        known = any(one.slug == target.register for one in register_store.list_all(connection))
    if not known:
        app.write(registers.add, target.register, actor=actor)
    try:
        schemas.add(app, target.schema, {"type": "object"}, register=target.register, actor=actor)
        try:
            return _source(app, document, target, actor=actor, test=test)
        except BaseException:
            app.write(schemas.delete, target.schema)
            raise
    except BaseException:
        if not known:
            app.write(registers.delete, target.register)
        raise


def _source(
    app: Application, document: dict[str, Any], target: NewTarget, *, actor: str, test: bool
) -> Saved:
    place = {"register": target.register, "schema": target.schema}
    saved = confinement.save(
        app, {**document, "target": place}, test=test, update=False, actor=actor
    )
    try:
        if test:
            name = saved.source.name
            found = propose_schema.infer(
                app,
                name,
                limit=SAMPLE,
                title=target.title or target.schema,
                seconds=LONGEST_LOOK,
                as_text=target.as_text,
            )
            _restrict(app, saved.source, found.schema, target)
            schemas.update(app, target.schema, actor=actor, document=found.schema)
            if found.casts:
                stored = to_document(app.read(manage.get, name))
                mapping = propose_schema.with_casts(stored.get("mapping") or {}, found)
                again = confinement.save(
                    app, {**stored, "mapping": mapping}, test=False, update=True, actor=actor
                )
                saved = replace(saved, source=again.source)
    except BaseException:
        app.write(manage.delete, saved.source.name)
        raise
    return saved


def _restrict(app: Application, source: Source, schema: dict[str, Any], target: NewTarget) -> None:
    """Add what a sample cannot prove and a person has ticked."""
    properties = schema.get("properties", {})
    if required := [name for name in target.required if name in properties]:
        schema["required"] = required
    closed = [name for name in target.closed if properties.get(name, {}).get("type") == "string"]
    if not closed:
        return
    values: dict[str, set[str]] = {name: set() for name in closed}
    for row in preview.read_rows(app, source, SAMPLE, patience=LONGEST_LOOK):
        for name in closed:
            if isinstance(row, Row) and isinstance(value := row.data.get(name), str):
                values[name].add(value)
    for name, seen in values.items():
        if seen:
            properties[name]["enum"] = sorted(seen)
