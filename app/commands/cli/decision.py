"""Asking whether what a source hands out is everything, where its test leaves that open."""

from __future__ import annotations

import click

from app.commands.cli.context import Cli
from app.sources import decision
from connectors.sdk import CheckResult


def ask(cli: Cli, name: str, check: CheckResult) -> bool:
    """Ask on a terminal and keep a "yes"; elsewhere warn with the command. Whether it was kept."""
    if not check.decision:
        return False
    if not cli.interactive:
        cli.output.warning(decision.warning(name, check))
        return False
    if click.confirm(decision.question(check), default=False, err=True):
        decision.decide(cli.application, name, check)
        stated = ", ".join(f"{path}: {value}" for path, value in check.decision.items())
        cli.output.message(f"Kept in the connection: {stated}")
        return True
    cli.output.message("Runs then write rows, and delete nothing")
    return False
