"""How a run is told: the closing sentence for people, every figure for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.commands.cli.context import Cli
from app.sync import report
from app.sync.report import Counters, RunState
from app.sync.run_store import SETTLED, Run


def print_run(cli: Cli, run: Run) -> None:
    """A finished run, whatever its state."""
    for warning in run.warnings:
        cli.output.warning(warning)
    cli.output.result(document(run), sentence(run.state, run.counters, run.rejected_before))
    details(cli, run.counters, run.message, run.warnings)
    if cli.output.plain and (run.counters.errors or run.rejected_before):
        cli.output.message(f"  `openregister source:errors {run.source}` lists the rejected rows")
    if cli.output.plain and run.state in SETTLED and run.full:
        cli.output.message(f"  {report.evidence(run.complete, run.complete_because)}")


def sentence(state: RunState, counters: Counters, rejected_before: int = 0) -> str:
    """`Done — 3 created, …`; another word where the run did not come to its end."""
    ending = counters.summary(rejected_before)
    finished = state in (RunState.DONE, RunState.PARTIAL) or bool(counters.held)
    return ending if finished else ending.replace("Done", state.value.title())


def details(
    cli: Cli, counters: Counters, message: str | None, warnings: Sequence[str] = ()
) -> None:
    """What the sentence leaves out, and the warnings have not said."""
    if cli.output.plain and (rest := counters.details()):
        cli.output.message(f"  {rest}")
    if message and not (cli.output.plain and message in warnings):
        cli.output.message(f"  {message}")


def document(run: Run) -> dict[str, Any]:
    """A run as scripts get it."""
    return {
        "run": run.id,
        "source": run.source,
        "state": run.state,
        **run.counters.as_dict(),
        "complete": run.complete,
        "complete_because": run.complete_because,
        "rejected_before": run.rejected_before,
        "dry_run": False,
        "duration_s": round(run.duration, 3),
        "message": run.message,
        "warnings": run.warnings,
        "trigger": run.trigger,
        "actor": run.actor,
        "started": run.started,
        "finished": run.finished,
        "full": run.full,
        "host": run.host,
        "pid": run.pid,
        "peak_memory": run.peak_memory,
        "drift": run.drift,
    }
