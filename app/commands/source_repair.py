"""`source:*`: undo a run, and replay rejected rows."""

from __future__ import annotations

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.commands.cli.progress import progress
from app.commands.cli.runs import print_run
from app.commands.cli.signals import Asked, heeded
from app.documents.run import run_document
from app.sync import runs
from app.sync.after import replay
from app.sync.after import undo as undoing
from app.sync.after.undo import Undone
from app.sync.run import Request

SHOWN = 20
"""Skipped objects shown in plain mode; scripts get all that were listed."""


@command("source:undo")
@click.argument("run", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def undo(cli: Cli, run: int, yes: bool) -> None:
    """Undo a run: restore every object it changed to its previous state.

    Objects with a later edit are kept and listed; it then exits with 3. The next sync reads
    everything again and applies what the source still contains, so correct the source or its
    mapping first, or disable it.

    Examples:
      openregister source:undo 12
      openregister source:undo 12 --yes --output json
    """
    undone = cli.application.read(runs.get, run)
    if not yes:
        cli.confirm(f"Undo run {run} of source {undone.source}?")
    with heeded(cli) as asked:
        found = undoing.undo(cli.application, run, actor=cli.actor, should_stop=asked)
    _print(cli, found, asked)


def _print(cli: Cli, found: Undone, asked: Asked) -> None:
    skipped = [{"uuid": one.uuid, "key": one.key, "reason": one.reason} for one in found.listed]
    record = {
        **(run_document(found.run) if found.run else {}),
        "undone": found.of,
        "reverted": found.reverted,
        "restored": found.restored,
        "skipped": found.skipped,
        "skipped_objects": skipped,
    }
    cli.output.result(record, (found.run.message if found.run else None) or "")
    if cli.output.plain and skipped:
        cli.output.rows(skipped[:SHOWN], ["uuid", "key", "reason"])
    if found.run is not None and (code := asked.exit_code(found.run.state)):
        cli.exit(code)


@command("source:retry-errors")
@click.argument("name")
@click.pass_obj
def retry_errors(cli: Cli, name: str) -> None:
    """Replay the quarantine with the current mapping and schema.

    The source is not read. Rows that succeed leave the quarantine; exits 3 if rows still fail.

    Examples:
      openregister source:retry-errors countries
      openregister source:retry-errors countries --output json
    """
    request = Request("manual", cli.actor)
    with heeded(cli) as asked, progress(cli, name) as observe:
        result = replay.retry_errors(
            cli.application, name, request, observe=observe, should_stop=asked
        )
    print_run(cli, result.run)
    if code := asked.exit_code(result.run.state):
        cli.exit(code)


commands: list[click.Command] = [undo, retry_errors]
