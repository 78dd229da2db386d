"""Sample data to try things with: a register, a schema and a source of the shipped examples."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from app.application import Application
from app.operations import examples
from app.registers import registers, schemas
from app.sources import confinement, store, uploads
from app.sources.model import Source

REGISTER = "sample"
SCHEMA = "sample-country"
SOURCE = "sample-countries"

_MAPPING = {
    "key": "code",
    "fields": {
        "code": "code",
        "name": "name",
        "continent": "continent",
        "wikipedia": "wikipedia_link",
        "keywords": "{{ keywords | split(',') if keywords else none }}",
    },
}


def add(app: Application, *, actor: str) -> Source:
    """Create them, or return the source if it is there already.

    All or nothing. Raises NotFoundError in an installation without examples, ExistsError if
    somebody else uses a name.
    """
    if (known := app.read(store.find, SOURCE)) is not None:
        return known
    schema = json.loads(examples.file("schemas/country.json").read_text(encoding="utf-8"))
    rows = examples.file("data/countries.csv")
    app.write(_make_target, actor)
    try:
        schemas.add(app, SCHEMA, schema, register=REGISTER, actor=actor)
        with rows.open("rb") as stream:
            path = uploads.store(app, rows.name, stream)
        document: dict[str, Any] = {
            "name": SOURCE,
            "title": "Countries (sample)",
            "type": "files",
            "connection": {"path": str(path)},
            "target": {"register": REGISTER, "schema": SCHEMA},
            "mapping": _MAPPING,
        }
        return confinement.save(app, document, test=True, update=False, actor=actor).source
    except BaseException:
        app.write(_undo)
        raise


def _make_target(connection: sa.Connection, actor: str) -> None:
    registers.add(connection, REGISTER, title="Sample data", actor=actor)


def _undo(connection: sa.Connection) -> None:
    if any(one.schema.slug == SCHEMA for one in schemas.overview(connection)):
        schemas.delete(connection, SCHEMA)
    registers.delete(connection, REGISTER)
