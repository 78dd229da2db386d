"""Metrics for Prometheus, read from the database, so that all servers report the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import sqlalchemy as sa
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from app.alerts import cron_ticks
from app.application import Application
from app.database.tables import COUNTERS, RUN_STATES, chains, runs, sources
from app.operations import source_health
from app.operations import status as overview
from app.operations.source_health import Condition, Facts
from app.sources import store
from app.sources.model import Source
from app.version import __version__
from jobs import store as jobs

_JOB_STATES = ("running", "due", "waiting", "idle", "disabled")


class Figures(Collector):
    """Collects when it is scraped."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        """Every metric with its name and help. Raises the database's errors."""
        with self._app.engine.connect() as connection:
            now = jobs.clock(connection)
            known = store.list_all(connection)
            yield _build()
            yield from _runs(connection)
            yield from _last_runs(connection)
            yield from _jobs(connection, now)
            yield _tick(connection, now)
            yield from _sources(known, now)
            yield _health(known, source_health.facts(connection, known), now)
            yield CounterMetricFamily(
                "openregister_audit_entries",
                "Entries of the audit trail",
                value=connection.scalar(sa.select(sa.func.sum(chains.c.length))) or 0,
            )


def _build() -> Metric:
    family = GaugeMetricFamily(
        "openregister_build_info", "1, with the version of this server", labels=["version"]
    )
    family.add_metric([__version__], 1)
    return family


def _runs(connection: sa.Connection) -> Iterator[Metric]:
    """Sums over the stored runs: a gauge, because retention can reduce them."""
    number = GaugeMetricFamily(
        "openregister_runs", "Stored runs by state", labels=["source", "state"]
    )
    rows = GaugeMetricFamily(
        "openregister_rows", "Rows of stored runs by result", labels=["source", "fate"]
    )
    seconds = GaugeMetricFamily(
        "openregister_run_seconds", "Total duration of stored runs in seconds", labels=["source"]
    )
    took = sa.func.extract(
        "epoch", sa.func.coalesce(runs.c.finished, sa.func.now()) - runs.c.started
    )
    found = connection.execute(
        sa.select(
            sources.c.name,
            sa.func.sum(took).label("took"),
            *(sa.func.sum(runs.c[name]).label(f"rows_{name}") for name in COUNTERS),
            *(
                sa.func.count().filter(runs.c.state == state).label(f"state_{state}")
                for state in RUN_STATES
            ),
        )
        .join(sources, sources.c.id == runs.c.source_id)
        .group_by(sources.c.name)
        .order_by(sources.c.name)
    )
    for row in found.mappings():
        for state in RUN_STATES:
            number.add_metric([row["name"], state], row[f"state_{state}"])
        for name in COUNTERS:
            rows.add_metric([row["name"], name], float(row[f"rows_{name}"]))
        seconds.add_metric([row["name"]], float(row["took"]))
    yield from (number, rows, seconds)


def _last_runs(connection: sa.Connection) -> Iterator[Metric]:
    duration = GaugeMetricFamily(
        "openregister_last_run_seconds", "Duration of the last run in seconds", labels=["source"]
    )
    memory = GaugeMetricFamily(
        "openregister_last_run_peak_memory_bytes",
        "Peak memory of the last run in bytes",
        labels=["source"],
    )
    rows = GaugeMetricFamily(
        "openregister_last_run_rows", "Rows of the last run by result", labels=["source", "fate"]
    )
    complete = GaugeMetricFamily(
        "openregister_last_run_complete",
        "1 if it was proven complete, else 0",
        labels=["source"],
    )
    took = sa.func.extract(
        "epoch", sa.func.coalesce(runs.c.finished, sa.func.now()) - runs.c.started
    )
    found = connection.execute(
        sa.select(
            sources.c.name,
            took.label("took"),
            runs.c.peak_memory,
            runs.c.complete,
            *_counters(),
        )
        .join(sources, sources.c.last_run_id == runs.c.id)
        .order_by(sources.c.name)
    )
    for row in found.mappings():
        duration.add_metric([row["name"]], float(row["took"]))
        complete.add_metric([row["name"]], row["complete"])
        if row["peak_memory"] is not None:
            memory.add_metric([row["name"]], row["peak_memory"])
        for name in COUNTERS:
            rows.add_metric([row["name"], name], row[f"rows_{name}"])
    yield from (duration, memory, complete, rows)


def _counters() -> list[sa.Label[int]]:
    return [runs.c[name].label(f"rows_{name}") for name in COUNTERS]


def _jobs(connection: sa.Connection, now: datetime) -> Iterator[Metric]:
    states = [job.state(now) for job in jobs.every(connection)]
    family = GaugeMetricFamily("openregister_jobs", "Background jobs by state", labels=["state"])
    for state in _JOB_STATES:
        family.add_metric([state], states.count(state))
    yield family


def _tick(connection: sa.Connection, now: datetime) -> Metric:
    family = GaugeMetricFamily(
        "openregister_cron_tick_age_seconds", "Seconds since background:cron or a worker ticked"
    )
    tick = cron_ticks.last(connection)
    if tick is not None:
        family.add_metric([], (now - tick.started).total_seconds())
    return family


def _sources(known: list[Source], now: datetime) -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "openregister_source_age_seconds", "Seconds since the last sync", labels=["source"]
    )
    fresh = GaugeMetricFamily(
        "openregister_source_fresh",
        "1 while the data is within fresh_within, else 0",
        labels=["source"],
    )
    failures = GaugeMetricFamily(
        "openregister_source_failures", "Failed runs in a row", labels=["source"]
    )
    rejected = GaugeMetricFamily(
        "openregister_source_rejected_rows", "Rows in quarantine now", labels=["source"]
    )
    status = GaugeMetricFamily(
        "openregister_source_status", "1 for its current status", labels=["source", "status"]
    )
    for source in known:
        failures.add_metric([source.name], source.failures)
        rejected.add_metric([source.name], source.rejected)
        for name in ("active", "disabled", "error"):
            status.add_metric([source.name, name], source.status == name)
        if source.last_sync is not None:
            age.add_metric([source.name], (now - source.last_sync).total_seconds())
        kept = overview.fresh(source, now)
        if kept is not None:
            fresh.add_metric([source.name], kept)
    yield from (age, fresh, failures, rejected, status)


def _health(known: list[Source], facts: Mapping[int, Facts], now: datetime) -> Metric:
    family = GaugeMetricFamily(
        "openregister_source_health", "1 for the health it has", labels=["source", "health"]
    )
    for source in known:
        found = source_health.of(source, facts[source.id], now).condition
        for condition in Condition:
            family.add_metric([source.name, condition.value], condition is found)
    return family
