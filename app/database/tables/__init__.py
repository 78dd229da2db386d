"""The tables of the PostgreSQL schema `openregister`.

Migrations are written by hand in `migrations/`; a test compares them with these definitions. The
tables of background jobs are in `jobs.tables`. Some references are deliberately not foreign keys:

- `audit_trails` and `chains` refer to sources, runs and objects as history: an entry must
  outlive what it refers to, so deletions must neither cascade to it nor be blocked by it.
- `objects.run_id` and `quarantine.run_id` are written with every batch while retention deletes
  runs; the reporting views use outer joins.
"""

from __future__ import annotations

from app.database.tables.audit import AUDIT_ACTIONS, audit_trails, chains
from app.database.tables.base import NOW, REPORTING_SCHEMA, SCHEMA, Timestamp, metadata
from app.database.tables.instance import (
    app_passwords,
    cron_ticks,
    reporting_grants,
    reporting_views,
    settings,
    users,
)
from app.database.tables.registers import (
    objects,
    register_schemas,
    registers,
    schema_versions,
    schemas,
)
from app.database.tables.runs import COUNTERS, RUN_STATES, runs
from app.database.tables.sources import (
    INCIDENTS,
    held_deletions,
    incidents,
    quarantine,
    source_state,
    source_targets,
    sources,
)

__all__ = [
    "AUDIT_ACTIONS",
    "COUNTERS",
    "INCIDENTS",
    "NOW",
    "REPORTING_SCHEMA",
    "RUN_STATES",
    "SCHEMA",
    "Timestamp",
    "app_passwords",
    "audit_trails",
    "chains",
    "cron_ticks",
    "held_deletions",
    "incidents",
    "metadata",
    "objects",
    "quarantine",
    "register_schemas",
    "registers",
    "reporting_grants",
    "reporting_views",
    "runs",
    "schema_versions",
    "schemas",
    "settings",
    "source_state",
    "source_targets",
    "sources",
    "users",
]
