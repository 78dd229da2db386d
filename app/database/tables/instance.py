"""The instance: its settings, background work, users, and views for reporting."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.database.tables.base import (
    NOW,
    Timestamp,
    changed_by,
    created,
    metadata,
    updated,
)
from app.database.tables.registers import (
    registers,
)

cron_ticks = Table(
    "cron_ticks",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True, comment="Number of the tick"),
    Column("started", Timestamp, nullable=False, server_default=NOW, comment="When it began"),
    Column("finished", Timestamp, comment="When it ended; NULL while it runs, or if it was killed"),
    Column("host", Text, nullable=False, comment="Host that it ran on"),
    Column("pid", Integer, nullable=False, comment="Process that it ran in"),
    Column("jobs", Integer, nullable=False, server_default="0", comment="Jobs that it ran"),
    Column(
        "failed", Integer, nullable=False, server_default="0", comment="Jobs of these that failed"
    ),
    Index("ix_cron_ticks_started", "started"),
    comment="When `background:cron` ran, where and for how long",
)

settings = Table(
    "settings",
    metadata,
    Column("key", Text, primary_key=True, comment="Name of the setting"),
    Column("value", JSONB, nullable=False, comment="JSON null: back to the default"),
    updated(),
    changed_by(),
    comment="Settings of the instance that differ from their defaults",
)

users = Table(
    "users",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True, comment="Number of the user"),
    Column("name", Text, nullable=False, unique=True, comment="Name to sign in with"),
    Column("display_name", Text, nullable=False, server_default="", comment="Name for people"),
    Column("email", Text, comment="Address, if known"),
    Column("role", Text, nullable=False, comment="admin, register-admin or viewer"),
    Column("password_hash", Text, nullable=False, comment="Argon2 hash"),
    Column(
        "session_epoch",
        Integer,
        nullable=False,
        server_default="0",
        comment="Increases when all sessions are ended; older ones are not valid",
    ),
    Column(
        "failed_logins",
        Integer,
        nullable=False,
        server_default="0",
        comment="Failed attempts since the last sign-in",
    ),
    Column("locked_until", Timestamp, comment="No sign-in before then"),
    Column("last_login", Timestamp, comment="When the user last signed in"),
    created(),
    updated(),
    CheckConstraint("role IN ('admin', 'register-admin', 'viewer')", name="role"),
    comment="Users who can sign in",
)

app_passwords = Table(
    "app_passwords",
    metadata,
    Column(
        "id", Integer, Identity(always=True), primary_key=True, comment="Number of the password"
    ),
    Column(
        "user_id",
        Integer,
        ForeignKey(users.c.id, ondelete="CASCADE"),
        nullable=False,
        index=True,
        comment="User that it signs in",
    ),
    Column("name", Text, nullable=False, comment="What it is for"),
    Column(
        "token_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256 of the password"
    ),
    Column("last_used", Timestamp, comment="When it was last used"),
    Column("revoked", Timestamp, comment="When it was revoked; NULL while it is valid"),
    created(),
    UniqueConstraint("user_id", "name"),
    comment="Passwords for programs, as hashes",
)

# Records our views: only these are ever replaced or dropped. No foreign key: a view is dropped
# with DROP VIEW, and this row says which one.
reporting_views = Table(
    "reporting_views",
    metadata,
    Column("register_id", Integer, nullable=False, comment="Register of the view"),
    Column("schema_id", Integer, nullable=False, comment="Schema of the view"),
    Column(
        "name",
        Text,
        nullable=False,
        unique=True,
        comment="In the PostgreSQL schema openregister_reporting",
    ),
    PrimaryKeyConstraint("register_id", "schema_id"),
    comment="The SQL views of schemas, created and dropped with them",
)

reporting_grants = Table(
    "reporting_grants",
    metadata,
    Column(
        "register_id",
        Integer,
        ForeignKey(registers.c.id, ondelete="CASCADE"),
        nullable=False,
        comment="Register whose views it may read",
    ),
    Column(
        "role",
        Text,
        nullable=False,
        comment="A role of the server that reads the views of this register alone",
    ),
    PrimaryKeyConstraint("register_id", "role"),
    comment="Roles of the server that may read the SQL views of one register",
)
