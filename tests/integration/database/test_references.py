"""What an object refers to exists, although no foreign key checks every row."""

from __future__ import annotations

import threading
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from app.application import assemble
from app.database import tables
from app.registers import registers, schemas
from app.settings import Settings
from app.sources import manage

INSERT = """
INSERT INTO openregister.objects (uuid, register_id, schema_id, source_id, data_hash, data)
VALUES (:uuid, :register, :schema, :source, '\\x00', '{}')
"""


@pytest.fixture
def ids(engine: sa.Engine, tmp_path) -> dict[str, int]:
    application = assemble(Settings(data_dir=tmp_path / "data"), engine)
    application.write(registers.add, "geo")
    schemas.add(application, "place", {"type": "object"}, register="geo", actor="test")
    manage.save(
        application,
        {
            "name": "places",
            "type": "files",
            "connection": {"path": str(tmp_path / "x.ndjson"), "format": "ndjson"},
            "target": {"register": "geo", "schema": "place"},
            "mapping": {"key": "code", "passthrough": True},
        },
        test=False,
    )
    with engine.connect() as connection:
        row = connection.execute(
            sa.text(
                "SELECT register_id, schema_id, (SELECT id FROM openregister.sources) AS source"
                " FROM openregister.register_schemas"
            )
        ).one()
    return {"register": row.register_id, "schema": row.schema_id, "source": row.source}


def insert(connection: sa.Connection, **values: int | None) -> None:
    connection.execute(sa.text(INSERT), {"uuid": uuid4(), **values})


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"register": 999}, "fk_objects_register_schema"),
        ({"schema": 999}, "fk_objects_register_schema"),
        ({"source": 999}, "fk_objects_source_id"),
    ],
)
def test_an_object_of_nothing_is_refused(engine, ids, wrong, constraint):
    with pytest.raises(sa.exc.IntegrityError) as caught, engine.begin() as connection:
        insert(connection, **{**ids, **wrong})
    assert isinstance(caught.value.orig, psycopg.errors.ForeignKeyViolation)
    assert caught.value.orig.diag.constraint_name == constraint


def test_an_object_outlives_its_source(engine, ids):
    with engine.begin() as connection:
        insert(connection, **ids)
        insert(connection, **{**ids, "source": None})
        connection.execute(sa.text("DELETE FROM openregister.sources"))
        left = connection.execute(sa.text("SELECT source_id FROM openregister.objects")).all()
    assert left == [(None,), (None,)]


def test_a_schema_with_objects_stays_in_its_register(engine, ids):
    with engine.begin() as connection:
        insert(connection, **ids)
    delete = "DELETE FROM openregister.register_schemas"
    move = "UPDATE openregister.register_schemas SET schema_id = schema_id + 1"
    for statement in (delete, move, "DELETE FROM openregister.registers"):
        with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
            connection.execute(sa.text(statement))


def test_an_object_cannot_move(engine, ids):
    with engine.begin() as connection:
        insert(connection, **ids)
    objects = tables.objects
    for column in (objects.c.schema_id, objects.c.register_id, objects.c.source_id):
        change = sa.update(objects).values({column: 999})
        with pytest.raises(sa.exc.IntegrityError, match="cannot move"), engine.begin() as writing:
            writing.execute(change)


def test_a_source_cannot_go_between_the_check_and_the_commit(engine, ids):
    """The delete waits for the insert, then finds the object and lets it go."""
    with engine.connect() as writing:
        insert(writing, **ids)

        def delete() -> None:
            with engine.begin() as connection:
                connection.execute(sa.text("DELETE FROM openregister.sources"))

        deleting = threading.Thread(target=delete)
        deleting.start()
        deleting.join(0.5)
        assert deleting.is_alive()
        writing.commit()
        deleting.join(20)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT source_id FROM openregister.objects")) is None
