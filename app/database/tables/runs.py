"""Runs of sources."""

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
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.database.tables.base import (
    NOW,
    Timestamp,
    metadata,
)
from app.database.tables.sources import (
    sources,
)

RUN_STATES = ("running", "done", "partial", "held", "failed", "crashed", "cancelled")
COUNTERS = {
    "read": "Rows read",
    "created": "Objects created",
    "updated": "Objects updated",
    "unchanged": "Rows whose object was up to date",
    "filtered": "Rows that the filter left out",
    "duplicate": "Rows whose key came more than once",
    "deleted": "Objects deleted",
    "held": "Deletions held for approval",
    "errors": "Rows rejected",
}
"""What a run counts, with the meaning of each figure."""

runs = Table(
    "runs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True, comment="Number of the run"),
    Column(
        "source_id",
        Integer,
        ForeignKey(sources.c.id, ondelete="CASCADE"),
        nullable=False,
        comment="Source that was read",
    ),
    Column("trigger", Text, nullable=False, comment="manual, cron or api"),
    Column("actor", Text, nullable=False, comment="Who or what started it"),
    Column(
        "state",
        Text,
        nullable=False,
        server_default="running",
        comment="running, done, partial, held, failed, crashed or cancelled",
    ),
    *(
        Column(name, BigInteger, nullable=False, server_default="0", comment=meaning)
        for name, meaning in COUNTERS.items()
    ),
    Column("total", BigInteger, comment="Estimate of the rows in this read"),
    Column(
        "complete",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="Whether every row of the source was read",
    ),
    Column(
        "full",
        Boolean,
        nullable=False,
        server_default=text("true"),
        comment="False for an incremental read",
    ),
    Column("cursor_before", JSONB, comment="Where an incremental read began"),
    Column("cursor_after", JSONB, comment="Where the next one begins"),
    Column("drift", JSONB, comment="Differences of the fields from the accepted profile"),
    Column(
        "warnings",
        JSONB,
        nullable=False,
        server_default=text("'[]'::jsonb"),
        comment="Warnings for people",
    ),
    Column("message", Text, comment="The result in one sentence"),
    Column("host", Text, nullable=False, comment="Host that it ran on"),
    Column("pid", Integer, nullable=False, comment="Process that it ran in"),
    Column("process", Text, comment="Boot, pid namespace and start: tells a reused pid apart"),
    Column(
        "lease_until", Timestamp, nullable=False, comment="Counts as crashed if not renewed by then"
    ),
    Column(
        "cancel_requested",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="Whether it should stop",
    ),
    Column("peak_memory", BigInteger, comment="Bytes"),
    Column("started", Timestamp, nullable=False, server_default=NOW, comment="When it began"),
    Column("finished", Timestamp, comment="When it ended; NULL while it runs"),
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
    comment="One sync of a source: trigger, result and counters",
)
