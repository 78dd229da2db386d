"""Sources and what is kept of them between runs."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, UUID

from app.database.tables.base import (
    NOW,
    Timestamp,
    changed_by,
    created,
    metadata,
    updated,
)
from app.database.tables.registers import (
    register_schemas,
)

sources = Table(
    "sources",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True, comment="Number of the source"),
    Column("name", Text, nullable=False, unique=True, comment="Name in commands and addresses"),
    Column("type", Text, nullable=False, comment="Its connector"),
    Column("connection", JSONB, nullable=False, comment="Connection settings without secrets"),
    Column("secrets", LargeBinary, comment="Encrypted JSON {dotted field: secret}"),
    Column(
        "schedule",
        Text,
        nullable=False,
        server_default="manual",
        comment="Five fields of cron, or manual",
    ),
    Column(
        "timezone", Text, nullable=False, server_default="UTC", comment="Timezone of the schedule"
    ),
    Column(
        "on_missing",
        Text,
        nullable=False,
        server_default="keep",
        comment="What happens to objects that a complete read has not seen: keep or delete",
    ),
    Column(
        "options",
        JSONB,
        nullable=False,
        server_default=text("'{}'::jsonb"),
        comment="Options that differ from their defaults",
    ),
    Column(
        "enabled",
        Boolean,
        nullable=False,
        server_default=text("true"),
        comment="False while it is disabled",
    ),
    Column(
        "status", Text, nullable=False, server_default="active", comment="active, disabled or error"
    ),
    Column("status_reason", Text, comment="Why it is disabled or in error"),
    Column("failures", Integer, nullable=False, server_default="0", comment="Failed runs in a row"),
    Column("cursor", JSONB, comment="Where the next incremental read carries on"),
    Column("cursor_fingerprint", LargeBinary, comment="Mapping and schema the cursor belongs to"),
    Column("profile", JSONB, comment="Its fields and their types when it was last accepted"),
    Column("last_sync", Timestamp, comment="End of the last run that finished done or partial"),
    Column("last_full", Timestamp, comment="End of the last proven-complete full read"),
    Column("last_run_id", BigInteger, comment="Its latest run"),
    created(),
    updated(),
    Column(
        "findings",
        JSONB,
        nullable=False,
        server_default=text("'{}'::jsonb"),
        comment="What reads found out about its form, such as where the rows are",
    ),
    changed_by(),
    CheckConstraint("on_missing IN ('keep', 'delete')", name="on_missing"),
    CheckConstraint("status IN ('active', 'disabled', 'error')", name="status"),
    CheckConstraint("enabled = (status <> 'disabled')", name="enabled"),
    comment="What is read, how and when, and its current state",
)

source_targets = Table(
    "source_targets",
    metadata,
    Column(
        "source_id",
        Integer,
        ForeignKey(sources.c.id, ondelete="CASCADE"),
        nullable=False,
        comment="The source",
    ),
    Column("target", SmallInteger, nullable=False, comment="0 for the first target"),
    Column("register_id", Integer, nullable=False, comment="Register of the target"),
    Column("schema_id", Integer, nullable=False, comment="Schema of the target"),
    Column("mapping", JSON, nullable=False, comment="Mapping of a row to an object, as written"),
    PrimaryKeyConstraint("source_id", "target"),
    ForeignKeyConstraint(
        ["register_id", "schema_id"],
        [register_schemas.c.register_id, register_schemas.c.schema_id],
        name="fk_source_targets_register_schema",
    ),
    Index("ix_source_targets_register_id_schema_id", "register_id", "schema_id"),
    comment="The targets of each source, with their mappings",
)

source_state = Table(
    "source_state",
    metadata,
    Column(
        "source_id",
        Integer,
        ForeignKey(sources.c.id, ondelete="CASCADE"),
        nullable=False,
        comment="The source",
    ),
    Column("name", Text, nullable=False, comment="What is kept"),
    Column("value", LargeBinary, nullable=False, comment="Encrypted JSON, for example a token"),
    updated(),
    PrimaryKeyConstraint("source_id", "name"),
    comment="State that a source's connector keeps between runs",
)

quarantine = Table(
    "quarantine",
    metadata,
    Column(
        "id",
        BigInteger,
        Identity(always=True),
        primary_key=True,
        comment="Number of the rejected row",
    ),
    Column(
        "source_id",
        Integer,
        ForeignKey(sources.c.id, ondelete="CASCADE"),
        nullable=False,
        comment="Source of the row",
    ),
    Column(
        "target",
        SmallInteger,
        nullable=False,
        server_default="0",
        comment="Target that rejected it, 0 for the first",
    ),
    Column("identity", Text, nullable=False, comment="The key, or a hash of the raw row"),
    Column("run_id", BigInteger, nullable=False, comment="The run that saw it last"),
    Column("position", Text, nullable=False, comment="Where the row is in the source"),
    Column("source_key", Text, comment="Key of the row, if it has one"),
    Column("stage", Text, nullable=False, comment="Stage of the sync that rejected it"),
    Column("errors", JSONB, nullable=False, comment="[{path, message, value}]"),
    Column("raw", JSON, comment="The row as the source gave it"),
    Column(
        "first_seen",
        Timestamp,
        nullable=False,
        server_default=NOW,
        comment="When it was first rejected",
    ),
    Column(
        "last_seen",
        Timestamp,
        nullable=False,
        server_default=NOW,
        comment="When it was last rejected",
    ),
    UniqueConstraint("source_id", "target", "identity"),
    Index("ix_quarantine_run_id", "run_id"),
    comment="Rows that were rejected, with the reason",
)

held_deletions = Table(
    "held_deletions",
    metadata,
    Column(
        "source_id",
        Integer,
        ForeignKey(sources.c.id, ondelete="CASCADE"),
        nullable=False,
        comment="Source of the object",
    ),
    Column("object_uuid", UUID(as_uuid=True), nullable=False, comment="Object to be deleted"),
    Column("run_id", BigInteger, nullable=False, comment="Run that did not see it"),
    PrimaryKeyConstraint("source_id", "object_uuid"),
    comment="Deletions that wait for approval",
)

INCIDENTS = ("failing", "stale")

incidents = Table(
    "incidents",
    metadata,
    Column(
        "source_id",
        Integer,
        ForeignKey(sources.c.id, ondelete="CASCADE"),
        nullable=False,
        comment="Source with the problem",
    ),
    Column("kind", Text, nullable=False, comment="failing or stale"),
    Column("message", Text, nullable=False, comment="What was reported"),
    Column(
        "opened",
        Timestamp,
        nullable=False,
        server_default=NOW,
        comment="When it was first reported",
    ),
    PrimaryKeyConstraint("source_id", "kind"),
    CheckConstraint("kind IN ({})".format(", ".join(f"'{k}'" for k in INCIDENTS)), name="kind"),
    comment="Current problems that have been reported",
)
