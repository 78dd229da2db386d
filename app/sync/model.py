"""A run when it starts, when it ends, and as stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.sync.report import Counters, RunState
from connectors.sdk.rows import JsonValue, Proof

SETTLED = (RunState.DONE, RunState.PARTIAL, RunState.HELD)
"""States of a run that read everything it should."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is known when a run starts. `trigger` is manual, cron or api."""

    source_id: int
    trigger: str
    actor: str
    full: bool = True
    cursor: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """How a run ended. `full`: a proven-complete full read, which updates `last_full`.

    `syncs`: whether the source was read at all; if not, as for an undo, it counts neither as
    synced nor as failed.
    """

    state: RunState
    complete: bool = False
    complete_because: Proof | None = None
    full: bool = False
    syncs: bool = True
    message: str | None = None
    warnings: Sequence[str] = ()
    drift: Mapping[str, Any] | None = None
    peak_memory: int | None = None
    cursor: Mapping[str, Any] | None = None
    cursor_fingerprint: bytes | None = None
    findings: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the read found about the form of the source, for the next one."""


@dataclass(frozen=True, slots=True)
class Run:
    """A row of `runs`."""

    id: int
    source_id: int
    source: str
    trigger: str
    actor: str
    state: RunState
    counters: Counters
    total: int | None
    complete: bool
    complete_because: str | None
    rejected_before: int
    full: bool
    cursor_after: dict[str, Any] | None
    drift: dict[str, Any] | None
    warnings: list[str]
    message: str | None
    host: str
    pid: int
    lease_until: datetime
    cancel_requested: bool
    peak_memory: int | None
    started: datetime
    finished: datetime | None

    @property
    def duration(self) -> float:
        """Seconds it took, or has taken so far."""
        return ((self.finished or datetime.now(UTC)) - self.started).total_seconds()
