"""`status`: the state of the installation."""

from __future__ import annotations

from typing import Any

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.errors import ExitCode
from app.operations import health, instance
from app.operations.health import Health
from app.operations.instance import Status
from app.version import __version__


@command("status")
@click.option("--check", is_flag=True, help="For monitoring: exit with 1 if a check fails.")
@click.pass_obj
def status(cli: Cli, check: bool) -> None:
    """Show version, database, migrations, background jobs and counts.

    Read-only: it creates no database and changes nothing. With --check it checks database,
    migrations, cron, worker and sources one by one, and exits with 1 if one has a problem.

    Examples:
      openregister status
      openregister status --output json
      openregister status --check
    """
    if check:
        _check(cli)
        return
    found = instance.status(cli.settings)
    if cli.output.plain:
        lines = _lines(found)
        cli.output.record(lines, {title: title for title in lines})
    else:
        cli.output.document(_document(found))
    for warning in found.warnings:
        cli.output.warning(warning)


def _check(cli: Cli) -> None:
    checks = health.of_installation(cli.settings)
    state = health.verdict(checks)
    if cli.output.plain:
        lines = {
            check.name.capitalize(): f"{check.state.upper()} — {check.message}" for check in checks
        }
        cli.output.record(lines, {title: title for title in lines})
    else:
        cli.output.document(
            {
                "status": state,
                "version": __version__,
                "checks": [check.as_json() for check in checks],
            }
        )
    if state is not Health.OK:
        cli.exit(ExitCode.FAILED)


def _lines(found: Status) -> dict[str, Any]:
    lines: dict[str, Any] = {"Open Register": found.version}
    if database := found.database:
        kind = "embedded PostgreSQL" if database.embedded else "PostgreSQL"
        lines["Database"] = f"{kind} {database.server}, {database.where}"
        if database.embedded:
            lines["Server"] = "was running" if database.was_running else "started for this call"
    if migration := found.migration:
        lines["Migrations"] = str(migration.state)
        if migration.pending:
            lines["Pending"] = migration.pending
    if cron := found.cron:
        lines["Last cron tick"] = cron.last_tick or "never"
        lines["Scheduled sources"] = cron.scheduled
    return lines | {
        name.replace("_", " ").capitalize(): count for name, count in found.counts.items()
    }


def _document(found: Status) -> dict[str, Any]:
    migration = found.migration
    return {
        "version": found.version,
        "database": found.database,
        "migration": {
            "state": migration.state if migration else "missing",
            "current": migration.current if migration else None,
            "needed": migration.head if migration else None,
            "pending": list(migration.pending) if migration else [],
        },
        "cron": found.cron,
        "counts": found.counts,
        "warnings": found.warnings,
    }


commands: list[click.Command] = [status]
