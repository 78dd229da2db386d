"""A host in miniature: a process that runs jobs, with handlers that misbehave in every way.

    python -m tests.integration.jobs.host DATABASE_URL pass|worker|JOB_ID [POLICY AS JSON]

Prints one line of JSON per outcome. Handlers write to `work_log` what they did, so that tests
count in the database and not on what a process says of itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.database import engine as engines
from jobs.context import Handler, JobContext
from jobs.errors import Interrupted, NotRunnableError, Postponed
from jobs.model import Job, Outcome
from jobs.policy import Policy
from jobs.run_pass import run_job, run_pass
from jobs.worker import run_worker

WORK_LOG = "CREATE TABLE work_log (id bigserial, job bigint, token bigint, word text, pid int)"


class Host:
    """The handlers, and the engine they write with."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.handlers: dict[str, Handler] = {
            "tiny": self.tiny,
            "batches": self.batches,
            "sleep": self.sleep,
            "hang": self.hang,
            "fail": self.fail,
            "postpone": self.postpone,
            "suicide": self.suicide,
            "flaky": self.flaky,
        }

    def tiny(self, context: JobContext, _arguments: Mapping[str, Any]) -> dict[str, Any]:
        self.log(context, "tiny")
        return {"rows": 1}

    def batches(self, context: JobContext, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Writes numbered batches, each in a fenced transaction, and carries on where it was."""
        count = int(arguments["count"])
        with self.engine.connect() as connection:
            done = connection.execute(
                sa.text("SELECT count(*) FROM work_log WHERE job = :job AND word LIKE 'batch %'"),
                {"job": context.job.id},
            ).scalar_one()
        self.log(context, "reading")
        for number in range(done, count):
            if context.should_stop:
                raise Interrupted(f"after {number} of {count}")
            with self.engine.begin() as connection:
                context.fence(connection)
                self.log(context, f"batch {number}", connection)
                time.sleep(float(arguments.get("pause", 0.05)))
        self.log(context, "committed")
        time.sleep(float(arguments.get("after", 0)))
        return {"batches": count}

    def sleep(self, context: JobContext, arguments: Mapping[str, Any]) -> None:
        self.log(context, "asleep")
        end = time.monotonic() + float(arguments["seconds"])
        while time.monotonic() < end:
            if context.should_stop:
                raise Interrupted
            time.sleep(0.05)
        self.log(context, "awake")

    def hang(self, context: JobContext, _arguments: Mapping[str, Any]) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.log(context, "hanging")
        time.sleep(3600)

    def fail(self, context: JobContext, _arguments: Mapping[str, Any]) -> None:
        self.log(context, "fail")
        raise RuntimeError("the source is on fire")

    def postpone(self, context: JobContext, arguments: Mapping[str, Any]) -> None:
        self.log(context, "postpone")
        raise Postponed(float(arguments["seconds"]), "the source says: later")

    def suicide(self, context: JobContext, _arguments: Mapping[str, Any]) -> None:
        self.log(context, "suicide")
        os.kill(os.getpid(), signal.SIGKILL)

    def flaky(self, context: JobContext, _arguments: Mapping[str, Any]) -> None:
        """Kills its process the first time."""
        if context.job.failures == 0:
            self.suicide(context, {})
        self.log(context, "flaky")

    def log(self, context: JobContext, word: str, connection: sa.Connection | None = None) -> None:
        values = {"job": context.job.id, "token": context.token, "word": word, "pid": os.getpid()}
        statement = sa.text(
            "INSERT INTO work_log (job, token, word, pid) VALUES (:job, :token, :word, :pid)"
        )
        if connection is not None:
            connection.execute(statement, values)
            return
        with self.engine.begin() as own:
            own.execute(statement, values)


def note_crash(connection: sa.Connection, job: Job, outcome: Outcome) -> None:
    """What the rest of the software repairs in the same transaction."""
    connection.execute(
        sa.text(
            "INSERT INTO work_log (job, token, word, pid) VALUES (:job, :token, 'repaired', 0)"
        ),
        {"job": job.id, "token": outcome.token},
    )


def next_run(job: Job, now: datetime) -> datetime | None:
    """Schedules of tests are a number of seconds; `never` otherwise."""
    if job.schedule is None or job.schedule == "never":
        return None
    return now + timedelta(seconds=float(job.schedule))


def policy(**changes: Any) -> Policy:
    """Quick enough for tests; still long enough for a busy machine."""
    settings: dict[str, Any] = {"lease": 2.0, "heartbeat": 0.3, "grace": 0.5, "drain": 5.0}
    return Policy(next_run=next_run, on_crashed=note_crash, **(settings | changes))


def main() -> None:
    """What one process of a test does."""
    url, what, *rest = sys.argv[1:]
    options = json.loads(rest[0]) if rest else {}
    workers = options.pop("workers", 1)
    max_time = options.pop("max_time", 60)
    force = options.pop("force", False)
    rules = policy(**options)
    engine = engines.create(url)
    host = Host(engine)
    if what == "worker":
        summary = run_worker(engine, rules, host.handlers, workers=workers, report=show)
    elif what == "pass":
        summary = run_pass(
            engine, rules, host.handlers, max_time=max_time, workers=workers, report=show
        )
    else:
        try:
            show(run_job(engine, rules, host.handlers, int(what), force=force))
        except NotRunnableError as refusal:
            print(json.dumps({"refused": str(refusal), "running": refusal.running}))  # noqa: T201
        return
    print(json.dumps({"summary": asdict(summary)}), flush=True)  # noqa: T201


def show(outcome: Outcome) -> None:
    """One line per job."""
    print(json.dumps(asdict(outcome), default=str), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
