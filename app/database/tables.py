"""The tables of the PostgreSQL schema `openregister`.

Migrations are written by hand in `migrations/`; a test compares them with these definitions. The
tables of background jobs are in `jobs.tables`. Some references are deliberately not foreign keys:

- `audit_trails` and `chains` refer to sources, runs and objects as history: an entry must
  outlive what it refers to, so deletions must neither cascade to it nor be blocked by it.
- `objects.run_id` and `quarantine.run_id` are written with every batch while retention deletes
  runs; the reporting views use outer joins.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, UUID

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


def _created() -> Column[object]:
    return Column("created", Timestamp, nullable=False, server_default=NOW)


def _updated() -> Column[object]:
    return Column("updated", Timestamp, nullable=False, server_default=NOW)


def _changed_by() -> Column[object]:
    """Who made the change of `updated`; empty if nobody said."""
    return Column("changed_by", Text, nullable=False, server_default="")


registers = Table(
    "registers",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    _created(),
    _updated(),
    _changed_by(),
    CheckConstraint("slug ~ '^[a-z0-9][a-z0-9_-]*$'", name="slug"),
)

schemas = Table(
    "schemas",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    # json, not jsonb, keeps the text of a schema and the order of its members
    Column("document", JSON, nullable=False),
    _created(),
    _updated(),
    _changed_by(),
    CheckConstraint("slug ~ '^[a-z0-9][a-z0-9_-]*$'", name="slug"),
)

schema_versions = Table(
    "schema_versions",
    metadata,
    Column("schema_id", Integer, ForeignKey(schemas.c.id, ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    _created(),
    PrimaryKeyConstraint("schema_id", "version"),
)

register_schemas = Table(
    "register_schemas",
    metadata,
    Column("register_id", Integer, ForeignKey(registers.c.id, ondelete="CASCADE"), nullable=False),
    Column("schema_id", Integer, ForeignKey(schemas.c.id), nullable=False, index=True),
    PrimaryKeyConstraint("register_id", "schema_id"),
)

sources = Table(
    "sources",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("connection", JSONB, nullable=False, comment="Connection settings without secrets"),
    Column("secrets", LargeBinary, comment="Encrypted JSON {dotted field: secret}"),
    Column("schedule", Text, nullable=False, server_default="manual"),
    Column("timezone", Text, nullable=False, server_default="UTC"),
    Column("on_missing", Text, nullable=False, server_default="keep"),
    Column("options", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("status", Text, nullable=False, server_default="active"),
    Column("status_reason", Text),
    Column("failures", Integer, nullable=False, server_default="0", comment="Failed runs in a row"),
    Column("cursor", JSONB, comment="Where the next incremental read carries on"),
    Column("cursor_fingerprint", LargeBinary, comment="Mapping and schema the cursor belongs to"),
    Column("profile", JSONB, comment="Its fields and their types when it was last accepted"),
    Column("last_sync", Timestamp, comment="End of the last run that finished done or partial"),
    Column("last_full", Timestamp, comment="End of the last proven-complete full read"),
    Column("last_run_id", BigInteger),
    _created(),
    _updated(),
    Column(
        "findings",
        JSONB,
        nullable=False,
        server_default=text("'{}'::jsonb"),
        comment="What reads found out about its form, such as where the rows are",
    ),
    _changed_by(),
    CheckConstraint("on_missing IN ('keep', 'delete')", name="on_missing"),
    CheckConstraint("status IN ('active', 'disabled', 'error')", name="status"),
    CheckConstraint("enabled = (status <> 'disabled')", name="enabled"),
)

source_targets = Table(
    "source_targets",
    metadata,
    Column("source_id", Integer, ForeignKey(sources.c.id, ondelete="CASCADE"), nullable=False),
    Column("target", SmallInteger, nullable=False, comment="0 for the first target"),
    Column("register_id", Integer, nullable=False),
    Column("schema_id", Integer, nullable=False),
    Column("mapping", JSON, nullable=False),
    PrimaryKeyConstraint("source_id", "target"),
    ForeignKeyConstraint(
        ["register_id", "schema_id"],
        [register_schemas.c.register_id, register_schemas.c.schema_id],
        name="fk_source_targets_register_schema",
    ),
    Index("ix_source_targets_register_id_schema_id", "register_id", "schema_id"),
)

source_state = Table(
    "source_state",
    metadata,
    Column("source_id", Integer, ForeignKey(sources.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("value", LargeBinary, nullable=False, comment="Encrypted JSON, for example a token"),
    _updated(),
    PrimaryKeyConstraint("source_id", "name"),
)

RUN_STATES = ("running", "done", "partial", "held", "failed", "crashed", "cancelled")
COUNTERS = (
    "read",
    "created",
    "updated",
    "unchanged",
    "filtered",
    "duplicate",
    "deleted",
    "held",
    "errors",
)

runs = Table(
    "runs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("source_id", Integer, ForeignKey(sources.c.id, ondelete="CASCADE"), nullable=False),
    Column("trigger", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="running"),
    *(Column(name, BigInteger, nullable=False, server_default="0") for name in COUNTERS),
    Column("total", BigInteger, comment="Estimate of the rows in this read"),
    Column("complete", Boolean, nullable=False, server_default=text("false")),
    Column("full", Boolean, nullable=False, server_default=text("true")),
    Column("cursor_before", JSONB),
    Column("cursor_after", JSONB),
    Column("drift", JSONB),
    Column("warnings", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("message", Text),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process", Text, comment="Boot, pid namespace and start: tells a reused pid apart"),
    Column("lease_until", Timestamp, nullable=False),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("peak_memory", BigInteger, comment="Bytes"),
    Column("started", Timestamp, nullable=False, server_default=NOW),
    Column("finished", Timestamp),
    Column("complete_because", Text, comment="The evidence that the read was complete"),
    Column(
        "rejected_before",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="Rows rejected by earlier runs that are still in quarantine",
    ),
    CheckConstraint("\"trigger\" IN ('manual', 'cron', 'api')", name="trigger"),
    CheckConstraint(
        "state IN ({})".format(", ".join(f"'{state}'" for state in RUN_STATES)), name="state"
    ),
    CheckConstraint("(state = 'running') = (finished IS NULL)", name="finished"),
    CheckConstraint(
        "state NOT IN ('done', 'partial', 'held') OR "
        "read = created + updated + unchanged + filtered + duplicate + errors",
        name="invariant",
    ),
    Index("ix_runs_source_id_id", "source_id", "id"),
    Index("ix_runs_finished", "finished"),
    # the lock: one run per source at a time, however it is started
    Index("uq_runs_running", "source_id", unique=True, postgresql_where=text("state = 'running'")),
)

objects = Table(
    "objects",
    metadata,
    Column("uuid", UUID(as_uuid=True), primary_key=True),
    # Dense numbers make "seen in this read" one bit per object instead of a set of keys.
    Column("seq", BigInteger, Identity(always=True, cache=1000), nullable=False),
    Column("run_id", BigInteger, comment="The run that wrote this version, if a run did"),
    Column("register_id", Integer, nullable=False),
    Column("schema_id", Integer, nullable=False),
    Column("source_id", Integer),
    Column("target", SmallInteger, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column(
        "repeated",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="Its key stood more than once in a read; earlier rows wait for later ones",
    ),
    _created(),
    _updated(),
    Column("deleted", Timestamp),
    Column("origin_hash", UUID(as_uuid=False), comment="XXH3-128 of raw row, mapping and schema"),
    Column("data_hash", LargeBinary, nullable=False, comment="SHA-256 of the canonical data"),
    # compared by bytes: faster, and the index survives a change of the system's collations
    Column("source_key", Text(collation="C")),
    Column("data", JSONB, nullable=False),
    # Register, schema and source are checked by triggers, once per statement: see migration 0001.
    # Rows without a key are created again by every run; NULLs never conflict here.
    Index("uq_objects_source_key", "source_id", "target", "source_key", unique=True),
    Index("ix_objects_register_schema", "register_id", "schema_id", "uuid"),
    # free space for the next version of a row in its page, so that updates change no index
    postgresql_with={"fillfactor": 90},
)

chains = Table(
    "chains",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("source_id", Integer, nullable=False, comment="0: edits that no source made"),
    Column("lane", SmallInteger, nullable=False),
    Column("source_name", Text, nullable=False),
    Column("length", BigInteger, nullable=False, server_default="0"),
    Column(
        "head", LargeBinary, nullable=False, comment="Hash of the last entry; the anchor if none"
    ),
    UniqueConstraint("source_id", "lane"),
)

AUDIT_ACTIONS = ("create", "update", "delete", "restore")

audit_trails = Table(
    "audit_trails",
    metadata,
    Column("chain_id", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("run_id", BigInteger),
    Column("created", Timestamp, nullable=False),
    Column("object_uuid", UUID(as_uuid=True), nullable=False),
    Column("version", Integer, nullable=False, comment="Version of the object after the action"),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("data_hash", LargeBinary, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
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
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("source_id", Integer, ForeignKey(sources.c.id, ondelete="CASCADE"), nullable=False),
    Column("target", SmallInteger, nullable=False, server_default="0"),
    Column("identity", Text, nullable=False, comment="The key, or a hash of the raw row"),
    Column("run_id", BigInteger, nullable=False, comment="The run that saw it last"),
    Column("position", Text, nullable=False),
    Column("source_key", Text),
    Column("stage", Text, nullable=False),
    Column("errors", JSONB, nullable=False, comment="[{path, message, value}]"),
    Column("raw", JSON, comment="The row as the source gave it"),
    Column("first_seen", Timestamp, nullable=False, server_default=NOW),
    Column("last_seen", Timestamp, nullable=False, server_default=NOW),
    UniqueConstraint("source_id", "target", "identity"),
    Index("ix_quarantine_run_id", "run_id"),
)

held_deletions = Table(
    "held_deletions",
    metadata,
    Column("source_id", Integer, ForeignKey(sources.c.id, ondelete="CASCADE"), nullable=False),
    Column("object_uuid", UUID(as_uuid=True), nullable=False),
    Column("run_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("source_id", "object_uuid"),
)

INCIDENTS = ("failing", "stale")

incidents = Table(
    "incidents",
    metadata,
    Column("source_id", Integer, ForeignKey(sources.c.id, ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("opened", Timestamp, nullable=False, server_default=NOW),
    PrimaryKeyConstraint("source_id", "kind"),
    CheckConstraint("kind IN ({})".format(", ".join(f"'{k}'" for k in INCIDENTS)), name="kind"),
)

cron_ticks = Table(
    "cron_ticks",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("started", Timestamp, nullable=False, server_default=NOW),
    Column("finished", Timestamp),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("jobs", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Index("ix_cron_ticks_started", "started"),
)

settings = Table(
    "settings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", JSONB, nullable=False, comment="JSON null: back to the default"),
    _updated(),
    _changed_by(),
)

users = Table(
    "users",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False, server_default=""),
    Column("email", Text),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("session_epoch", Integer, nullable=False, server_default="0"),
    Column("failed_logins", Integer, nullable=False, server_default="0"),
    Column("locked_until", Timestamp),
    Column("last_login", Timestamp),
    _created(),
    _updated(),
    CheckConstraint("role IN ('admin', 'register-admin', 'viewer')", name="role"),
)

app_passwords = Table(
    "app_passwords",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column(
        "user_id", Integer, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("name", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("last_used", Timestamp),
    Column("revoked", Timestamp),
    _created(),
    UniqueConstraint("user_id", "name"),
)

# Records our views: only these are ever replaced or dropped. No foreign key: a view is dropped
# with DROP VIEW, and this row says which one.
reporting_views = Table(
    "reporting_views",
    metadata,
    Column("register_id", Integer, nullable=False),
    Column("schema_id", Integer, nullable=False),
    Column(
        "name",
        Text,
        nullable=False,
        unique=True,
        comment="In the PostgreSQL schema openregister_reporting",
    ),
    PrimaryKeyConstraint("register_id", "schema_id"),
)

reporting_grants = Table(
    "reporting_grants",
    metadata,
    Column("register_id", Integer, ForeignKey(registers.c.id, ondelete="CASCADE"), nullable=False),
    Column(
        "role",
        Text,
        nullable=False,
        comment="A role of the server that reads the views of this register alone",
    ),
    PrimaryKeyConstraint("register_id", "role"),
)
