"""The backlog of a source between runs: rejected rows and held deletions."""

from __future__ import annotations

import sqlalchemy as sa

from app.database.tables import held_deletions, objects, quarantine
from app.sync import quarantine as rejects
from app.sync.report import Standing


def at_end(connection: sa.Connection, source_id: int, run_id: int, *, with_held: bool) -> Standing:
    """The backlog when a run ends; held deletions only if `with_held`."""
    rejected = rejects.count(connection, source_id)
    return Standing(
        rejected_before=rejected - rejects.count(connection, source_id, run_id=run_id),
        held=count_held(connection, source_id) if with_held else 0,
        well=not rejected or _some_object_is_clean(connection, source_id),
    )


def waiting(source_id: int) -> sa.ColumnElement[bool]:
    """Which rows of `held_deletions`, joined with their objects, still wait.

    An object written since, by a later run or by a user, is no longer deleted.
    """
    return sa.and_(
        held_deletions.c.source_id == source_id,
        objects.c.source_id == source_id,
        objects.c.deleted.is_(None),
        sa.or_(objects.c.run_id.is_(None), objects.c.run_id <= held_deletions.c.run_id),
    )


def count_held(connection: sa.Connection, source_id: int) -> int:
    """How many deletions of a source wait for approval."""
    found = (
        sa.select(sa.func.count())
        .select_from(held_deletions.join(objects, objects.c.uuid == held_deletions.c.object_uuid))
        .where(waiting(source_id))
    )
    return connection.scalar(found) or 0


def _some_object_is_clean(connection: sa.Connection, source_id: int) -> bool:
    """Whether the source has a live object whose row is not in quarantine."""
    rejected = sa.exists().where(
        quarantine.c.source_id == source_id,
        quarantine.c.target == objects.c.target,
        quarantine.c.identity == objects.c.source_key,
    )
    clean = sa.exists().where(
        objects.c.source_id == source_id, objects.c.deleted.is_(None), ~rejected
    )
    return bool(connection.scalar(sa.select(clean)))
