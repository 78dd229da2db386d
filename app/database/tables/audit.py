"""The audit trail."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSON, UUID

from app.database.tables.base import (
    Timestamp,
    metadata,
)

chains = Table(
    "chains",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True, comment="Number of the chain"),
    Column("source_id", Integer, nullable=False, comment="0: edits that no source made"),
    Column(
        "lane",
        SmallInteger,
        nullable=False,
        comment="Which of the source's parallel chains, from 0",
    ),
    Column(
        "source_name", Text, nullable=False, comment="Name of the source, as of its latest entry"
    ),
    Column("length", BigInteger, nullable=False, server_default="0", comment="Number of entries"),
    Column(
        "head", LargeBinary, nullable=False, comment="Hash of the last entry; the anchor if none"
    ),
    UniqueConstraint("source_id", "lane"),
    comment="The head of each chain of audit entries",
)

AUDIT_ACTIONS = ("create", "update", "delete", "restore")

audit_trails = Table(
    "audit_trails",
    metadata,
    Column("chain_id", Integer, nullable=False, comment="The chain that the entry belongs to"),
    Column("position", BigInteger, nullable=False, comment="Place in its chain, from 1"),
    Column("run_id", BigInteger, comment="The run that made the change, if a run did"),
    Column("created", Timestamp, nullable=False, comment="When the change was made"),
    Column(
        "object_uuid", UUID(as_uuid=True), nullable=False, comment="The object that was changed"
    ),
    Column("version", Integer, nullable=False, comment="Version of the object after the action"),
    Column("action", Text, nullable=False, comment="create, update, delete or restore"),
    Column("actor", Text, nullable=False, comment="Who or what made the change"),
    Column(
        "data_hash",
        LargeBinary,
        nullable=False,
        comment="SHA-256 of the object's canonical data after the action",
    ),
    Column(
        "prev_hash",
        LargeBinary,
        nullable=False,
        comment="Hash of the previous entry; the anchor for the first",
    ),
    Column(
        "hash", LargeBinary, nullable=False, comment="SHA-256 of the entry, including `prev_hash`"
    ),
    # json, not jsonb: the hash covers exactly these bytes
    Column("diff", JSON, comment="{field: {old, new}}; NULL for a create, the object has it"),
    PrimaryKeyConstraint("chain_id", "position"),
    CheckConstraint(
        "action IN ({})".format(", ".join(f"'{action}'" for action in AUDIT_ACTIONS)), name="action"
    ),
    Index("ix_audit_trails_object_uuid", "object_uuid"),
    # runs and times increase with the rows, so block ranges index them almost for free
    Index("ix_audit_trails_run_id", "run_id", postgresql_using="brin"),
    Index("ix_audit_trails_created", "created", postgresql_using="brin"),
    comment="Every change of every object; triggers refuse UPDATE, DELETE and TRUNCATE",
)
