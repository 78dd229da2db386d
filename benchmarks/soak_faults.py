"""A small installation, and the failures it is tested with.

A trigger makes the database wait for an advisory lock at one particular statement, so that a
process stops exactly there; then the failure happens.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from app.application import Application, assemble
from app.database import engine as engines
from app.database.embedded.server import EmbeddedServer
from app.operations import upgrade as upgrades
from app.registers import registers, schemas
from app.settings import Settings
from app.sources import manage
from tests.servers.clocks import MovedClock, library

ROWS = 10_000
BATCH = 50
PATIENCE = 60.0

_PROGRAM = Path(__file__).resolve().parents[1] / "cli.py"
_LOCK = 4712
_SCHEMA = {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]}
_GATE = """
CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({lock});
    RETURN NEW;
END $$;
CREATE TRIGGER gate {point} EXECUTE FUNCTION public.gate();
"""

CLAIMED = "BEFORE INSERT ON openregister.runs FOR EACH STATEMENT"
READING = "BEFORE INSERT ON openregister.objects FOR EACH STATEMENT"
MID_BATCH = "BEFORE INSERT ON openregister.objects FOR EACH ROW WHEN (NEW.source_key = '01234')"
COMMITTED = "BEFORE UPDATE ON openregister.runs FOR EACH ROW WHEN (NEW.state = 'done')"


class BrokenError(Exception):
    """Something was lost, duplicated or left behind."""


class UntriedError(Exception):
    """This machine lacks a program that the failure needs."""


class Installation:
    """An embedded server, the application on it, and processes of the command line."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server = EmbeddedServer(directory / "data")
        url = self._server.acquire()
        self.engine = engines.create(url, application_name="soak")
        upgrades.upgrade(self.engine)
        self.app: Application = assemble(Settings(data_dir=directory / "data"), self.engine)
        self.app.write(registers.add, "soak")
        schemas.add(self.app, "row", _SCHEMA, register="soak", actor="soak")
        self._environment = {
            **os.environ,
            "OPENREGISTER_DATABASE_URL": url,
            "OPENREGISTER_DATA_DIR": str(directory / "data"),
        }
        self._rows = directory / "rows.ndjson"
        self._rows.write_text("".join(json.dumps({"code": f"{n:05}"}) + "\n" for n in range(ROWS)))
        self._processes: list[subprocess.Popen[str]] = []

    def close(self) -> None:
        """Stop every process and the server."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        self.engine.dispose()
        self._server.release()

    def restart_database(self) -> None:
        """Stop the server while it is in use and start it again two seconds later."""
        self._server.stop(force=True)
        time.sleep(2)
        again = EmbeddedServer(self._directory / "data")
        again.acquire()
        self._server.release()
        self._server = again

    def clock(self, by: timedelta) -> MovedClock:
        """A clock with this offset, for `start`. Raises UntriedError."""
        if library() is None:
            raise UntriedError("no libfaketime; scripts/install-test-servers.sh installs it")
        return MovedClock(Path(tempfile.mkdtemp(dir=self._directory)), by)

    def start(self, *arguments: str, clock: MovedClock | None = None) -> subprocess.Popen[str]:
        """Start a command in its own process group."""
        process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), *arguments],
            env=self._environment | (clock.environment if clock else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def call(self, *arguments: str) -> int:
        """Run a command to its end; returns its exit code."""
        process = self.start(*arguments)
        process.communicate(timeout=PATIENCE * 2)
        return process.returncode

    def define(self, name: str) -> None:
        """A scheduled source of `ROWS` rows, due now."""
        self.define_as(name, "files", {"path": str(self._rows), "format": "ndjson"})

    def define_hanging(self, name: str, port: int) -> None:
        """A source that never responds; its job may take two seconds."""
        self.define_as(name, "rest", {"url": f"http://127.0.0.1:{port}/"})
        self.execute(
            "UPDATE openregister.jobs SET time_limit = 2 WHERE id ="
            " (SELECT max(id) FROM openregister.jobs WHERE handler = 'source.sync')"
        )

    def define_as(self, name: str, kind: str, connection: dict[str, str], **options: str) -> None:
        """A scheduled source with this connection, due now."""
        document = {
            "name": name,
            "type": kind,
            "connection": connection,
            "target": {"register": "soak", "schema": "row"},
            "mapping": {"key": "code", "passthrough": True},
            "schedule": "daily",
            "batch_size": BATCH,
            **options,
        }
        manage.save(self.app, document, test=False)
        self.make_due()

    def make_due(self) -> None:
        """Reset the back-off of sources that have not been synced successfully."""
        self.execute(
            "UPDATE openregister.jobs j SET next_run = now() FROM openregister.sources s"
            " WHERE j.key = 'source:' || s.id AND s.last_sync IS NULL AND j.reserved_at IS NULL"
        )

    def execute(self, statement: str) -> None:
        """One statement in its own transaction."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement))

    def scalar(self, query: str, **values: object) -> int:
        """One number; retries through a restart of the database."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                with self.engine.connect() as connection:
                    return int(connection.scalar(sa.text(query), values) or 0)
            except sa.exc.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def wait(self, query: str, **values: object) -> None:
        """Until a query returns a number other than 0. Raises BrokenError."""
        end = time.monotonic() + PATIENCE
        while not self.scalar(query, **values):
            if time.monotonic() > end:
                raise BrokenError(f"This did not happen: {query}")
            time.sleep(0.02)

    @contextmanager
    def gate(self, point: str) -> Iterator[None]:
        """Within the block every process that reaches `point` stops there."""
        with self.engine.connect() as connection:
            connection.execute(sa.text(_GATE.format(lock=_LOCK, point=point)))
            connection.commit()
            connection.execute(sa.text(f"SELECT pg_advisory_lock({_LOCK})"))
            connection.commit()
            try:
                yield
            finally:
                connection.execute(sa.text(f"SELECT pg_advisory_unlock({_LOCK})"))
                connection.commit()
        self.execute("DROP FUNCTION public.gate() CASCADE")

    def wait_for_gate(self) -> None:
        """Until a process is waiting at the gate."""
        self.wait("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")

    def wait_for_objects(self, name: str) -> None:
        """Until some of the source's batches are committed, but not all. Raises BrokenError."""
        self.wait(_COUNT, name=name)
        self.check_midway(name)

    def check_midway(self, name: str) -> None:
        """Check that the failure happens in time. Raises BrokenError."""
        if self.scalar(_COUNT, name=name) >= ROWS:
            raise BrokenError("the sync ended before the failure, so it proves nothing")

    def freeze(self, process: subprocess.Popen[str]) -> None:
        """SIGSTOP a process group at a moment when no transaction is open."""
        for _ in range(200):
            os.killpg(process.pid, signal.SIGSTOP)
            time.sleep(0.05)  # let the current statement finish
            if not self.scalar(_IN_TRANSACTION):
                return
            os.killpg(process.pid, signal.SIGCONT)
            time.sleep(0.003)
        raise BrokenError("It was never between two transactions")

    def settle(self, name: str) -> None:
        """Run cron until the source has been synced, then check everything. Raises BrokenError."""
        for _ in range(6):
            self.make_due()
            self.call("background:cron")
            if self.scalar(_SYNCED, name=name):
                break
        self._check(name)

    def _check(self, name: str) -> None:
        expected = {
            "completed syncs": (_SYNCED, 1),
            "objects": (_COUNT, ROWS),
            "keys": (_KEYS, ROWS),
            "audit entries": (_ENTRIES, ROWS),
            "syncs still running": (_RUNNING, 0),
            "jobs still running": (_RESERVED, 0),
        }
        for what, (query, number) in expected.items():
            found = self.scalar(query, name=name)
            if found != number:
                raise BrokenError(f"{what}: {found} instead of {number}")
        if self.call("audit:verify") != 0:
            raise BrokenError("audit:verify does not pass")


