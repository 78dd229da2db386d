"""Ask whether what a source returns is everything, if its test leaves that open."""

from __future__ import annotations

import click

from app.commands.cli.context import Cli
from app.sources import decision
from connectors.sdk import CheckResult


def ask(cli: Cli, name: str, check: CheckResult) -> bool:
    """Prompt on a terminal and store a "yes"; else warn with the command. Whether it was stored."""
    if not check.decision:
        return False
    if not cli.interactive:
        cli.output.warning(decision.warning(name, check))
        return False
    if click.confirm(decision.question(check), default=False, err=True):
        decision.decide(cli.application, name, check, actor=cli.actor)
        stated = ", ".join(f"{path}: {value}" for path, value in check.decision.items())
        cli.output.message(f"Stored in the connection: {stated}")
        return True
    cli.output.message("Runs will write rows, but delete nothing")
    return False
