"""Compare the state of sources with what was reported, and plan the alerts that are due.

`review` may be called at any time and any number of times: after a run, after a job, in every
pass of cron. Incidents and the deliveries they need are written in one transaction, so that no
alert is sent twice or lost.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from app.alerts import cron_ticks, incidents, rules
from app.alerts.incidents import Incident
from app.alerts.rules import Alert, Kind, SourceHealth
from app.application import Application
from app.database import instance_settings
from app.database.tables import quarantine, runs, sources
from app.sources import jobs as scheduling
from app.sources.warnings import stay_rejected
from connectors.sdk.redact import redact
from jobs import store as jobs
from jobs.context import JobContext
from jobs.errors import Interrupted
from jobs.model import Plan
from jobs.policy import CRASHES_REPAIRED_AT_ONCE
from jobs.tables import jobs as job_table

DELIVER = "alert.deliver"

WEBHOOK = "webhook"
EMAIL = "email"

_TRIES = 9
"""Attempts at one delivery, the last about sixteen hours after the first."""

_LOCK = 0x616C7274  # "alrt", the key of the advisory lock that orders reviews

_EVENTS = {
    Kind.FAILING: ("source.failing", "source.recovered"),
    Kind.STALE: ("source.stale", "source.fresh"),
}
_RECOVERED = {
    Kind.FAILING: "The source is synced again",
    Kind.STALE: "The source is up to date again",
}


def review(connection: sa.Connection, source_id: int | None = None) -> list[Alert]:
    """Open and close incidents of one source, or of all; returns the alerts to send.

    The deliveries are planned when the transaction of `connection` commits.
    """
    if not _changes(connection, source_id):
        return []
    # serialise reviews, so that none opens an incident that another has just closed
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    changes = _changes(connection, source_id)
    reported = [alert for change in changes for alert in _apply(connection, change)]
    for alert in reported:
        _plan(connection, alert)
    return reported


def note_gap(connection: sa.Connection) -> Alert | None:
    """Called before a tick is recorded: an alert if the previous one is too long ago."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    tick = cron_ticks.last(connection)
    if tick is None:
        return None  # the very first tick
    now = _clock(connection)
    after = int(instance_settings.get(connection, "queue.stale_after").value)
    waiting = sa.select(sa.func.count()).where(
        sources.c.enabled, sources.c.schedule != "manual", sources.c.created <= tick.started
    )
    if (now - tick.started).total_seconds() <= after or not connection.scalar(waiting):
        return None
    message = (
        f"No background job ran from {tick.started:%Y-%m-%d %H:%M}Z to {now:%Y-%m-%d %H:%M}Z; "
        "they run again now. Run cron, a timer or a worker on a host that is always up"
    )
    alert = _alert("cron.stale", None, message, tick.started, now)
    _plan(connection, alert)
    return alert


