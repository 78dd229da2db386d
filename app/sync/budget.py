"""The error budget: a run that cannot come to anything good ends early."""

from __future__ import annotations

from dataclasses import dataclass

from app.sources.document import JUDGED_AFTER
from app.sync.report import Counters


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """`first`: give up when so many rows were read and every one failed.

    `share`: give up when more than this part (0 to 1) of the rows failed, looked at once
    `first` rows were read; 1 means never.
    """

    first: int = JUDGED_AFTER
    share: float = 1.0

    def exhausted(self, counters: Counters) -> bool:
        """Whether the run should stop: it fails, and nothing is deleted."""
        if counters.read < self.first or not counters.errors:
            return False
        return counters.errors == counters.read or counters.errors > self.share * counters.read

    def message(self, counters: Counters) -> str:
        """Why the run stopped, for the run's message."""
        return (
            f"{counters.errors:,} of the first {counters.read:,} rows failed, so the run stopped "
            "and nothing was deleted. Look at `source:errors`; the mapping or the schema does not "
            "fit the source"
        )
