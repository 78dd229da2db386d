"""The counters of a run, the resulting state, and the sentences describing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from app.errors import ExitCode
from app.sources.document import JUDGED_AFTER
from app.sources.warnings import stay_rejected
from app.wording import ENGLISH, Wording
from connectors.sdk import OpenRegisterError, Proof
from connectors.sdk.counting import counted


class RunState(StrEnum):
    """The state of a run; `exit_code` is that of the command."""

    RUNNING = "running"
    DONE = "done"
    PARTIAL = "partial"
    HELD = "held"
    FAILED = "failed"
    CRASHED = "crashed"
    CANCELLED = "cancelled"

    @property
    def exit_code(self) -> ExitCode:
        return _EXIT_CODES[self]


_EXIT_CODES = {
    RunState.RUNNING: ExitCode.RUNNING,
    RunState.DONE: ExitCode.DONE,
    RunState.PARTIAL: ExitCode.PARTIAL,
    RunState.HELD: ExitCode.HELD,
    RunState.FAILED: ExitCode.FAILED,
    RunState.CRASHED: ExitCode.FAILED,
    RunState.CANCELLED: ExitCode.FAILED,
}


class CountersError(OpenRegisterError):
    """The counters do not add up, so the run cannot be reported as done."""

    default_hint = "This is a bug: please report it with the number of the run"


@dataclass(slots=True)
class Counters:
    """Rows of one run. Every row read is counted exactly once; deletions are not rows."""

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
        """Add the counters of a batch."""
        for name in COUNTER_NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_dict(self) -> dict[str, int]:
        return asdict(self)

    def check(self) -> None:
        """Raise CountersError unless each row read is counted once and no counter is negative."""
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
            raise CountersError(
                f"{counted(self.read, 'row was', 'rows were')} read but {fates} accounted for: "
                f"{figures}"
            )
        if min(figures.values()) < 0:
            raise CountersError(f"A counter is below zero: {figures}")

    def state(self) -> RunState:
        """The state of a completed run: held before partial before done."""
        if self.held:
            return RunState.HELD
        return RunState.PARTIAL if self.errors else RunState.DONE

    def details(self, words: Wording = ENGLISH) -> str:
        """All non-zero figures that `closing` omits, or an empty text."""
        parts = ("unchanged", "filtered", "duplicate", "deleted", "held")
        figures = [(getattr(self, name), words.gettext(name)) for name in parts]
        return ", ".join(f"{words.number(figure)} {name}" for figure, name in figures if figure)


@dataclass(frozen=True, slots=True)
class Standing:
    """The backlog of a source when a run ends, whatever that run read.

    `rejected_before`: rows in quarantine that this run has not seen. `held`: deletions that wait
    for approval. `well`: at least one object of the source is up to date; if none is, nothing
    from the source has arrived.
    """

    rejected_before: int = 0
    held: int = 0
    well: bool = True

    def state(self, state: RunState) -> RunState:
        """The state of a run that ended in `state`, taking the backlog into account."""
        if state in (RunState.DONE, RunState.PARTIAL) and self.held:
            return RunState.HELD
        return RunState.PARTIAL if state is RunState.DONE and self.rejected_before else state

    def message(self, state: RunState, message: str | None) -> str | None:
        """The run's own message, extended by waiting deletions if it does not mention them."""
        if not self.held or state is RunState.HELD:
            return message
        number = counted(self.held, "deletion waits", "deletions wait")
        waiting = f"{number} for approval: see `source:deletes`"
        return f"{message}. {waiting}" if message else waiting


COUNTER_NAMES = tuple(field.name for field in fields(Counters))


PROOFS: Mapping[str, str] = {
    Proof.TOTAL: "the total stated by the source equals the rows read",
    Proof.END_MARKER: "the source states that this was the last page",
    Proof.LAST_LINK: "the last page has no link to a next one",
    Proof.SHORT_PAGE: "the last page is empty or shorter than the previous pages",
    Proof.END_OF_DATA: "the data was read to the end",
    Proof.NOT_MODIFIED: "the source has not changed since the last read",
    Proof.STATED: "the connection declares that one response contains everything",
}
"""Each kind of evidence in words, following "Complete: "."""


def closing(
    state: RunState, counters: Counters, rejected_before: int = 0, words: Wording = ENGLISH
) -> str:
    """The last line of a run: ``Done — 3 created, 1 updated, 0 errors``.

    It begins with another word if the run was not completed. `rejected_before`: rows rejected by
    earlier runs that are still in quarantine.
    """
    finished = state in (RunState.DONE, RunState.PARTIAL) or bool(counters.held)
    word = words.gettext("Done") if finished else words.gettext(state.value).capitalize()
    figures = words.gettext("%(created)s created, %(updated)s updated, %(errors)s errors") % {
        "created": counters.created,
        "updated": counters.updated,
        "errors": counters.errors,
    }
    left = f"; {stay_rejected(rejected_before, words)}" if rejected_before else ""
    return f"{word} — {figures}{left}"


def evidence(complete: bool, because: str | None, words: Wording = ENGLISH) -> str:
    """Whether the read was complete, and why: ``Complete: the data was read to the end``."""
    if not complete:
        return words.gettext("Not proven complete: missing rows were not treated as deleted")
    proof = PROOFS.get(because or "")
    complete_ = words.gettext("Complete")
    return f"{complete_}: {words.gettext(proof)}" if proof else complete_


def unidentified(rows: int, source: str) -> str:
    """The message about rejected rows that may belong to any object, so none counts as missing."""
    are = counted(rows, "rejected row has", "rejected rows have")
    return (
        f"{are} no readable key, so the objects missing from the source are unknown; "
        f"nothing was deleted. `source:errors {source}` lists them"
    )


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """`first`: stop if this many rows were read and all of them failed.

    `share`: stop if more than this share (0 to 1) of the rows failed, checked after `first` rows;
    1 means never.
    """

    first: int = JUDGED_AFTER
    share: float = 1.0

    def exhausted(self, counters: Counters) -> bool:
        """Whether the run should stop: it fails, and nothing is deleted."""
        if counters.read < self.first or not counters.errors:
            return False
        return counters.errors == counters.read or counters.errors > self.share * counters.read

    def message(self, counters: Counters) -> str:
        """Why the run stopped."""
        return (
            f"{counters.errors:,} of the first {counted(counters.read, 'row')} failed, so the "
            f"run stopped "
            "and nothing was deleted. See `source:errors`; the mapping or the schema does not "
            "match the source"
        )
