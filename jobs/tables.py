"""The tables of background jobs, in the PostgreSQL schema `openregister`.

A row of `jobs` is the plan and the current reservation of one job; a row of `job_runs` is one
attempt. The id of an attempt is also its **fencing token**: `jobs.token` names the only attempt
that may still finish the job, even if a stalled process still believes it holds it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "openregister"

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

#: How an attempt ended. `released`: stopped early on request, due again at once.
RUN_STATES = ("running", "done", "failed", "crashed", "cancelled", "released")

DEFAULT_TIME_LIMIT = 4 * 60 * 60

jobs = Table(
    "jobs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True, comment="Number of the job"),
    Column("key", Text, unique=True, comment="What there may be one job of, as source:12"),
    Column("handler", Text, nullable=False, comment="Function that runs it"),
    Column(
        "arguments",
        JSONB,
        nullable=False,
        server_default=text("'{}'::jsonb"),
        comment="Arguments of the function",
    ),
    Column("schedule", Text, comment="NULL: one-off, removed once done. Opaque to the runner"),
    Column(
        "timezone", Text, nullable=False, server_default="UTC", comment="Timezone of the schedule"
    ),
    Column(
        "enabled",
        Boolean,
        nullable=False,
        server_default=text("true"),
        comment="False while it is disabled",
    ),
    Column(
        "time_insensitive",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="Waits for the maintenance window",
    ),
    Column(
        "time_limit",
        Integer,
        nullable=False,
        server_default=str(DEFAULT_TIME_LIMIT),
        comment="Seconds after which a run is ended by force",
    ),
    Column("max_failures", Integer, comment="Gives up after so many in a row; NULL: never"),
    Column("next_run", Timestamp, comment="NULL: nothing planned, or running"),
    Column("last_run", Timestamp, comment="Start of the latest attempt"),
    Column("last_state", Text, comment="How the latest attempt ended"),
    Column("last_error", Text, comment="Why the latest attempt failed"),
    Column("failures", Integer, nullable=False, server_default="0", comment="In a row"),
    Column("token", BigInteger, comment="Latest attempt: job_runs.id, the fencing token"),
    Column("reserved_at", Timestamp, comment="When it was reserved; NULL while it is not running"),
    Column("reserved_by", Text, comment="Host of the process that runs it"),
    Column("reserved_pid", Integer, comment="Process that runs it"),
    Column("reserved_process", Text, comment="Tells a reused pid from the process that reserved"),
    Column("lease_until", Timestamp, comment="Counts as crashed if not renewed by then"),
    Column(
        "cancel_requested",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="Whether it should stop",
    ),
    Column("created", Timestamp, nullable=False, server_default=NOW, comment="When it was created"),
    Column(
        "updated", Timestamp, nullable=False, server_default=NOW, comment="When it was last changed"
    ),
    CheckConstraint("time_limit > 0", name="time_limit"),
    CheckConstraint("failures >= 0 AND max_failures > 0", name="failures"),
    CheckConstraint(
        "num_nulls(reserved_at, reserved_by, reserved_pid, reserved_process, lease_until)"
        " IN (0, 5) AND (reserved_at IS NULL OR token IS NOT NULL)",
        name="reservation",
    ),
    CheckConstraint(
        "last_state IN ({})".format(", ".join(f"'{state}'" for state in RUN_STATES)),
        name="last_state",
    ),
    # what is due, oldest first: the one query of every poll
    Index(
        "ix_jobs_due",
        "next_run",
        "id",
        postgresql_where=text("enabled AND reserved_at IS NULL"),
    ),
    # what is running: leases to supervise, and how many there are per host
    Index(
        "ix_jobs_reserved",
        "lease_until",
        postgresql_where=text("reserved_at IS NOT NULL"),
    ),
    comment="Planned jobs, and the processes that run them",
)

job_runs = Table(
    "job_runs",
    metadata,
    Column(
        "id",
        BigInteger,
        Identity(always=True),
        primary_key=True,
        comment="Number of the attempt, and its fencing token",
    ),
    # no foreign key: the history of a one-off job is kept after the job is deleted
    Column("job_id", BigInteger, nullable=False, comment="The job"),
    Column("key", Text, comment="Key of the job"),
    Column("handler", Text, nullable=False, comment="Function that ran"),
    Column(
        "state",
        Text,
        nullable=False,
        server_default="running",
        comment="running, done, failed, crashed, cancelled or released",
    ),
    Column("host", Text, nullable=False, comment="Host that it ran on"),
    Column("pid", Integer, nullable=False, comment="Process that it ran in"),
    Column("started", Timestamp, nullable=False, server_default=NOW, comment="When it began"),
    Column("finished", Timestamp, comment="When it ended; NULL while it runs"),
    Column("peak_memory", BigInteger, comment="Bytes"),
    Column("error", Text, comment="Why it failed"),
    Column("result", JSONB, comment="What the handler gave back"),
    CheckConstraint(
        "state IN ({})".format(", ".join(f"'{state}'" for state in RUN_STATES)), name="state"
    ),
    CheckConstraint("(state = 'running') = (finished IS NULL)", name="finished"),
    Index("ix_job_runs_job_id_id", "job_id", "id"),
    Index("ix_job_runs_finished", "finished"),
    comment="Every attempt to run a job",
)