_OF = "JOIN openregister.sources s ON s.id = o.source_id WHERE s.name = :name"
_COUNT = f"SELECT count(*) FROM openregister.objects o {_OF}"  # noqa: S608 - constants
_KEYS = (
    "SELECT count(DISTINCT source_key)"  # noqa: S608 - constants
    f" FROM openregister.objects o {_OF}"
)
_ENTRIES = (
    "SELECT count(*) FROM openregister.audit_trails a"  # noqa: S608 - constants
    f" JOIN openregister.objects o ON o.uuid = a.object_uuid {_OF}"
)
_SYNCED = "SELECT count(*) FROM openregister.sources WHERE name = :name AND last_sync IS NOT NULL"
_RUNNING = "SELECT count(*) FROM openregister.runs WHERE state = 'running' AND :name <> ''"
_RESERVED = "SELECT count(*) FROM openregister.jobs WHERE reserved_at IS NOT NULL AND :name <> ''"
_IN_TRANSACTION = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name <> 'soak' AND xact_start IS NOT NULL"
)
_HOURS = timedelta(hours=3)
_WRONG_TIMES = """
    SELECT count(*) FROM (
        SELECT started AS moment FROM openregister.runs
        UNION ALL SELECT finished FROM openregister.runs
        UNION ALL SELECT started FROM openregister.job_runs
        UNION ALL SELECT finished FROM openregister.job_runs
        UNION ALL SELECT started FROM openregister.cron_ticks
        UNION ALL SELECT finished FROM openregister.cron_ticks
        UNION ALL SELECT last_sync FROM openregister.sources
        UNION ALL SELECT created FROM openregister.objects
    ) AS recorded
    WHERE moment NOT BETWEEN pg_postmaster_start_time() - interval '1 hour' AND now()
"""
_WORKER = "SELECT max(reserved_pid) FROM openregister.jobs WHERE handler = 'source.sync'"


Fault = Callable[[Installation, str], None]


def kill(point: str, *, everybody: bool) -> Fault:
    """kill -9 at a certain statement: of the process that runs the job, or of all."""

    def happen(here: Installation, name: str) -> None:
        here.define(name)
        with here.gate(point):
            cron = here.start("background:cron")
            here.wait_for_gate()
            if everybody:
                os.killpg(cron.pid, signal.SIGKILL)
            else:
                os.kill(here.scalar(_WORKER), signal.SIGKILL)
        cron.communicate(timeout=PATIENCE)

    return happen


