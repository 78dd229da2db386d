"""The data of a job: its plan, its row, an attempt and the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobs.tables import DEFAULT_TIME_LIMIT


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and when, as passed to `jobs.store.ensure`.

    `key` is unique, for example `source:12`. Without a `schedule` it is a one-off job, removed
    once done. `time_limit` is in seconds. `time_insensitive` waits for the maintenance window.
    After `max_failures` failures in a row it is no longer scheduled.
    """

    handler: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    schedule: str | None = None
    timezone: str = "UTC"
    enabled: bool = True
    time_insensitive: bool = False
    time_limit: int = DEFAULT_TIME_LIMIT
    max_failures: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `jobs`, column by column; times are timezone-aware."""

    id: int
    key: str | None
    handler: str
    arguments: dict[str, Any]
    schedule: str | None
    timezone: str
    enabled: bool
    time_insensitive: bool
    time_limit: int
    max_failures: int | None
    next_run: datetime | None
    last_run: datetime | None
    last_state: str | None
    last_error: str | None
    failures: int
    token: int | None
    reserved_at: datetime | None
    reserved_by: str | None
    reserved_pid: int | None
    reserved_process: str | None
    lease_until: datetime | None
    cancel_requested: bool
    created: datetime
    updated: datetime

    @property
    def name(self) -> str:
        """The name shown to users: its key, or else its handler."""
        return self.key or self.handler

    @property
    def running(self) -> bool:
        """Whether a process holds it, or held it when that process died."""
        return self.reserved_at is not None

    def state(self, now: datetime) -> str:
        """`running`, `disabled`, `due`, `waiting`, or `idle` if nothing is planned."""
        if self.running:
            return "running"
        if not self.enabled:
            return "disabled"
        if self.next_run is None:
            return "idle"
        return "due" if self.next_run <= now else "waiting"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A row of `job_runs`; `peak_memory` is in bytes."""

    id: int
    job_id: int
    key: str | None
    handler: str
    state: str
    host: str
    pid: int
    started: datetime
    finished: datetime | None
    peak_memory: int | None
    error: str | None
    result: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: `done`, `failed`, `crashed`, `cancelled` or `released`.

    `duration` is in seconds, `peak_memory` in bytes. `next_run` is when the job is due again.
    """

    job_id: int
    name: str
    handler: str
    token: int
    state: str
    pid: int
    error: str | None = None
    result: Mapping[str, Any] | None = None
    duration: float = 0.0
    peak_memory: int | None = None
    failures: int = 0
    next_run: datetime | None = None

    @property
    def bad(self) -> bool:
        """Whether it needs attention."""
        return self.state in ("failed", "crashed")
