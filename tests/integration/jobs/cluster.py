"""Hosts that run jobs side by side on one database, and what a test asks of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from jobs import store
from jobs.model import Job, Plan
from tests.places import ROOT

PATIENCE = 20.0


@dataclass
class Cluster:
    """Hosts on one database, and what they have written."""

    url: str
    engine: sa.Engine
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(
        self, what: str, environment: Mapping[str, str] | None = None, **options: object
    ) -> subprocess.Popen[str]:
        """A host as a group of processes; `environment` comes on top of ours."""
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.integration.jobs.host",
                self.url,
                what,
                json.dumps(options),
            ],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def finish(self, process: subprocess.Popen[str], code: int = 0) -> list[dict[str, Any]]:
        """Its lines, once it has left with `code`."""
        stdout, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, stderr
        return [json.loads(line) for line in stdout.splitlines()]

    def run(
        self, what: str, environment: Mapping[str, str] | None = None, **options: object
    ) -> list[dict[str, Any]]:
        """A host from its start to its end."""
        return self.finish(self.start(what, environment, **options))

    def add(self, handler: str, count: int = 1, **changes: Any) -> int:
        """Make jobs due now; the id of the last."""
        with self.engine.begin() as connection:
            return [store.add(connection, Plan(handler, **changes)) for _ in range(count)][-1]

    def job(self, job_id: int) -> Job | None:
        with self.engine.connect() as connection:
            return store.get(connection, job_id)

    def words(self, job_id: int) -> list[str]:
        """What was done for a job, in order."""
        with self.engine.connect() as connection:
            statement = "SELECT word FROM work_log WHERE job = :job ORDER BY id"
            return list(connection.execute(sa.text(statement), {"job": job_id}).scalars())

    def states(self, job_id: int) -> list[str]:
        """How its attempts ended, oldest first."""
        with self.engine.connect() as connection:
            return [run.state for run in reversed(store.history(connection, job_id=job_id))]

    def pid(self, job_id: int) -> int:
        """The process that runs a job now."""
        job = self.job(job_id)
        assert job is not None
        assert job.reserved_pid is not None
        return job.reserved_pid

    def wait_for(self, seen: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not seen():
            assert time.monotonic() < end, "It did not come to pass"
            time.sleep(0.02)

    def wait_for_word(self, job_id: int, word: str) -> None:
        self.wait_for(lambda: word in self.words(job_id))

    def close(self) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
