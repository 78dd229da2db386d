"""Run one program and measure its CPU, the CPU of its database servers, its memory and WAL."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds, bytes of memory and bytes of WAL of one run."""

    wall: float
    client_cpu: float
    server_cpu: float
    peak_memory: int
    wal: int


class FailedError(Exception):
    """The measured program failed; the message is the end of its output."""


def measured(
    command: Sequence[str], url: str, databases: Sequence[str], env: Mapping[str, str]
) -> tuple[Cost, str]:
    """Run `command`; returns its cost and its output. Raises FailedError.

    `databases` are those whose server processes are counted.
    """
    with (
        psycopg.connect(url, autocommit=True) as connection,
        tempfile.TemporaryFile("w+") as complaints,
    ):
        before = _scalar(connection, "SELECT pg_current_wal_lsn()::text")
        watch = _CpuSampler(url, databases)
        started = time.monotonic()
        child = subprocess.Popen(
            command,
            env=surroundings(env),
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
        assert child.stdout is not None  # it is a pipe
        with watch, child.stdout:
            said = child.stdout.read()
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)  # it has already been waited for
        if status:
            complaints.seek(0)
            raise FailedError("\n".join((said + complaints.read()).splitlines()[-8:]))
        wal = connection.execute(
            "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), %s::pg_lsn)::int8", (before,)
        ).fetchone()
        assert wal is not None  # it always returns one row
    client = usage.ru_utime + usage.ru_stime
    return Cost(wall, client, watch.cpu, usage.ru_maxrss * 1024, wal[0]), said


def surroundings(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a measured program: this one's, and `more`.

    Compiled modules are kept, as for an installed program; otherwise every start from a checkout
    would compile them again.
    """
    found = {**os.environ, **more}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return found


class _CpuSampler:
    """Samples the CPU time of the server processes of some databases ten times a second.

    The server runs on this machine; CPU time after a process's last sample is not counted.
    """

    def __init__(self, url: str, databases: Sequence[str]) -> None:
        self._url = url
        self._databases = list(databases)
        self._seen: dict[int, tuple[float, float]] = {}
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _CpuSampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()

    @property
    def cpu(self) -> float:
        return sum(last - first for first, last in self._seen.values())

    def _look(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            own = connection.info.backend_pid
            while not self._leaving.wait(0.1):
                rows = connection.execute(
                    "SELECT pid, now() - backend_start < interval '1 s' FROM pg_stat_activity"
                    " WHERE datname = ANY(%s) AND pid <> %s",
                    (self._databases, own),
                )
                for pid, fresh in rows:
                    used = _cpu(pid)
                    if used is not None:
                        first, _ = self._seen.get(pid, (0.0 if fresh else used, used))
                        self._seen[pid] = (first, used)


def _cpu(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / _TICK


def _scalar(connection: psycopg.Connection[tuple[str]], query: str) -> str:
    row = connection.execute(query).fetchone()
    assert row is not None  # a function always returns a row
    return row[0]
