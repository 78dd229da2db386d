"""`upgrade` and `db:*`: the database."""

from __future__ import annotations

from pathlib import Path

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.errors import ExitCode
from app.operations import instance
from connectors.sdk.counting import counted


@command("upgrade")
@click.pass_obj
def upgrade(cli: Cli) -> None:
    """Create the database, or upgrade it.

    Safe to repeat, and safe on several hosts at once: one of them does the work, the others wait
    for it. A failure changes nothing.

    Examples:
      openregister upgrade
      OPENREGISTER_DATABASE_URL=postgresql://register@db.example.org/register openregister upgrade
    """
    before = instance.upgrade(cli.settings)
    applied = list(before.pending)
    text = f"The database is up to date (version {before.head})"
    if applied:
        text += f": applied {counted(len(applied), 'migration')}"
    cli.output.result({"before": before.current, "now": before.head, "applied": applied}, text)


@command("db:stop")
@click.option("--force", is_flag=True, help="Stop it even if processes are using it.")
@click.pass_obj
def stop(cli: Cli, force: bool) -> None:
    """Stop the embedded PostgreSQL.

    The last process stops it automatically; this is for one that was left running because its
    process was killed.

    Examples:
      openregister db:stop
      openregister db:stop --force
    """
    stopped = instance.stop_embedded(cli.settings, force=force)
    cli.output.result(
        {"stopped": stopped},
        "Stopped the embedded PostgreSQL" if stopped else "The embedded PostgreSQL was not running",
    )


@command("db:dump")
@click.pass_obj
def dump(cli: Cli) -> None:
    """Print the embedded database as SQL, to load it into your own server.

    Also copy the secret key of the data directory; stored credentials need it.

    Examples:
      openregister db:dump | psql postgresql://openregister@db.example.org/openregister
      openregister db:dump > backup.sql
    """
    code = instance.dump_embedded(cli.settings)
    if code:
        cli.exit(ExitCode.FAILED)


@command("db:restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.pass_obj
def restore(cli: Cli, file: str) -> None:
    """Load a dump into an empty embedded database.

    FILE is the output of `db:dump`, `-` for standard input. All or nothing. Copy the secret key of
    the old data directory to the new one; stored credentials need it.

    Examples:
      openregister db:restore backup.sql
      OPENREGISTER_DATA_DIR=/srv/again openregister db:restore backup.sql
    """
    found = instance.restore_embedded(cli.settings, None if file == "-" else Path(file))
    cli.output.result(
        {"restored": found.current, "now": found.head},
        f"The database is restored (version {found.current}, now {found.head})",
    )


commands: list[click.Command] = [upgrade, stop, dump, restore]
