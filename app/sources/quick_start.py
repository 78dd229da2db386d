"""Create a source together with a new register or schema, derived from its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from app.application import Application
from app.errors import UsageError
from app.registers import register_store, registers, schemas
from app.sources import confinement, manage, propose_schema
from app.sources.manage import Saved
from app.sources.model import to_document

SAMPLE = 1000
"""Rows from which the schema is derived."""
LONGEST_LOOK = 15.0
"""Seconds that a page waits for the first rows."""


@dataclass(frozen=True, slots=True)
class NewTarget:
    """Slugs of the register, which may exist, and of the schema, which must not."""

    register: str
    schema: str


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
                app, name, limit=SAMPLE, title=target.schema, seconds=LONGEST_LOOK
            )
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
