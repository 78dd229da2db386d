"""What a run counted, the state that follows from it, and the sentences that say so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from connectors.sdk import OpenRegisterError, RowProblem


class RunState(StrEnum):
    """How a run stands or ended; `exit_code` is what the command line answers with."""

    RUNNING = "running"
    DONE = "done"
    PARTIAL = "partial"
    HELD = "held"
    FAILED = "failed"
    CRASHED = "crashed"
    CANCELLED = "cancelled"

    @property
    def exit_code(self) -> int:
        return _EXIT_CODES[self]


_EXIT_CODES = {
    RunState.RUNNING: 4,
    RunState.DONE: 0,
    RunState.PARTIAL: 3,
    RunState.HELD: 5,
    RunState.FAILED: 1,
    RunState.CRASHED: 1,
    RunState.CANCELLED: 1,
}


class CountersError(OpenRegisterError):
    """The counters do not add up, so the run may not claim to be done."""

    default_hint = "This is a fault in the software: please report it with the run's number"


@dataclass(slots=True)
class Counters:
    """Rows of one run. Every row that was read has exactly one fate; deletions are not rows."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    filtered: int = 0
    duplicate: int = 0
    deleted: int = 0
    held: int = 0
    errors: int = 0

    def add(self, other: Counters) -> None:
        """Add the figures of a batch."""
        for name in COUNTER_NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_dict(self) -> dict[str, int]:
        return asdict(self)

    def check(self) -> None:
        """Raise CountersError unless each row read has exactly one fate and none is negative."""
        fates = (
            self.created
            + self.updated
            + self.unchanged
            + self.filtered
            + self.duplicate
            + self.errors
        )
        figures = self.as_dict()
        if self.read != fates:
            raise CountersError(f"{self.read} rows were read but {fates} accounted for: {figures}")
        if min(figures.values()) < 0:
            raise CountersError(f"A counter is below zero: {figures}")

    def state(self) -> RunState:
        """The state of a run that came to its end: held before partial before done."""
        if self.held:
            return RunState.HELD
        return RunState.PARTIAL if self.errors else RunState.DONE

    def summary(self) -> str:
        """The last line of every run: ``Done — 3 created, 1 updated, 0 errors``."""
        return f"Done — {self.created} created, {self.updated} updated, {self.errors} errors"

    def details(self) -> str:
        """Everything `summary` leaves out and that is not zero, or an empty text."""
        parts = ("unchanged", "filtered", "duplicate", "deleted", "held")
        return ", ".join(f"{n:,} {name}" for name in parts if (n := getattr(self, name)))


COUNTER_NAMES = tuple(field.name for field in fields(Counters))


def nothing_matches(read: int, first_row_fields: Iterable[str]) -> str:
    """A filter that lets no row through is more likely a typing error than a wish."""
    return (
        f"0 of {read:,} rows match the filter; the first row's fields are "
        f"{_names(first_row_fields)}"
    )


def nothing_fits(read: int, first: RowProblem) -> str:
    """Not one row became an object: the mapping or the schema is for another source."""
    error = first.errors[0]
    place = f"{error.path}: " if error.path else ""
    return (
        f"0 of {read:,} rows fit the mapping and the schema; the first one ({first.position}): "
        f"{place}{error.message}"
    )


def no_key() -> str:
    """Said at add, test and run."""
    return (
        "No key is set: rows cannot be recognised again, so EVERY RUN CREATES ALL OBJECTS ANEW. "
        "Name the field that identifies a row with `source:edit NAME --key FIELD`"
    )


def repeated_keys(duplicates: int) -> str:
    """Rows that share a key: the last one won."""
    return (
        f"{duplicates:,} rows repeat a key that this read already had; of each key the last row "
        "won. If they are different things, the key is not the right one"
    )


def _names(names: Iterable[str], limit: int = 20) -> str:
    listed = list(names)
    text = ", ".join(listed[:limit]) or "(none)"
    return f"{text} and {len(listed) - limit} more" if len(listed) > limit else text
