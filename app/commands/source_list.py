"""`source:list`: the status of every source, in a module of its own.

It is the command most often used, and needs none of the code that compiles mappings.
"""

from __future__ import annotations

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.documents.source import source_line
from app.operations import status


@command("source:list")
@click.option("--register", help="Only sources that write into this register.")
@click.option("--type", "type_", help="Only sources of this connector type.")
@click.pass_obj
def list_(cli: Cli, register: str | None, type_: str | None) -> None:
    """List the sources: status, last sync, next run, target register.

    Examples:
      openregister source:list
      openregister source:list --register geo --output json
    """
    for warning in cli.application.read(status.warnings):
        cli.output.warning(warning)
    found = cli.application.read(status.sources, register=register, of_type=type_)
    cli.output.rows(
        [source_line(one) for one in found],
        {
            "name": "Name",
            "type": "Type",
            "status": "Status",
            "health": "Health",
            "register": "Register",
            "schema": "Schema",
            "schedule": "Schedule",
            "last_sync": "Last sync",
            "next_run": "Next run",
            "last_run_state": "Last result",
            "rejected": "Rejected",
            "fresh": "Fresh",
        },
        empty="No sources yet; `openregister source:add NAME --type T …` creates one",
    )


commands: list[click.Command] = [list_]
