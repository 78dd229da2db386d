"""How commands print a run: sentences for users, every figure for scripts."""

from __future__ import annotations

from collections.abc import Sequence

from app.commands.cli.context import Cli
from app.documents.run import run_document
from app.sync import report
from app.sync.model import SETTLED, Run
from app.sync.report import Counters


def print_run(cli: Cli, run: Run) -> None:
    """Print a finished run, whatever its state."""
    for warning in run.warnings:
        cli.output.warning(warning)
    ending = report.closing(run.state, run.counters, run.rejected_before)
    cli.output.result(run_document(run), ending)
    details(cli, run.counters, run.message, run.warnings)
    if cli.output.plain and (run.counters.errors or run.rejected_before):
        cli.output.message(f"  `openregister source:errors {run.source}` lists the rejected rows")
    if cli.output.plain and run.state in SETTLED and run.full:
        cli.output.message(f"  {report.evidence(run.complete, run.complete_because)}")


def details(
    cli: Cli, counters: Counters, message: str | None, warnings: Sequence[str] = ()
) -> None:
    """What the sentence and the warnings do not contain."""
    if cli.output.plain and (rest := counters.details()):
        cli.output.message(f"  {rest}")
    if message and not (cli.output.plain and message in warnings):
        cli.output.message(f"  {message}")