def stop_past_the_lease(here: Installation, name: str) -> None:
    """SIGSTOP between two transactions until another pass has done the work, then SIGCONT.

    A process stopped inside a transaction blocks others until the server ends it, which takes two
    minutes; tests/integration/jobs/test_faults.py covers that with a short lease. Here the lease is
    shortened in the database by two minutes instead of being waited for.
    """
    here.define(name)
    stopped = here.start("background:cron")
    here.wait_for_objects(name)
    here.freeze(stopped)
    try:
        here.check_midway(name)
        for table in ("jobs", "runs"):
            here.execute(
                f"UPDATE openregister.{table}"  # noqa: S608 - one of the two above
                " SET lease_until = now() - interval '1 second' WHERE lease_until IS NOT NULL"
            )
        here.call("background:cron")
    finally:
        os.killpg(stopped.pid, signal.SIGCONT)
    stopped.communicate(timeout=PATIENCE)


def restart_the_database(here: Installation, name: str) -> None:
    """The server is stopped during a run and started again."""
    here.define(name)
    cron = here.start("background:cron")
    here.wait_for_objects(name)
    here.restart_database()
    cron.communicate(timeout=PATIENCE)


def cut_connections(here: Installation, name: str) -> None:
    """Every other connection is terminated during a run."""
    here.define(name)
    cron = here.start("background:cron")
    here.wait_for_objects(name)
    here.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name <> 'soak'"
    )
    cron.communicate(timeout=PATIENCE)


def two_crons(here: Installation, name: str) -> None:
    """Two simultaneous passes: only one of them runs the job."""
    here.define(name)
    passes = [here.start("background:cron") for _ in range(2)]
    for one in passes:
        one.communicate(timeout=PATIENCE)
    check_one_run(here, name)


def check_one_run(here: Installation, name: str) -> None:
    """Check that several passes ran the source once. Raises BrokenError."""
    runs = here.scalar(
        "SELECT count(*) FROM openregister.runs r"
        " JOIN openregister.sources s ON s.id = r.source_id WHERE s.name = :name",
        name=name,
    )
    if runs != 1:
        raise BrokenError(f"{runs} runs by several passes, instead of one")


def clocks_apart(here: Installation, name: str) -> None:
    """Three simultaneous passes, one with a clock three hours fast and one three hours slow."""
    clocks = (here.clock(_HOURS), None, here.clock(-_HOURS))
    here.define(name)
    passes = [here.start("background:cron", clock=clock) for clock in clocks]
    for one in passes:
        one.communicate(timeout=PATIENCE)
    check_one_run(here, name)
    check_times(here)


def clock_jumps(here: Installation, name: str) -> None:
    """The clock of a pass is set forward and back during a run, while another looks for work."""
    clock = here.clock(timedelta())
    here.define(name)
    cron = here.start("background:cron", clock=clock)
    here.wait_for_objects(name)
    for by in (_HOURS, -_HOURS):
        clock.move(by)
        here.call("background:cron")
    cron.communicate(timeout=PATIENCE)
    check_one_run(here, name)
    check_times(here)


def check_times(here: Installation) -> None:
    """Check that no recorded time is hours off. Raises BrokenError."""
    wrong = here.scalar(_WRONG_TIMES)
    if wrong:
        raise BrokenError(f"{wrong} times were recorded by a wrong clock")


def hang(here: Installation, name: str) -> None:
    """A source that accepts the connection and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        here.define_hanging(name, silent.getsockname()[1])
        if here.call("background:cron") != 1:
            raise BrokenError("a source that hangs did not fail the pass")
    limit = "SELECT count(*) FROM openregister.jobs WHERE last_error LIKE '%time limit%'"
    if not here.scalar(limit):
        raise BrokenError("its job did not end at its time limit")
    here.define(name)


FAULTS: dict[str, Fault] = {
    "kill -9 of the worker: job claimed, no run yet": kill(CLAIMED, everybody=False),
    "kill -9 of the worker: reading, nothing written": kill(READING, everybody=False),
    "kill -9 of the worker: in the midst of a batch": kill(MID_BATCH, everybody=False),
    "kill -9 of the worker: after the last commit, before the end": kill(
        COMMITTED, everybody=False
    ),
    "kill -9 of worker and parent: in the midst of a batch": kill(MID_BATCH, everybody=True),
    "kill -9 of worker and parent: after the last commit, before the end": kill(
        COMMITTED, everybody=True
    ),
    "SIGSTOP past the lease, another pass does the work, SIGCONT": stop_past_the_lease,
    "the database restarted in the midst of a run": restart_the_database,
    "every connection cut in the midst of a run": cut_connections,
    "two crons at once": two_crons,
    "three crons at once, clocks three hours apart": clocks_apart,
    "the clock set forward and back in the midst of a run": clock_jumps,
    "a source that hangs, ended at its time limit": hang,
}
