"""The health of a source: one word, the reasons for it, and what helps against each.

Lists, pages, API, command line and metrics show the same. A reason stays until it is resolved,
whatever the latest run says: rows that stay rejected, held deletions, a broken promise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from app.alerts import rules
from app.database.tables import held_deletions, runs
from app.sources.model import Source
from connectors.sdk.message import Message, Remedy, restored


class Condition(StrEnum):
    """How a source does; the order is that of how bad it is."""

    HEALTHY = "healthy"
    NEVER_RUN = "never_run"
    PAUSED = "paused"
    ATTENTION = "attention"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a source is not healthy, and what to do about it."""

    condition: Condition
    text: Message
    remedy: Remedy

    def as_json(self) -> dict[str, Any]:
        """``{code, condition, message, remedy}``."""
        return {
            "code": self.text.code,
            "condition": self.condition.value,
            "message": str(self.text),
            "remedy": str(self.remedy),
        }


@dataclass(frozen=True, slots=True)
class HealthReport:
    """A source's condition, with the reasons, the worst first."""

    condition: Condition
    reasons: Sequence[Reason] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What counts besides the source itself: deletions that wait, and what its last run said."""

    held: int = 0
    message: str = ""
    warnings: Sequence[str] = ()


STANDING = frozenset({"no-match", "no-fit"})
"""Warnings of the last run that stay true until someone acts or a later run disproves them."""


def of(source: Source, facts: Facts, now: datetime) -> HealthReport:
    """The health of one source."""
    found = tuple(sorted(_reasons(source, facts, now), key=_badness, reverse=True))
    if not source.enabled:
        return HealthReport(Condition.PAUSED, found)
    if found:
        return HealthReport(found[0].condition, found)
    return HealthReport(Condition.HEALTHY if source.last_run_id else Condition.NEVER_RUN)


def _codes(message: Message) -> Iterator[str]:
    """Its code, and those of the sentences within: a source with several targets names the one."""
    yield message.code
    for fact in message.facts.values():
        if isinstance(fact, Message):
            yield from _codes(fact)


def _badness(reason: Reason) -> int:
    return list(Condition).index(reason.condition)


def facts(connection: sa.Connection, sources: Sequence[Source]) -> Mapping[int, Facts]:
    """The facts of each source by its number, in two queries."""
    waiting = sa.select(held_deletions.c.source_id, sa.func.count().label("number"))
    held: dict[int, int] = {
        row.source_id: row.number
        for row in connection.execute(waiting.group_by(held_deletions.c.source_id))
    }
    last = [source.last_run_id for source in sources if source.last_run_id]
    said = {
        row.id: row
        for row in connection.execute(
            sa.select(runs.c.id, runs.c.message, runs.c.warnings).where(runs.c.id.in_(last))
        )
    }
    return {
        source.id: Facts(
            held.get(source.id, 0),
            said[source.last_run_id].message or "",
            [restored(one) for one in said[source.last_run_id].warnings],
        )
        if source.last_run_id in said
        else Facts(held.get(source.id, 0))
        for source in sources
    }


def _reasons(source: Source, facts: Facts, now: datetime) -> Iterator[Reason]:
    name = source.name
    if source.status == "error":
        why = source.status_reason or facts.message
        text = Message(
            "failing",
            "The last run failed: {why}",
            plural="The last {n} runs failed: {why}",
            n=max(source.failures, 1),
            why=why,
        )
        yield Reason(Condition.FAILING, text, _test(name))
    elif source.last_run_state in ("failed", "crashed"):
        text = Message("failed", "The last run failed: {why}", why=facts.message or "crashed")
        yield Reason(Condition.FAILING, text, _test(name))
    if source.rejected:
        text = Message(
            "rejected",
            "{n:,} row stays rejected",
            plural="{n:,} rows stay rejected",
            n=source.rejected,
        )
        remedy = Remedy("show-rejected", "`source:errors {source}` shows them", source=name)
        yield Reason(Condition.ATTENTION, text, remedy)
    if facts.held:
        text = Message(
            "held",
            "{n:,} deletion waits for approval",
            plural="{n:,} deletions wait for approval",
            n=facts.held,
        )
        remedy = Remedy("review-held", "`source:deletes {source}` shows them", source=name)
        yield Reason(Condition.ATTENTION, text, remedy)
    promise = source.options.get("fresh_within")
    if promise and rules.is_fresh(promise, source.last_sync, now, source.rejected_since) is False:
        text = Message("stale", "The data is older than the promised {promise}", promise=promise)
        yield Reason(
            Condition.ATTENTION, text, Remedy("run", "Run `source:run {source}`", source=name)
        )
    if not all(target.mapping.get("key") for target in source.targets):
        text = Message("no-key", "No key is set, so every run creates all objects again")
        remedy = Remedy("set-key", "Set one with `source:edit {source} --key FIELD`", source=name)
        yield Reason(Condition.ATTENTION, text, remedy)
    for warning in facts.warnings:
        if isinstance(warning, Message) and not STANDING.isdisjoint(_codes(warning)):
            remedy = Remedy("show-runs", "`source:runs {source}` shows the run", source=name)
            yield Reason(Condition.ATTENTION, warning, remedy)


def _test(name: str) -> Remedy:
    return Remedy("test", "`source:test {source}` tests the connection", source=name)
