"""`object:*`: objects, their history, and where their values came from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import update_wrapper
from typing import Any
from uuid import UUID

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.commands.cli.files import writing
from app.documents.object import object_document, version_document
from app.errors import UsageError
from app.registers import edit_objects, find
from app.registers import export as exporting
from app.registers import history as histories
from app.registers.export import Format
from app.registers.query import ObjectQuery
from app.sources import explain as explaining
from connectors.sdk.counting import counted


def _which(function: Callable[..., None]) -> Callable[..., None]:
    """The options that select and sort objects; passed as `query`."""

    def asked(
        cli: Cli,
        *,
        register: str | None,
        schema: str | None,
        source: str | None,
        where: tuple[str, ...],
        search: str | None,
        order: tuple[str, ...],
        deleted: bool,
        **options: Any,
    ) -> None:
        given = [*map(_parameter, where), *(("_order", key) for key in order)]
        if search is not None:
            given.append(("_search", search))
        if deleted:
            given.append(("_deleted", "true"))
        query = find.query(
            cli.application, register=register, schema=schema, source=source, given=given
        )
        function(cli, query, **options)

    made: Callable[..., None] = click.pass_obj(update_wrapper(asked, function))
    for option in reversed(_OPTIONS):
        made = option(made)
    return made


_OPTIONS = (
    click.option("--register", help="Only objects of this register."),
    click.option("--schema", help="Only objects of this schema."),
    click.option("--source", help="Only objects that this source owns."),
    click.option(
        "--where",
        multiple=True,
        metavar="FILTER",
        help="Only objects that match, as in the API: PROPERTY=VALUE or PROPERTY[OPERATOR]=VALUE.",
    ),
    click.option("--search", metavar="TEXT", help="Only objects with this text in any property."),
    click.option("--filter", "filter_", metavar="EXPR", help="Only objects that match."),
    click.option(
        "--order", multiple=True, metavar="PROPERTY[:desc]", help="Sort by this; the oldest first."
    ),
    click.option("--deleted", is_flag=True, help="Include deleted objects."),
)


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or name.startswith("_"):
        raise UsageError(
            f"{text!r} is not a filter", hint="Write PROPERTY=VALUE or PROPERTY[gte]=VALUE"
        )
    return name, value


@command("object:list")
@_which
@click.option("--limit", type=click.IntRange(1), default=100, help="How many; 100 by default.")
def list_(cli: Cli, query: ObjectQuery, filter_: str | None, limit: int) -> None:
    """List objects, oldest first.

    `--where`, `--search` and `--order` are those of the API: the operators are eq, ne, gt, gte,
    lt, lte, like, in and exists. `--filter` is written as in a mapping, over the properties of
    the object.

    Examples:
      openregister object:list --register geo --schema country --limit 20
      openregister object:list --register geo --schema country --where "population[gte]=1000000"
      openregister object:list --register geo --schema country --filter "continent == 'EU'"
      openregister object:list --source countries --deleted --output json
    """
    found = find.find(cli.application, query, expression=filter_, limit=limit)
    cli.output.rows(
        [object_document(one) for one in found],
        ["uuid", "register", "schema", "source", "key", "version", "data"],
        empty="No objects",
    )


@command("object:show")
@click.argument("uuid", type=click.UUID)
@click.option("--at", metavar="TIME", help="At this time, such as 2026-01-31T12:00:00+01:00.")
@click.pass_obj
def show(cli: Cli, uuid: UUID, at: str | None) -> None:
    """Show one object, now or at an earlier time.

    A time without a timezone is in UTC.

    Examples:
      openregister object:show 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55
      openregister object:show 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55 --at 2026-01-31
    """
    if at is None:
        cli.output.record(object_document(edit_objects.get(cli.application, uuid)))
        return
    found, version = histories.at(cli.application, uuid, _moment(at))
    then = {
        "version": version.number,
        "data": version.data,
        "updated": version.created,
        "deleted": version.created if version.deleted else None,
        "run": version.run_id,
    }
    cli.output.record({**object_document(found), **then})


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
    """Show every version of an object, rebuilt from its audit trail, latest first.

    Examples:
      openregister object:history 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55
      openregister object:history 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55 --output json_pretty
    """
    versions = histories.history(cli.application, uuid).versions
    cli.output.rows(
        [version_document(version) for version in versions],
        ["version", "when", "action", "source", "run", "actor", "diff"],
    )


@command("object:explain")
@click.argument("uuid", type=click.UUID)
@click.argument("field")
@click.pass_obj
def explain(cli: Cli, uuid: UUID, field: str) -> None:
    """Show where a value came from: source, run, raw field, mapping rule and time.

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
@click.option("--version", type=click.IntRange(1), help="The version to restore.")
@click.pass_obj
def restore(cli: Cli, uuid: UUID, version: int | None) -> None:
    """Restore an earlier version as a new one, or a deleted object.

    For an object of a source, this lasts until the source sends another row for it.

    Examples:
      openregister object:restore 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55 --version 2
      openregister object:restore 0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55
    """
    before = edit_objects.get(cli.application, uuid)
    found = edit_objects.restore(cli.application, uuid, version=version, actor=cli.actor)
    changed = found.version != before.version
    said = f"Object {uuid} is now at version {found.version}"
    if not changed:
        said = f"Object {uuid} already has this content; it stays at version {found.version}"
    elif found.source is not None:
        said += f", until source {found.source} sends another row for it"
    cli.output.result({**object_document(found), "changed": changed}, said)


@command("object:export")
@_which
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "xlsx", "jsonl"]),
    default="csv",
    help="Format; csv by default.",
)
@click.option("--file", "path", help="File to write; standard output by default.")
def export(
    cli: Cli, query: ObjectQuery, filter_: str | None, form: Format, path: str | None
) -> None:
    """Write objects as CSV, as an Excel workbook or as JSON lines, one row per object.

    The options to select and sort objects are those of `object:list`. Texts that a spreadsheet
    would evaluate get a leading apostrophe.

    Examples:
      openregister object:export --register geo --schema country > countries.csv
      openregister object:export --register geo --schema country --format xlsx --file c.xlsx
      openregister object:export --source countries --format jsonl --filter "continent == 'EU'"
    """
    narrowed, keep = find.filtered(query, filter_)
    with writing(path, binary=form == "xlsx") as out:
        rows = exporting.objects(
            cli.application, narrowed, form, out, document=object_document, keep=keep
        )
    if path is not None:
        cli.output.result(
            {"file": path, "rows": rows}, f"Wrote {counted(rows, 'object')} to {path}"
        )


commands: list[click.Command] = [list_, show, history, explain, restore, export]
