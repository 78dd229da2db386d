"""The verdict on a completed run: state, message and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.mapping.target import Target
from app.sources.model import Source, SourceTarget
from app.sources.warnings import no_key, nothing_fits, nothing_matches, repeated_keys
from app.sync.pipeline import Fate, Options, Outcome
from app.sync.report import RunState, unidentified
from connectors.sdk.counting import counted
from connectors.sdk.message import Message
from connectors.sdk.rows import End

MANY = 10
"""Minimum rows for which a filter that matches none is reported as a probable error."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is recorded of a run. `read_again`: the next run must not treat it as read."""

    state: RunState
    message: str | None
    warnings: Sequence[str]
    read_again: bool = False


def judge(outcome: Outcome, options: Options, targets: Sequence[Target], source: Source) -> Verdict:
    """The verdict on a run into these targets of a source."""
    misfits = list(_misfits(outcome, targets, source))
    grave = [text for text, fate in misfits if _is_grave(fate, options)]
    state = _state(outcome)
    if state is RunState.DONE and grave:
        state = RunState.PARTIAL
    warnings = [*outcome.warnings]
    if outcome.unidentified:
        warnings.append(unidentified(outcome.unidentified, source.name))
    if not all(target.plan.has_key for target in targets):
        warnings.append(no_key(source.name))
    if outcome.counters.duplicate:
        warnings.append(repeated_keys(outcome.counters.duplicate))
    warnings += [text for text, _ in misfits]
    unmatched = any(_is_grave(fate, options) and not fate.counters.errors for _, fate in misfits)
    return Verdict(state, _message(outcome, options, grave), warnings, read_again=unmatched)


def _state(outcome: Outcome) -> RunState:
    if outcome.cancelled:
        return RunState.CANCELLED
    if outcome.exhausted:
        return RunState.FAILED
    return outcome.counters.state()


def _message(outcome: Outcome, options: Options, grave: Sequence[str]) -> str | None:
    """The message for the user, besides the figures."""
    if outcome.cancelled:
        return "Stopped on request; committed data is kept"
    if outcome.exhausted:
        return options.budget.message(outcome.counters)
    if outcome.held:
        return outcome.held
    if grave:
        return ". ".join(grave)
    if outcome.end is End.UNCHANGED:
        return "The source reports no changes since the last sync"
    if outcome.end is None and options.limit is not None:
        return f"Stopped after {counted(options.limit, 'row')}, as requested; the rest was not read"
    return None


def _misfits(
    outcome: Outcome, targets: Sequence[Target], source: Source
) -> Iterator[tuple[str, Fate]]:
    """Targets that received rows and accepted none, each with the reason."""
    for target in targets:
        fate = outcome.fates.get(target.number)
        if fate is None or not fate.counters.read:
            continue
        count = fate.counters
        if count.filtered == count.read:
            text = nothing_matches(count.read, outcome.first_fields)
        elif count.filtered + count.errors == count.read and fate.first_problem is not None:
            text = nothing_fits(count.errors, fate.first_problem)
        else:
            continue
        place = source.targets[target.number]
        yield (_at(place, text) if len(targets) > 1 else text), fate


def _at(place: SourceTarget, text: str) -> str:
    where = f"{place.register}/{place.schema}"
    return Message("at-target", "{target}: {text}", target=where, text=text)


def _is_grave(fate: Fate, options: Options) -> bool:
    """Rejected rows always are; an unmatched filter only in a full read of many rows."""
    many = fate.counters.read >= MANY and options.from_start and options.limit is None
    return bool(fate.counters.errors) or many
