"""The whole installation: status, migration of its database, the embedded server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from app.alerts import cron_ticks, rules
from app.application import Application, assemble, open_engine
from app.database import engine as engines
from app.database import instance_settings, tables
from app.database import revision as revisions
from app.database.embedded import programs
from app.database.embedded.server import EmbeddedServer, EmbeddedStatus
from app.database.revision import Revision, State
from app.errors import DatabaseError, UsageError
from app.settings import Settings
from app.sources import store as source_store
from app.version import __version__
from connectors.sdk.redact import shorten
from jobs import store as jobs


@dataclass(frozen=True, slots=True)
class Database:
    """The database: `where` without password, `server` the version of PostgreSQL."""

    where: str
    server: str
    embedded: bool
    """Started by us in the data directory."""
    was_running: bool
    """Running before the check; an embedded one is used by another process or was killed."""


@dataclass(frozen=True, slots=True)
class Cron:
    """Whether `background:cron` runs. `scheduled`: sources that depend on it."""

    last_tick: datetime | None
    scheduled: int
    stale: bool
    stale_after: int
    """Seconds without a tick that count as stale."""


@dataclass(frozen=True, slots=True)
class Status:
    """The status of the installation; `cron` and `counts` need a migrated database."""

    version: str
    database: Database | None
    """None while the embedded database does not exist yet."""
    migration: Revision | None
    cron: Cron | None
    counts: Mapping[str, int]
    warnings: Sequence[str]


def status(settings: Settings) -> Status:
    """Check everything, read-only, without creating an embedded database.

    Raises DatabaseUnreachableError, DatabaseVersionError, EmbeddedServerError.
    """
    before = _embedded(settings)
    if before is not None and before.version is None:
        hint = "There is no database yet; create it with `openregister upgrade`"
        return Status(__version__, None, None, None, {}, [hint])
    with open_engine(settings) as engine:
        server = engines.check_server(engine)
        database = Database(
            where=str(before.data_directory) if before else engines.describe(engine.url),
            server=server.version,
            embedded=before is not None,
            was_running=before.running if before else True,
        )
        with engine.connect() as connection:
            revision = revisions.revision(connection)
            if revision.state is not State.CURRENT:
                return Status(__version__, database, revision, None, {}, [advice(revision)])
            ticking = cron(connection)
            counts = _counts(connection)
            said = _warnings(connection, ticking)
    return Status(__version__, database, revision, ticking, counts, said)


def upgrade(settings: Settings) -> Revision:
    """Create or migrate the database; returns the previous revision with what was applied."""
    from app.operations import (
        upgrade as upgrades,  # importing Alembic takes longer than most commands
    )

    with open_engine(settings) as engine:
        return upgrades.upgrade(engine)


@contextmanager
def opened(settings: Settings) -> Iterator[Application]:
    """The application; its tables are created first in a database that holds nothing at all.

    A database with somebody else's tables, or with those of another version, is a decision of
    its administrator: `upgrade`. Raises DatabaseError, NotMigratedError.
    """
    with open_engine(settings) as engine:
        with engine.connect() as connection:
            bare = revisions.is_bare(connection)
        if bare:
            from app.operations import upgrade as upgrades  # as above

            upgrades.upgrade(engine)
        revisions.require_current(engine)
        yield assemble(settings, engine)


def stop_embedded(settings: Settings, *, force: bool = False) -> bool:
    """Stop the embedded server; True if it was running. Raises UsageError if it is not ours."""
    if settings.database_url is not None:
        raise UsageError(
            "The database is a separate server, not the embedded one",
            where="OPENREGISTER_DATABASE_URL",
            hint="Stop it on its own machine",
        )
    return EmbeddedServer(settings.data_dir).stop(force=force)


def dump_embedded(settings: Settings) -> int:
    """Print the embedded database as SQL on stdout; returns the exit code of `pg_dump`."""
    if settings.database_url is not None:
        raise UsageError(
            "The database is a separate server, not the embedded one",
            where="OPENREGISTER_DATABASE_URL",
            hint="Use pg_dump with that URL",
        )
    with EmbeddedServer(settings.data_dir) as url:
        program = programs.newest() / "pg_dump"
        # owners and grants refer to roles that another server lacks; an upgrade grants again
        options = ("--no-owner", "--no-privileges")
        return subprocess.run([program, *options, url], check=False).returncode


def restore_embedded(settings: Settings, file: Path | None) -> Revision:
    """Load the output of `dump_embedded` into an empty embedded database, and upgrade it.

    `file` None: standard input. All or nothing. Raises UsageError if the database is not the
    embedded one or not empty, and DatabaseError if the dump cannot be loaded.
    """
    from app.operations import upgrade as upgrades  # imported late, as above

    if settings.database_url is not None:
        raise UsageError(
            "The database is a separate server, not the embedded one",
            where="OPENREGISTER_DATABASE_URL",
            hint="Use psql with that URL: psql --set ON_ERROR_STOP=1 -1 -f FILE",
        )
    with EmbeddedServer(settings.data_dir) as url:
        engine = engines.create(url)
        try:
            with engine.connect() as connection:
                if revisions.revision(connection).state is not State.EMPTY:
                    raise UsageError(
                        "The embedded database is not empty; a restore would mix its data",
                        where=str(settings.data_dir),
                        hint="Restore into another OPENREGISTER_DATA_DIR",
                    )
            _load(url, file)
            return upgrades.upgrade(engine)
        finally:
            engine.dispose()


def _load(url: str, file: Path | None) -> None:
    """Run a dump in one transaction with the server's psql. Raises DatabaseError."""
    done = subprocess.run(
        [
            *(programs.newest() / "psql", "--no-psqlrc", "--quiet", "--single-transaction"),
            *("--set", "ON_ERROR_STOP=1", "--output", os.devnull),
            *("--file", str(file) if file else "-", url),
        ],
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise DatabaseError(
            f"The dump could not be loaded: {shorten(done.stderr)}",
            where=str(file or "standard input"),
            hint="Nothing was changed; the file must be a complete `openregister db:dump`",
        )


def warnings(connection: sa.Connection) -> list[str]:
    """Warnings about the whole instance: a stalled cron job, outdated sources."""
    return _warnings(connection, cron(connection))


def _embedded(settings: Settings) -> EmbeddedStatus | None:
    if settings.database_url is not None:
        return None
    return EmbeddedServer(settings.data_dir).status()


def advice(revision: Revision) -> str:
    """How to fix a database that this version cannot use."""
    if revision.state is State.NEWER:
        return (
            "A newer version of Open Register has migrated the database; install that version here"
        )
    return "The database is not up to date; run `openregister upgrade`"


def _warnings(connection: sa.Connection, ticking: Cron) -> list[str]:
    found = [stale(ticking)] if ticking.stale else []
    now = jobs.clock(connection)
    for source in source_store.promising(connection):
        promise = source.options["fresh_within"]
        last, rejected, since = source.last_sync, source.rejected, source.rejected_since
        if not rules.is_fresh(promise, last, now, since):
            sentence = rules.stale_message(promise, last, now, rejected, since)
            found.append(f"Source {source.name} is out of date. {sentence}")
    return found


def stale(ticking: Cron) -> str:
    """The message about a stalled cron job."""
    since = f"since {ticking.last_tick:%Y-%m-%d %H:%M}Z" if ticking.last_tick else "so far"
    return (
        f"background:cron did not run {since}, but sources are scheduled: "
        "run it every five minutes from cron or a systemd timer"
    )


def cron(connection: sa.Connection) -> Cron:
    """When jobs were last run, and whether that is too long ago."""
    tick = cron_ticks.last(connection)
    after = int(instance_settings.get(connection, "queue.stale_after").value)
    scheduled, age = connection.execute(
        sa.select(
            sa.select(sa.func.count())
            .where(tables.sources.c.enabled, tables.sources.c.schedule != "manual")
            .scalar_subquery(),
            # by the database's clock, which recorded the tick
            sa.func.extract("epoch", sa.func.now() - (tick.started if tick else None)),
        )
    ).one()
    too_long = bool(scheduled) and (age is None or age > after)
    return Cron(tick.started if tick else None, scheduled, too_long, after)


def _counts(connection: sa.Connection) -> dict[str, int]:
    def rows(table: sa.Table, *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
        return sa.select(sa.func.count()).select_from(table).where(*where).scalar_subquery()

    # chains record their length; the audit trail itself may be very long
    entries = sa.select(sa.func.coalesce(sa.func.sum(tables.chains.c.length), 0)).scalar_subquery()
    row = connection.execute(
        sa.select(
            rows(tables.registers).label("registers"),
            rows(tables.schemas).label("schemas"),
            rows(tables.sources).label("sources"),
            rows(tables.sources, tables.sources.c.status == "error").label("sources_in_error"),
            rows(tables.objects, tables.objects.c.deleted.is_(None)).label("objects"),
            entries.label("audit_entries"),
            rows(tables.quarantine).label("quarantined_rows"),
            rows(tables.runs, tables.runs.c.state == "running").label("running"),
        )
    ).one()
    return {name: int(count) for name, count in row._mapping.items()}
