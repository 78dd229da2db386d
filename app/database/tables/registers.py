"""Registers, schemas and their objects."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, UUID

from app.database.tables.base import (
    Timestamp,
    changed_by,
    created,
    metadata,
    updated,
)

registers = Table(
    "registers",
    metadata,
    Column(
        "id", Integer, Identity(always=True), primary_key=True, comment="Number of the register"
    ),
    Column("slug", Text, nullable=False, unique=True, comment="Name in addresses"),
    Column("title", Text, nullable=False, comment="Name for people"),
    Column("description", Text, nullable=False, server_default="", comment="What it contains"),
    created(),
    updated(),
    changed_by(),
    CheckConstraint("slug ~ '^[a-z0-9][a-z0-9_-]*$'", name="slug"),
    comment="Named collections of objects",
)

schemas = Table(
    "schemas",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True, comment="Number of the schema"),
    Column("slug", Text, nullable=False, unique=True, comment="Name in addresses"),
    Column("title", Text, nullable=False, comment="Name for people"),
    Column("version", Integer, nullable=False, server_default="1", comment="Latest version"),
    # json, not jsonb, keeps the text of a schema and the order of its members
    Column("document", JSON, nullable=False, comment="The JSON Schema, as written"),
    created(),
    updated(),
    changed_by(),
    CheckConstraint("slug ~ '^[a-z0-9][a-z0-9_-]*$'", name="slug"),
    comment="JSON Schemas, each in its latest version",
)

schema_versions = Table(
    "schema_versions",
    metadata,
    Column(
        "schema_id",
        Integer,
        ForeignKey(schemas.c.id, ondelete="CASCADE"),
        nullable=False,
        comment="The schema",
    ),
    Column("version", Integer, nullable=False, comment="Number of the version, from 1"),
    Column("document", JSON, nullable=False, comment="The JSON Schema, as written"),
    Column("actor", Text, nullable=False, comment="Who wrote it"),
    created(),
    PrimaryKeyConstraint("schema_id", "version"),
    comment="Every version of each schema",
)

register_schemas = Table(
    "register_schemas",
    metadata,
    Column(
        "register_id",
        Integer,
        ForeignKey(registers.c.id, ondelete="CASCADE"),
        nullable=False,
        comment="The register",
    ),
    Column(
        "schema_id",
        Integer,
        ForeignKey(schemas.c.id),
        nullable=False,
        index=True,
        comment="A schema that it uses",
    ),
    PrimaryKeyConstraint("register_id", "schema_id"),
    comment="The schemas that each register uses",
)

objects = Table(
    "objects",
    metadata,
    Column(
        "uuid",
        UUID(as_uuid=True),
        primary_key=True,
        comment="Its address; version 7 unless one was given",
    ),
    # Dense numbers make "seen in this read" one bit per object instead of a set of keys.
    Column(
        "seq",
        BigInteger,
        Identity(always=True, cache=1000),
        nullable=False,
        comment="Dense number, for sets of objects that a read has seen",
    ),
    Column("run_id", BigInteger, comment="The run that wrote this version, if a run did"),
    Column("register_id", Integer, nullable=False, comment="Register of the object"),
    Column("schema_id", Integer, nullable=False, comment="Schema of the object"),
    Column("source_id", Integer, comment="Source that owns it; NULL for an object added by a user"),
    Column(
        "target",
        SmallInteger,
        nullable=False,
        server_default="0",
        comment="Target of the source, 0 for the first",
    ),
    Column(
        "version",
        Integer,
        nullable=False,
        server_default="1",
        comment="Increases with every change, from 1",
    ),
    Column(
        "repeated",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="Its key stood more than once in a read; earlier rows wait for later ones",
    ),
    created(),
    updated(),
    Column("deleted", Timestamp, comment="When it was deleted; NULL if it is not"),
    Column("origin_hash", UUID(as_uuid=False), comment="XXH3-128 of raw row, mapping and schema"),
    Column("data_hash", LargeBinary, nullable=False, comment="SHA-256 of the canonical data"),
    # compared by bytes: faster, and the index survives a change of the system's collations
    Column(
        "source_key", Text(collation="C"), comment="Key of its row in the source; NULL without one"
    ),
    Column("data", JSONB, nullable=False, comment="The object"),
    # Register, schema and source are checked by triggers, once per statement: see migration 0001.
    # Rows without a key are created again by every run; NULLs never conflict here.
    Index("uq_objects_source_key", "source_id", "target", "source_key", unique=True),
    Index("ix_objects_register_schema", "register_id", "schema_id", "uuid"),
    # free space for the next version of a row in its page, so that updates change no index
    postgresql_with={"fillfactor": 90},
    comment="The objects, each with the source and the run that wrote it",
)
