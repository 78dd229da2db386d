"""When to report a source: it fails, it is out of date, or it has recovered.

An incident is opened once and closed once, and each is reported once, however many runs fail in
between.
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
class SourceHealth:
    """What the rules look at; times are timezone-aware.

    `failures` counts failed runs in a row and `reason` is the error of the last. `job_failed` is
    the start of the latest attempt of its job, if that attempt failed without a run.
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
    """Rows in quarantine, and when the first of them was first rejected."""


@dataclass(frozen=True, slots=True)
class Alert:
    """The data of an alert. `event` is source.failing, source.recovered, source.stale,
    source.fresh or cron.stale; `since` and `at` are ISO 8601."""

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
        """The inverse of `as_json`."""
        return cls(**document)

    @property
    def subject(self) -> str:
        """The subject line of an e-mail."""
        what = {
            "source.failing": f"{self.source} is failing",
            "source.recovered": f"{self.source} has recovered",
            "source.stale": f"{self.source} is out of date",
            "source.fresh": f"{self.source} is up to date again",
            "cron.stale": "background jobs did not run",
        }[self.event]
        return f"Open Register: {what}"

    @property
    def text(self) -> str:
        """The body of an e-mail."""
        lines = [self.message, "", f"Since: {self.since}", f"Seen: {self.at}, on {self.host}"]
        if self.source is not None:
            lines += ["", f"More: openregister source:runs {self.source}"]
        return "\n".join(lines) + "\n"


def problems(source: SourceHealth, now: datetime) -> dict[Kind, str]:
    """What is wrong with a source now, one sentence per kind. Empty for a disabled source."""
    found: dict[Kind, str] = {}
    if not source.enabled:
        return found
    if source.failures > 0:
        found[Kind.FAILING] = source.reason or "The sync failed"
    elif source.job_failed and not _synced_since(source, source.job_failed):
        found[Kind.FAILING] = source.job_error or "The job failed"
    # a new source gets the same time for its first sync as for later ones
    promise, last = source.fresh_within, source.last_sync
    if is_fresh(promise, last or source.created, now, source.rejected_since) is False:
        since = source.rejected_since
        found[Kind.STALE] = stale_message(promise or "", last, now, source.rejected, since)
    return found


def is_fresh(
    promise: str | None,
    last_sync: datetime | None,
    now: datetime,
    rejected_since: datetime | None = None,
) -> bool | None:
    """Whether `fresh_within` is met; None if the source has no such limit.

    The register is as fresh as its oldest row: a row that has been in quarantine for longer than
    the limit breaks it, as a missed sync does.
    """
    if promise is None:
        return None
    if last_sync is None:
        return False
    oldest = last_sync if rejected_since is None else min(last_sync, rejected_since)
    return now - oldest <= timedelta(seconds=span_seconds(promise))


def stale_message(
    promise: str,
    last_sync: datetime | None,
    now: datetime,
    rejected: int = 0,
    rejected_since: datetime | None = None,
) -> str:
    """The message about a source that is out of date."""
    if rejected_since is not None and (last_sync is None or is_fresh(promise, last_sync, now)):
        rows = counted(rejected, "row has", "rows have")
        what = f"{rows} been rejected, the first since {rejected_since:%Y-%m-%d %H:%M}Z"
        return f"{what}, but the source must be fresh within {promise}"
    last = f"last synced at {last_sync:%Y-%m-%d %H:%M}Z" if last_sync else "never synced"
    return f"The source was {last}, but must be fresh within {promise}"


def _synced_since(source: SourceHealth, moment: datetime) -> bool:
    return source.last_sync is not None and source.last_sync >= moment
