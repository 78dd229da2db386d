"""The schema, and columns that several tables have."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    DateTime,
    MetaData,
    Text,
    text,
)

SCHEMA = "openregister"
REPORTING_SCHEMA = "openregister_reporting"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)

Timestamp = DateTime(timezone=True)
NOW = text("now()")


def created() -> Column[object]:
    return Column(
        "created", Timestamp, nullable=False, server_default=NOW, comment="When it was created"
    )


def updated() -> Column[object]:
    return Column(
        "updated", Timestamp, nullable=False, server_default=NOW, comment="When it was last changed"
    )


def changed_by() -> Column[object]:
    """Who made the change of `updated`; empty if nobody said."""
    return Column(
        "changed_by",
        Text,
        nullable=False,
        server_default="",
        comment="Who made the change of `updated`; empty if unknown",
    )
