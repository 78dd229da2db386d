"""`source:run`, `source:runs` and `source:cancel`."""

from __future__ import annotations

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.commands.cli.progress import progress
from app.commands.cli.runs import details, print_run
from app.commands.cli.signals import heeded
from app.documents.run import plan_document, run_document
from app.errors import UsageError
from app.sources import manage
from app.sources.warnings import stay_rejected
from app.sync import dry_run as planning
from app.sync import report
from app.sync import run as running
from app.sync import runs as run_history
from app.sync.dry_run import Plan
from app.sync.lock import Result
from app.sync.run import Request


@command("source:run")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Show what would happen, without writing.")
@click.option("--full", is_flag=True, help="Read everything, not only changes.")
@click.option("--limit", type=click.IntRange(1), help="Stop after this many rows.")
@click.option("--apply", "plan", metavar="HASH", help="Only if it does what that dry run showed.")
@click.option("--accept-drift", is_flag=True, help="Accept the changed fields of the source.")
@click.pass_obj
def run(
    cli: Cli,
    name: str,
    dry_run: bool,
    full: bool,
    limit: int | None,
    plan: str | None,
    accept_drift: bool,
) -> None:
    """Sync a source now.

    Exits 0 when done, 1 if it failed or the plan changed, 3 with row errors or rows that stay
    rejected, 4 if it is already running elsewhere, 5 if deletions or changed fields wait for
    approval. Ctrl-C and SIGTERM end the run after its batch, with exit code 130 or 143; a second
    one ends it at once. The next run continues.

    Examples:
      openregister source:run countries
      openregister source:run countries --dry-run
      openregister source:run countries --apply 9cc5f96b7b7a91b3
      openregister source:run countries --full --output json
    """
    if dry_run and plan is not None:
        raise UsageError("A dry run cannot apply a plan", hint="Remove --dry-run or --apply")
    request = Request("manual", cli.actor, full, limit, accept_drift)
    application = cli.application
    with heeded(cli) as asked, progress(cli, name) as observe:
        if dry_run:
            done: Plan | Result = planning.dry_run(
                application, name, request, observe=observe, should_stop=asked
            )
        elif plan is not None:
            done = planning.apply(
                application, name, request, plan, observe=observe, should_stop=asked
            )
        else:
            done = running.run(application, name, request, observe=observe, should_stop=asked)
    if isinstance(done, Plan):
        _print_plan(cli, done)
        state = done.state
    else:
        print_run(cli, done.run)
        state = done.run.state
    if code := asked.exit_code(state):
        cli.exit(code)


def _print_plan(cli: Cli, plan: Plan) -> None:
    for warning in plan.warnings:
        cli.output.warning(warning)
    counters = plan.counters
    left = f"; {stay_rejected(plan.rejected_before)}" if plan.rejected_before else ""
    cli.output.result(
        plan_document(plan),
        f"Dry run — would create {counters.created}, update {counters.updated}, "
        f"delete {counters.deleted}; {counters.errors} errors{left}",
    )
    if cli.output.plain:
        details(cli, counters, plan.message, plan.warnings)
        cli.output.message(f"  {report.evidence(plan.complete, plan.complete_because)}")
        if plan.examples:
            cli.output.rows(plan.examples, ["action", "object", "diff"])
        else:
            said = plan.without_changes()
            cli.output.message("No object would change" if said in left else said)
        cli.output.message(f"Plan {plan.hash}")


@command("source:runs")
@click.argument("name")
@click.option("--limit", type=click.IntRange(1), default=20, help="Runs to show; 20 by default.")
@click.pass_obj
def runs(cli: Cli, name: str, limit: int) -> None:
    """List the runs of a source, latest first.

    Examples:
      openregister source:runs countries
      openregister source:runs countries --limit 100 --output json
    """
    source = cli.application.read(manage.get, name)
    history = cli.application.read(run_history.history, source.id, limit=limit)
    columns = ["run", "started", "trigger", "actor", "state", "read", "created", "updated"]
    columns += ["unchanged", "deleted", "errors", "rejected_before", "complete"]
    columns += ["complete_because", "duration_s", "message"]
    cli.output.rows([run_document(run) for run in history], columns, empty="No runs yet")


@command("source:cancel")
@click.argument("name")
@click.pass_obj
def cancel(cli: Cli, name: str) -> None:
    """Ask a running sync to stop after its batch; committed data is kept.

    Examples:
      openregister source:cancel countries
    """
    source = cli.application.read(manage.get, name)
    run = cli.application.write(run_history.request_cancel, source.id)
    text = f"Asked run {run.id} to stop" if run else f"Source {name} is not running"
    cli.output.result({"source": name, "run": run.id if run else None}, text)


commands = [run, runs, cancel]
