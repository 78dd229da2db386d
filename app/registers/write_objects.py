"""Write objects outside a sync: edits by users, and undo.

An edit and its audit entry are one transaction. Objects are locked in the order of their UUIDs, the
chain last, so two edits never deadlock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa

from app.audit import append
from app.audit.append import PEOPLE, Writer
from app.audit.chain_rule import Action, Change, ChangeColumns
from app.database.tables import objects
from app.errors import ConflictError, ExistsError

_INSERT = """
INSERT INTO openregister.objects
       (uuid, register_id, schema_id, run_id, created, updated, data_hash, data)
SELECT v.uuid, v.register_id, v.schema_id, %(run)s, now(), now(), v.data_hash, v.data::jsonb
FROM unnest(%(uuids)s::uuid[], %(registers)s::int[], %(schemas)s::int[],
            %(data_hashes)s::bytea[], %(data)s::text[])
     AS v (uuid, register_id, schema_id, data_hash, data)
"""

# The version guards against a write between our lookup and our write.
_UPDATE = """
UPDATE openregister.objects o
SET data = v.data::jsonb, data_hash = v.data_hash, version = o.version + 1,
    deleted = CASE WHEN v.deleted THEN now() END, updated = now(), run_id = %(run)s,
    origin_hash = CASE WHEN v.keeps_origin THEN o.origin_hash END
FROM unnest(%(uuids)s::uuid[], %(versions)s::int[], %(data_hashes)s::bytea[], %(data)s::text[],
            %(deleted)s::bool[], %(keeps_origin)s::bool[])
     AS v (uuid, version, data_hash, data, deleted, keeps_origin)
WHERE o.uuid = v.uuid AND o.version = v.version
"""


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object without a source; `json` is its canonical form, `data_hash` its SHA-256."""

    uuid: UUID
    register_id: int
    schema_id: int
    json: bytes
    data_hash: bytes


@dataclass(frozen=True, slots=True)
class Revision:
    """The next version of an object that is now at `version`.

    `diff`: canonical bytes, None if no field changes. `deleted`: whether the object is deleted
    afterwards. With `keeps_origin` the next sync treats an unchanged row as known; without it,
    the row is processed again.
    """

    uuid: UUID
    version: int
    action: Action
    json: bytes
    data_hash: bytes
    diff: bytes | None
    deleted: bool = False
    keeps_origin: bool = True


def by_people(actor: str) -> Writer:
    """The chain of edits by users."""
    return Writer(PEOPLE, 0, "", actor, None)


def lock(connection: sa.Connection, uuids: Collection[UUID]) -> None:
    """Lock these objects until the transaction ends."""
    connection.execute(
        sa.select(objects.c.uuid)
        .where(objects.c.uuid.in_(uuids))
        .order_by(objects.c.uuid)
        .with_for_update()
    )


def write(
    connection: sa.Connection,
    writer: Writer,
    *,
    creates: Sequence[NewObject] = (),
    revisions: Sequence[Revision] = (),
) -> datetime:
    """Write objects with an audit entry each; returns their timestamp.

    Raises ConflictError if an object is no longer at its version, ExistsError for a UUID in use;
    the transaction must then be rolled back.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    if creates:
        _insert(driver, writer, creates)
    if revisions:
        _update(driver, writer, revisions)
    row = driver.execute("SELECT now()").fetchone()
    assert row is not None  # it selects one row
    moment: datetime = row[0]
    steps = ChangeColumns()
    steps.add_created([new.uuid.bytes for new in creates], [new.data_hash for new in creates])
    steps.add(map(_changed, revisions))
    append.append(driver, writer, steps, moment)
    return moment


def _insert(driver: psycopg.Connection[Any], writer: Writer, creates: Sequence[NewObject]) -> None:
    try:
        driver.execute(
            _INSERT,
            {
                "run": writer.run_id,
                "uuids": [new.uuid for new in creates],
                "registers": [new.register_id for new in creates],
                "schemas": [new.schema_id for new in creates],
                "data_hashes": [new.data_hash for new in creates],
                "data": [new.json.decode() for new in creates],
            },
        )
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != "pk_objects":
            raise
        raise ExistsError("An object with this UUID already exists") from None


def _update(driver: psycopg.Connection[Any], writer: Writer, revisions: Sequence[Revision]) -> None:
    done = driver.execute(
        _UPDATE,
        {
            "run": writer.run_id,
            "uuids": [revision.uuid for revision in revisions],
            "versions": [revision.version for revision in revisions],
            "data_hashes": [revision.data_hash for revision in revisions],
            "data": [revision.json.decode() for revision in revisions],
            "deleted": [revision.deleted for revision in revisions],
            "keeps_origin": [revision.keeps_origin for revision in revisions],
        },
    )
    if done.rowcount != len(revisions):
        raise ConflictError("An object was changed by another user in the meantime")


def _changed(revision: Revision) -> Change:
    return Change(
        revision.uuid.bytes,
        revision.version + 1,
        revision.action.value,
        revision.data_hash,
        revision.diff,
    )
