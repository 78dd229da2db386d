"""`source:*`: data sources, their targets and schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.commands.cli.decision import ask
from app.commands.cli.edits import edits, with_options
from app.documents.source import saved_document, source_document
from app.operations import status
from app.sources import manage
from app.sources.manage import Saved
from app.sources.settings import connector_types
from app.sources.warnings import standing_warnings
from connectors.sdk.counting import counted


@command("source:types")
@click.argument("type_name", metavar="[TYPE]", required=False)
@click.pass_obj
def types(cli: Cli, type_name: str | None) -> None:
    """List the connector types, or show every setting of one.

    Examples:
      openregister source:types
      openregister source:types rest
      openregister source:types sftp --output json_pretty
    """
    if type_name is not None:
        if cli.output.plain:
            cli.output.rows(
                connector_types.fields(type_name), ["field", "type", "required", "help"]
            )
        else:
            cli.output.document(connector_types.schema(type_name))
        return
    cli.output.rows(connector_types.types(), ["type", "title", "summary", "package"])


@command("source:add")
@click.argument("name")
@click.option("--type", "type_", required=True, help="Connector; `source:types` lists them.")
@click.option("--register", required=True, help="Target register.")
@click.option("--schema", required=True, help="Schema of the objects.")
@with_options
@click.pass_obj
def add(cli: Cli, /, name: str, type_: str, no_test: bool, **options: Any) -> None:
    """Add a source; its connection is tested first.

    Change it later with `source:edit`; `source:import` accepts it as a document.

    Examples:
      openregister source:add towns --type rest --register geo --schema town --set url=https://x.nl
      openregister source:add regions --type files --register geo --schema region --set path=r.csv
    """
    document = manage.apply({"name": name}, edits(cli, type=type_, **options))
    saved = manage.save(
        cli.application,
        document,
        test=not no_test,
        on_host=True,
        update=False,
        actor=cli.actor,
    )
    _saved(cli, saved)


@command("source:edit")
@click.argument("name")
@click.option("--register", help="Target register.")
@click.option("--schema", help="Schema of the objects.")
@click.option(
    "--forget-findings",
    is_flag=True,
    help="Let the next run detect its form again: format, encoding, where the rows are.",
)
@with_options
@click.pass_obj
def edit(cli: Cli, /, name: str, no_test: bool, forget_findings: bool, **options: Any) -> None:
    """Change a source; other settings are unchanged.

    Examples:
      openregister source:edit countries --forget-findings
      openregister source:edit countries --schedule hourly
      openregister source:edit countries --secret auth.token=-
      openregister source:edit countries --filter "continent == 'EU'" --map name=attributes.name
    """
    _saved(
        cli,
        manage.edit(
            cli.application,
            name,
            edits(cli, **options),
            test=not no_test,
            on_host=True,
            forget_findings=forget_findings,
            actor=cli.actor,
        ),
    )


def _saved(cli: Cli, saved: Saved) -> None:
    source = saved.source
    if saved.check is not None:
        cli.output.message(f"OK — {saved.check.message}")
        if saved.check.evidence not in saved.check.message:
            cli.output.message(saved.check.evidence)
        for warning in saved.check.warnings:
            cli.output.warning(warning)
    for warning in saved.warnings:
        cli.output.warning(warning)
    if saved.proposed_key:
        cli.output.message(f"Key: {', '.join(saved.proposed_key)} (proposed by the source)")
    for warning in standing_warnings(source):
        cli.output.warning(warning)
    if saved.check is not None and ask(cli, source.name, saved.check):
        source = cli.application.read(manage.get, source.name)
    verb = "Added" if saved.created else "Changed"
    details = cli.application.read(status.details, source)
    text = f"{verb} source {source.name} ({source.type})"
    cli.output.result(saved_document(details, saved), text)


@command("source:enable")
@click.argument("name")
@click.pass_obj
def enable(cli: Cli, name: str) -> None:
    """Let a source run again, and reset its failures.

    Examples:
      openregister source:enable countries
    """
    source = cli.application.write(manage.set_enabled, name, True, actor=cli.actor)
    cli.output.result({"name": name, "status": source.status}, f"Enabled source {name}")


@command("source:disable")
@click.argument("name")
@click.pass_obj
def disable(cli: Cli, name: str) -> None:
    """Stop a source from running; its objects are kept.

    Examples:
      openregister source:disable countries
    """
    source = cli.application.write(manage.set_enabled, name, False, actor=cli.actor)
    cli.output.result({"name": name, "status": source.status}, f"Disabled source {name}")


@command("source:delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(cli: Cli, name: str, yes: bool) -> None:
    """Delete a source with its runs; its objects and their audit trail are kept.

    Examples:
      openregister source:delete countries
      openregister source:delete countries --yes
    """
    source = cli.application.read(manage.get, name)
    if not yes:
        cli.confirm(f"Delete source {source.name}? Its objects are kept, without a source.")
    left = cli.application.write(manage.delete, name)
    cli.output.result(
        {"name": name, "deleted": True, "objects_left": left},
        f"Deleted source {name}; {counted(left, 'object stays', 'objects stay')} in the register",
    )


@command("source:show")
@click.argument("name")
@click.pass_obj
def show(cli: Cli, name: str) -> None:
    """Show a source without its secrets, its last result and its next five runs.

    Examples:
      openregister source:show countries
      openregister source:show countries --output json_pretty
    """
    source = cli.application.read(manage.get, name)
    for warning in standing_warnings(source):
        cli.output.warning(warning)
    record = source_document(cli.application.read(status.details, source))
    if cli.output.plain:
        del record["warnings"], record["document"]
        zone = ZoneInfo(source.timezone)
        record["next_runs"] = "\n".join(
            datetime.fromisoformat(moment).astimezone(zone).strftime("%a %Y-%m-%d %H:%M %Z")
            for moment in record["next_runs"]
        )
    cli.output.record(record)


commands = [types, add, edit, enable, disable, delete, show]
