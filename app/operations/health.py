"""Checks of the installation, for `/health` and `status --check`.

Both use the same list of checks, so a monitor gets the same result from the shell and the web.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from app.alerts import rules
from app.application import open_engine
from app.database import engine as engines
from app.database import revision as revisions
from app.database.embedded.server import EmbeddedServer
from app.database.errors import translate
from app.database.revision import State
from app.errors import DatabaseError
from app.operations import instance
from app.operations.instance import Cron
from app.settings import Settings
from app.sources import store as source_store
from app.sources.model import Source
from connectors.sdk.counting import counted
from connectors.sdk.redact import shorten
from jobs import store as jobs
from jobs.notify import anyone_listening


class Health(StrEnum):
    """The result of a check, or of all; ordered by severity."""

    OK = "ok"
    WARNING = "warning"
    """It works, but needs attention."""
    FAILING = "failing"
    """It does not work until it is fixed."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `subjects`: the sources concerned, if any."""

    name: str
    state: Health
    message: str
    subjects: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """``{name, state, message, subjects}``."""
        return {
            "name": self.name,
            "state": self.state.value,
            "message": self.message,
            "subjects": list(self.subjects),
        }


def verdict(checks: Iterable[Check]) -> Health:
    """The worst result."""
    order = list(Health)
    return max((check.state for check in checks), key=order.index, default=Health.OK)


def of_installation(settings: Settings) -> list[Check]:
    """Every check; never creates an embedded database. Never raises DatabaseError."""
    if settings.database_url is None and EmbeddedServer(settings.data_dir).status().version is None:
        hint = "There is no database yet; create it with `openregister upgrade`"
        return [Check("database", Health.FAILING, hint)]
    try:
        with open_engine(settings) as engine:
            return of_database(engine)
    except DatabaseError as error:
        return [Check("database", Health.FAILING, str(error))]


def of_database(engine: sa.Engine) -> list[Check]:
    """Every check on an open engine, except those whose tables are missing."""
    try:
        server = engines.check_server(engine)
        with engine.connect() as connection:
            database = Check("database", Health.OK, f"PostgreSQL {server.version} is reachable")
            migrations = _migrations(connection)
            if migrations.state is Health.FAILING:
                return [database, migrations]
            return [database, migrations, *_work(connection)]
    except DatabaseError as error:
        return [Check("database", Health.FAILING, str(error))]
    except SQLAlchemyError as error:
        return [Check("database", Health.FAILING, str(translate(error) or shorten(str(error))))]


def _migrations(connection: sa.Connection) -> Check:
    found = revisions.revision(connection)
    if found.state is State.CURRENT:
        return Check("migrations", Health.OK, f"At version {found.current}")
    return Check("migrations", Health.FAILING, instance.advice(found))


def _work(connection: sa.Connection) -> Iterator[Check]:
    now = jobs.clock(connection)
    cron = instance.cron(connection)
    sources = [source for source in source_store.list_all(connection) if source.enabled]
    yield _cron(cron)
    yield _worker(connection, cron, now)
    yield _sources(sources)
    yield _rejected(sources)
    yield _freshness(sources, now)


def _cron(cron: Cron) -> Check:
    if cron.stale:
        return Check("cron", Health.WARNING, instance.stale(cron))
    if cron.last_tick is None:
        return Check("cron", Health.OK, "It has never run, and no source needs it")
    return Check("cron", Health.OK, f"Last tick {cron.last_tick:%Y-%m-%d %H:%M}Z")


def _worker(connection: sa.Connection, cron: Cron, now: datetime) -> Check:
    """Whether due jobs are run, by a worker or by cron."""
    late = timedelta(seconds=cron.stale_after)
    waiting = [
        job
        for job in jobs.every(connection)
        if job.state(now) == "due" and job.next_run is not None and now - job.next_run > late
    ]
    if waiting:
        return Check(
            "worker",
            Health.WARNING,
            f"Jobs that were due more than {counted(cron.stale_after // 60, 'minute')} ago: "
            f"{len(waiting)}. "
            "`openregister background-job:list` lists them; start a worker, or give it more "
            "--workers",
        )
    here = anyone_listening(connection)
    return Check(
        "worker",
        Health.OK,
        "A worker is running" if here else "No worker is running; cron runs the jobs",
    )


def _sources(sources: Sequence[Source]) -> Check:
    failing = [source.name for source in sources if source.status == "error"]
    if not failing:
        return Check("sources", Health.OK, "No source is in error")
    return Check(
        "sources",
        Health.WARNING,
        f"In error: {', '.join(failing)}. `openregister source:show {_one(failing)}` shows why",
        failing,
    )


def _one(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else "NAME"


def _rejected(sources: Sequence[Source]) -> Check:
    """Rows that never became objects, however successful later runs were."""
    found = {source.name: source.rejected for source in sources if source.rejected}
    if not found:
        return Check("rejected", Health.OK, "No row stays rejected")
    each = ", ".join(f"{rows:,} of {name}" for name, rows in found.items())
    hint = f"`openregister source:errors {_one(list(found))}` shows why"
    return Check("rejected", Health.WARNING, f"Rows stay rejected: {each}. {hint}", list(found))


def _freshness(sources: Sequence[Source], now: datetime) -> Check:
    late: Mapping[str, str] = {
        source.name: rules.stale_message(
            promise, source.last_sync, now, source.rejected, source.rejected_since
        )
        for source in sources
        if (promise := source.options.get("fresh_within")) is not None
        and not rules.is_fresh(promise, source.last_sync, now, source.rejected_since)
    }
    if not late:
        return Check("freshness", Health.OK, "Every source is up to date")
    said = " ".join(f"Source {name} is out of date. {why}" for name, why in late.items())
    return Check("freshness", Health.WARNING, said, list(late))
