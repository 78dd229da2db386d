"""`reporting:*`: the SQL views for reports, and their readers."""

from __future__ import annotations

from typing import Any

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.operations import reporting
from app.operations.reporting import Granted
from connectors.sdk.counting import counted


@command("reporting:refresh")
@click.pass_obj
def refresh(cli: Cli) -> None:
    """Update the SQL views for reports to match the schemas.

    They follow every change of a schema by themselves. This is for a database that was restored
    or changed manually; it also creates the role openregister_reader if it is missing.

    Examples:
      openregister reporting:refresh
      openregister reporting:refresh --output json
    """
    done = reporting.refresh(cli.application)
    rows: list[dict[str, Any]] = [
        {
            "name": view.name,
            "register": view.register,
            "schema": view.schema,
            "columns": view.columns,
            "change": str(view.change),
        }
        for view in done.views
    ]
    if not cli.output.plain:
        cli.output.document(
            {
                "views": rows,
                "fixed_views": list(done.fixed),
                "role": done.role,
                "role_created": done.role_created,
            }
        )
        return
    if rows:
        shown = [{**row, "columns": len(row["columns"])} for row in rows]
        cli.output.rows(shown, ["name", "register", "schema", "columns", "change"])
    made = "created the role" if done.role_created else "the role"
    cli.output.message(
        f"{counted(len(rows) + len(done.fixed), 'view')} in openregister_reporting; "
        f"{made} {done.role}, which may read them"
    )


@command("reporting:grant")
@click.argument("role")
@click.option("--register", help="Only the views of the schemas of this register.")
@click.pass_obj
def grant(cli: Cli, role: str, register: str | None) -> None:
    """Let a role of the database server read the SQL views for reports.

    ROLE must exist; the database server's administrator creates it. Without --register it becomes
    a member of openregister_reader, which reads every view. Safe to repeat.

    Examples:
      openregister reporting:grant analyst
      openregister reporting:grant city_analyst --register geo
    """
    done = reporting.grant(cli.application, role, register=register)
    cli.output.result(_document(done), f"{role} may read {_extent(done)}")


@command("reporting:revoke")
@click.argument("role")
@click.option("--register", help="Only the views of the schemas of this register.")
@click.pass_obj
def revoke(cli: Cli, role: str, register: str | None) -> None:
    """Revoke what reporting:grant granted.

    Examples:
      openregister reporting:revoke analyst
      openregister reporting:revoke city_analyst --register geo
    """
    done = reporting.revoke(cli.application, role, register=register)
    cli.output.result(_document(done), f"{role} may no longer read {_extent(done)}")


def _extent(done: Granted) -> str:
    if done.register is None:
        return "the views of openregister_reporting"
    return f"the {counted(len(done.views), 'view')} of register {done.register}"


def _document(done: Granted) -> dict[str, Any]:
    return {"role": done.role, "register": done.register, "views": list(done.views)}


commands: list[click.Command] = [refresh, grant, revoke]