def deliver(
    app: Application, context: JobContext, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Send one alert to one target, as a job. Raises DeliveryError and Interrupted."""
    from app.alerts import delivery  # avoids importing an HTTP client when nothing is sent

    if context.should_stop:
        raise Interrupted
    alert = Alert.from_json(arguments["alert"])
    if arguments["target"] == WEBHOOK:
        settings = app.instance(secrets=("alerts.webhook_secret",)).alerts
        return delivery.post(settings, alert, should_stop=lambda: context.should_stop)
    settings = app.instance(secrets=("alerts.smtp_password",)).alerts
    return delivery.mail(settings, alert)


class _Change(NamedTuple):
    """A difference between state and report: an incident to close, or a message to open one.

    With both, the source was taken out of service: the incident is closed without an alert.
    """

    source_id: int
    name: str
    kind: Kind
    reported: Incident | None
    message: str | None
    now: datetime
    rejected: int = 0
    """Rows of the source in quarantine."""


def _changes(connection: sa.Connection, source_id: int | None) -> list[_Change]:
    known = incidents.every(connection)
    now = _clock(connection)
    found = []
    for number, name, source in _sources(connection, source_id):
        wrong = rules.problems(source, now)
        for kind in Kind:
            reported, message = known.get((number, kind)), wrong.get(kind)
            if reported is not None and not source.enabled:
                found.append(_Change(number, name, kind, reported, "", now))
            elif (reported is None) != (message is None):
                left = source.rejected
                found.append(_Change(number, name, kind, reported, message, now, left))
    return found


def _apply(connection: sa.Connection, change: _Change) -> Iterator[Alert]:
    opened, closed = _EVENTS[change.kind]
    if change.reported is None:
        text = redact(change.message or "")
        if incidents.open_one(connection, change.source_id, change.kind, text):
            yield _alert(opened, change.name, text, change.now, change.now)
    elif incidents.close(connection, change.reported) and change.message is None:
        message = _RECOVERED[change.kind]
        if change.rejected:
            message = f"{message}; {stay_rejected(change.rejected)}"
        yield _alert(closed, change.name, message, change.reported.opened, change.now)


def _sources(
    connection: sa.Connection, source_id: int | None
) -> Iterator[tuple[int, str, SourceHealth]]:
    """The state of every source, from its runs and its latest job."""
    job_of = sa.cast(job_table.c.arguments["source_id"].astext, sa.Integer)
    bad = (job_table.c.last_state == "failed") | (
        (job_table.c.last_state == "crashed") & (job_table.c.failures > CRASHES_REPAIRED_AT_ONCE)
    )
    latest = (
        sa.select(
            job_of.label("source_id"),
            sa.case((bad, job_table.c.last_run)).label("job_failed"),
            sa.case((bad, job_table.c.last_error)).label("job_error"),
        )
        .where(job_table.c.handler == scheduling.HANDLER, job_table.c.last_run.is_not(None))
        .ext(distinct_on(job_of))
        .order_by(job_of, job_table.c.last_run.desc())
        .subquery()
    )
    rejected = (
        sa.select(
            sa.func.count().label("rejected"),
            sa.func.min(quarantine.c.first_seen).label("rejected_since"),
        )
        .where(quarantine.c.source_id == sources.c.id)
        .lateral("rejected")
    )
    query = sa.select(
        sources.c.id,
        sources.c.name,
        sources.c.enabled,
        sources.c.failures,
        runs.c.message.label("reason"),
        sources.c.created,
        sources.c.last_sync,
        sources.c.options["fresh_within"].astext.label("fresh_within"),
        latest.c.job_failed,
        latest.c.job_error,
        rejected.c.rejected,
        rejected.c.rejected_since,
    ).select_from(
        sources.outerjoin(runs, runs.c.id == sources.c.last_run_id)
        .outerjoin(latest, latest.c.source_id == sources.c.id)
        .join(rejected, sa.true())
    )
    if source_id is not None:
        query = query.where(sources.c.id == source_id)
    for row in connection.execute(query):
        values = dict(row._mapping)
        yield values.pop("id"), values.pop("name"), SourceHealth(**values)


def _plan(connection: sa.Connection, alert: Alert) -> None:
    """One delivery per target, so that a target that is down delays no other."""
    wanted = {
        WEBHOOK: instance_settings.get(connection, "alerts.webhook_url").value,
        EMAIL: instance_settings.get(connection, "alerts.emails").value,
    }
    for target in (name for name, value in wanted.items() if value):
        plan = Plan(
            handler=DELIVER,
            arguments={"target": target, "alert": alert.as_json()},
            key=f"alert:{alert.id}:{target}",
            time_limit=120,
            max_failures=_TRIES,
        )
        jobs.add(connection, plan)


def _alert(event: str, source: str | None, message: str, since: datetime, at: datetime) -> Alert:
    return Alert(
        id=str(uuid.uuid4()),
        event=event,
        source=source,
        message=message,
        since=since.isoformat(timespec="seconds"),
        at=at.isoformat(timespec="seconds"),
        host=socket.gethostname(),
    )


def _clock(connection: sa.Connection) -> datetime:
    # not now(): this may come at the end of a long transaction
    moment: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return moment
