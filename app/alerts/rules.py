"""When somebody has to hear of a source: it fails, it breaks its promise, or it is well again.

An incident is opened once and closed once, and each of the two is told once, however many runs
fail in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from app.sources.schedules.spans import span_seconds
from connectors.sdk.counting import counted


class Kind(StrEnum):
    """What can be wrong with a source."""

    FAILING = "failing"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules look at; times are aware.

    `failures` counts failed runs in a row and `reason` is the last one's. `job_failed` is the
    start of the latest attempt of its job, where that attempt failed before or beside any run.
    """

    enabled: bool
    failures: int
    reason: str | None
    created: datetime
    last_sync: datetime | None
    fresh_within: str | None
    job_failed: datetime | None = None
    job_error: str | None = None
    rejected: int = 0
    rejected_since: datetime | None = None
    """Rows in quarantine, and when the first of them was rejected first."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What is told. `event` is source.failing, source.recovered, source.stale, source.fresh or
    cron.stale; `since` and `at` are ISO 8601."""

    id: str
    event: str
    source: str | None
    message: str
    since: str
    at: str
    host: str

    def as_json(self) -> dict[str, Any]:
        """The body of a webhook, and the arguments of its delivery."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What `as_json` made."""
        return cls(**document)

    @property
    def subject(self) -> str:
        """One line for a mailbox."""
        what = {
            "source.failing": f"{self.source} fails",
            "source.recovered": f"{self.source} is well again",
            "source.stale": f"{self.source} is out of date",
            "source.fresh": f"{self.source} is up to date again",
            "cron.stale": "background jobs did not run",
        }[self.event]
        return f"Open Register: {what}"

    @property
    def text(self) -> str:
        """The body of a mail."""
        lines = [self.message, "", f"Since: {self.since}", f"Seen: {self.at}, on {self.host}"]
        if self.source is not None:
            lines += ["", f"More: openregister source:runs {self.source}"]
        return "\n".join(lines) + "\n"


def troubles(standing: Standing, now: datetime) -> dict[Kind, str]:
    """What is wrong with a source now, each with one sentence. Nothing with a disabled one."""
    found: dict[Kind, str] = {}
    if not standing.enabled:
        return found
    if standing.failures > 0:
        found[Kind.FAILING] = standing.reason or "The sync failed"
    elif standing.job_failed and not _synced_since(standing, standing.job_failed):
        found[Kind.FAILING] = standing.job_error or "The job failed"
    # a new source has as long for its first sync as for every later one
    promise, last = standing.fresh_within, standing.last_sync
    if kept(promise, last or standing.created, now, standing.rejected_since) is False:
        since = standing.rejected_since
        found[Kind.STALE] = broken_promise(promise or "", last, now, standing.rejected, since)
    return found


def kept(
    promise: str | None,
    last_sync: datetime | None,
    now: datetime,
    rejected_since: datetime | None = None,
) -> bool | None:
    """Whether `fresh_within` is kept; None without such a promise.

    The register is as fresh as its oldest row: a row that has been in quarantine for longer than
    promised breaks the promise as a sync that did not happen does.
    """
    if promise is None:
        return None
    if last_sync is None:
        return False
    oldest = last_sync if rejected_since is None else min(last_sync, rejected_since)
    return now - oldest <= timedelta(seconds=span_seconds(promise))


def broken_promise(
    promise: str,
    last_sync: datetime | None,
    now: datetime,
    rejected: int = 0,
    rejected_since: datetime | None = None,
) -> str:
    """The sentence about a source that is out of date."""
    if rejected_since is not None and (last_sync is None or kept(promise, last_sync, now)):
        rows = counted(rejected, "row has", "rows have")
        what = f"{rows} been rejected, the first since {rejected_since:%Y-%m-%d %H:%M}Z"
        return f"{what}, but it promises to be fresh within {promise}"
    last = f"was synced last at {last_sync:%Y-%m-%d %H:%M}Z" if last_sync else "was never synced"
    return f"It {last}, but promises to be fresh within {promise}"


def _synced_since(standing: Standing, moment: datetime) -> bool:
    return standing.last_sync is not None and standing.last_sync >= moment
