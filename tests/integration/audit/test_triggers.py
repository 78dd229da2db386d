"""The audit trail is append-only, whoever asks."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from app.database.tables import audit_trails


@pytest.fixture
def entry(any_engine: sa.Engine) -> sa.Engine:
    with any_engine.begin() as connection:
        connection.execute(
            sa.insert(audit_trails).values(
                chain_id=1,
                position=1,
                created=sa.func.now(),
                object_uuid=uuid.uuid4(),
                version=1,
                action="create",
                actor="test",
                data_hash=b"d",
                prev_hash=b"p",
                hash=b"h",
            )
        )
    return any_engine


@pytest.mark.promise("the audit trail is rewritten")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE openregister.audit_trails SET actor = 'somebody else'",
        "DELETE FROM openregister.audit_trails",
        "TRUNCATE openregister.audit_trails",
    ],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_entries_cannot_be_changed(entry, statement, role):
    with entry.connect() as connection:
        # as a superuser who means to switch triggers off
        connection.execute(sa.text(f"SET session_replication_role = {role}"))
        with pytest.raises(sa.exc.ProgrammingError, match="append-only"):
            connection.execute(sa.text(statement))
        connection.rollback()
        assert connection.scalar(sa.select(audit_trails.c.actor)) == "test"


def test_entries_can_be_added(entry):
    with entry.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(audit_trails)) == 1
