"""`object:*`: what the registers hold, what it was, and where it came from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.commands.cli.files import writing
from app.errors import UsageError
from app.registers import edit_objects, select
from app.registers import export as exporting
from app.registers import history as histories
from app.registers.export import Format
from app.registers.object_store import StoredObject
from app.registers.select import Query
from app.sources import explain as explaining
from connectors.sdk.counting import counted


@command("object:list")
@click.option("--register", help="Only objects of this register.")
@click.option("--schema", help="Only objects of this schema.")
@click.option("--source", help="Only objects that this source owns.")
@click.option("--filter", "filter_", metavar="EXPR", help="Only objects for which it is true.")
@click.option("--limit", type=click.IntRange(1), default=100, help="How many; 100 by default.")
@click.option("--deleted", is_flag=True, help="Deleted objects as well.")
@click.pass_obj
def list_(
    cli: Cli,
    register: str | None,
    schema: str | None,
    source: str | None,
    filter_: str | None,
    limit: int,
    deleted: bool,
) -> None:
    """List objects, the oldest first.

    The filter is written as in a mapping, over the properties of the object.

    Examples:
      openregister object:list --register geo --schema country --limit 20
      openregister object:list --register geo --schema country --filter "continent == 'EU'"
      openregister object:list --source countries --deleted --output json
    """
    query = Query(register, schema, source, filter=filter_, deleted=deleted)
    found = select.find(cli.application, query, limit=limit)
    cli.output.rows(
        [document(one) for one in found],
        ["uuid", "register", "schema", "source", "key", "version", "data"],
        empty="No objects",
    )


@command("object:show")
@click.argument("uuid", type=click.UUID)
@click.option("--at", metavar="TIME", help="As it was then, such as 2026-01-31T12:00:00+01:00.")
@click.pass_obj
def show(cli: Cli, uuid: UUID, at: str | None) -> None:
    """Show one object, now or at an earlier time.

    A time without a zone is meant as UTC.

    Examples:
      openregister object:show 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55
      openregister object:show 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55 --at 2026-01-31
    """
    if at is None:
        cli.output.record(document(edit_objects.get(cli.application, uuid)))
        return
    found, version = histories.at(cli.application, uuid, _moment(at))
    then = {
        "version": version.number,
        "data": version.data,
        "updated": version.created,
        "deleted": version.created if version.deleted else None,
        "run": version.run_id,
    }
    cli.output.record({**document(found), **then})


def document(found: StoredObject) -> dict[str, Any]:
    """An object as scripts get it."""
    return {
        "uuid": found.uuid,
        "register": found.register,
        "schema": found.schema,
        "source": found.source,
        "key": found.key,
        "version": found.version,
        "data": found.data,
        "created": found.created,
        "updated": found.updated,
        "deleted": found.deleted,
        "run": found.run_id,
    }


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time", hint="Write it as 2026-01-31 or 2026-01-31T12:00:00+01:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@command("object:history")
@click.argument("uuid", type=click.UUID)
@click.pass_obj
def history(cli: Cli, uuid: UUID) -> None:
    """Show every version of an object, rebuilt from its audit trail, the latest first.

    Examples:
      openregister object:history 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55
      openregister object:history 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55 --output json_pretty
    """
    versions = histories.history(cli.application, uuid).versions
    cli.output.rows(
        [
            {
                "version": version.number,
                "when": version.created,
                "action": version.action,
                "source": version.source,
                "run": version.run_id,
                "trigger": version.trigger,
                "actor": version.actor,
                "diff": version.diff,
                "data": version.data,
                "deleted": version.deleted,
            }
            for version in versions
        ],
        ["version", "when", "action", "source", "run", "actor", "diff"],
    )


@command("object:explain")
@click.argument("uuid", type=click.UUID)
@click.argument("field")
@click.pass_obj
def explain(cli: Cli, uuid: UUID, field: str) -> None:
    """Say where a value came from: source, run, raw field, mapping rule and time.

    FIELD may be dotted: address.city, lines.0.sku.

    Examples:
      openregister object:explain 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55 name
      openregister object:explain 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55 address.city --output json
    """
    found = explaining.explain(cli.application, uuid, field)
    made, origin = found.version, found.origin
    cli.output.record(
        {
            "object": found.object.uuid,
            "field": found.field,
            "value": found.value,
            "present": found.present,
            "before": found.before,
            "version": made.number,
            "when": made.created,
            "action": made.action,
            "source": made.source,
            "key": found.object.key,
            "run": made.run_id,
            "trigger": made.trigger,
            "actor": made.actor,
            "rule": origin.rule if origin else None,
            "raw_fields": list(origin.raw_fields) if origin else [],
            "rule_details": origin.details if origin else {},
            "mapping_changed_since": found.mapping_changed,
        }
    )


@command("object:restore")
@click.argument("uuid", type=click.UUID)
@click.option("--version", type=click.IntRange(1), help="The version to bring back.")
@click.pass_obj
def restore(cli: Cli, uuid: UUID, version: int | None) -> None:
    """Bring back an earlier version as a new one, or a deleted object as it was.

    An object of a source stays so until the source sends another row for it.

    Examples:
      openregister object:restore 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55 --version 2
      openregister object:restore 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55
    """
    before = edit_objects.get(cli.application, uuid)
    found = edit_objects.restore(cli.application, uuid, version=version, actor=cli.actor)
    changed = found.version != before.version
    said = f"Object {uuid} is now at version {found.version}"
    if not changed:
        said = f"Object {uuid} is like that already; it stays at version {found.version}"
    elif found.source is not None:
        said += f"; it stays so until source {found.source} sends another row for it"
    cli.output.result({**document(found), "changed": changed}, said)


@command("object:export")
@click.option("--register", help="Only objects of this register.")
@click.option("--schema", help="Only objects of this schema.")
@click.option("--source", help="Only objects that this source owns.")
@click.option("--filter", "filter_", metavar="EXPR", help="Only objects for which it is true.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "xlsx", "jsonl"]),
    default="csv",
    help="What to write; csv by default.",
)
@click.option("--file", "path", help="Where to write it; standard output by default.")
@click.pass_obj
def export(
    cli: Cli,
    register: str | None,
    schema: str | None,
    source: str | None,
    filter_: str | None,
    form: Format,
    path: str | None,
) -> None:
    """Write objects as CSV, as an Excel workbook or as JSON lines, a row per object.

    Texts that a spreadsheet would calculate are led by an apostrophe.

    Examples:
      openregister object:export --register geo --schema country > countries.csv
      openregister object:export --register geo --schema country --format xlsx --file c.xlsx
      openregister object:export --source countries --format jsonl --filter "continent == 'EU'"
    """
    query = Query(register, schema, source, filter=filter_)
    with writing(path, binary=form == "xlsx") as out:
        rows = exporting.objects(cli.application, query, form, out)
    if path is not None:
        cli.output.result(
            {"file": path, "rows": rows}, f"Wrote {counted(rows, 'object')} to {path}"
        )


commands: list[click.Command] = [list_, show, history, explain, restore, export]
