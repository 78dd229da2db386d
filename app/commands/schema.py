"""`schema:*`: the JSON Schemas of objects."""

from __future__ import annotations

from typing import Any

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.commands.cli.files import read_json
from app.commands.cli.output import dump
from app.documents.schema import schema_document, schema_with_versions
from app.errors import UsageError
from app.registers import schemas
from app.sources import propose_schema


@command("schema:add")
@click.argument("slug")
@click.option("--register", required=True, help="Register that uses it.")
@click.option("--file", "path", help="File with the JSON Schema; - reads stdin.")
@click.option("--title", default="", help="Display name; by default the title in the document.")
@click.option("--existing", is_flag=True, help="Add an existing schema to another register.")
@click.pass_obj
def add(cli: Cli, slug: str, register: str, path: str | None, title: str, existing: bool) -> None:
    """Add a schema to a register.

    Examples:
      openregister schema:add country --register geo --file country.schema.json
      cat region.json | openregister schema:add region --register geo --file -
      openregister schema:add country --register travel --existing
    """
    if existing == (path is not None):
        raise UsageError("The schema is missing", hint="Pass --file FILE, or --existing")
    if path is None:
        schema = cli.application.write(schemas.link, slug, register=register)
    else:
        schema = schemas.add(
            cli.application,
            slug,
            read_json(path),
            register=register,
            actor=cli.actor,
            title=title,
        )
    cli.output.result(
        {"slug": schema.slug, "register": register, "version": schema.version},
        f"Added schema {schema.slug} to register {register}",
    )


@command("schema:list")
@click.option("--register", help="Only the schemas of this register.")
@click.pass_obj
def list_(cli: Cli, register: str | None) -> None:
    """List the schemas.

    Examples:
      openregister schema:list
      openregister schema:list --register geo --output json
    """
    cli.output.rows(
        [
            schema_document(found)
            for found in cli.application.read(schemas.overview, register=register)
        ],
        ["slug", "title", "version", "registers", "properties"],
        empty="No schemas yet; `openregister schema:add SLUG --register R --file F` makes one",
    )


@command("schema:show")
@click.argument("slug")
@click.pass_obj
def show(cli: Cli, slug: str) -> None:
    """Show a schema: its document, its versions and the registers that use it.

    Examples:
      openregister schema:show country
      openregister schema:show country --output json_pretty
    """
    found = cli.application.read(schemas.show, slug)
    shown = schema_with_versions(found)
    if not cli.output.plain:
        cli.output.document(shown)
        return
    versions, document = shown.pop("versions"), shown.pop("document")
    cli.output.record(shown)
    cli.output.message("")
    cli.output.rows(versions, ["version", "actor", "created"])
    cli.output.message(f"\n{dump(document, pretty=True)}")


@command("schema:update")
@click.argument("slug")
@click.option("--file", "path", help="File with the new JSON Schema; - reads stdin.")
@click.option("--title", help="New display name.")
@click.option("--if-version", type=int, help="Only change it if it is still at this version.")
@click.option("--force", is_flag=True, help="Even if stored objects would no longer be valid.")
@click.pass_obj
def update(
    cli: Cli,
    slug: str,
    path: str | None,
    title: str | None,
    if_version: int | None,
    force: bool,
) -> None:
    """Change a schema; a changed document becomes a new version.

    Stored objects are unchanged; if some would no longer be valid, this is reported before
    anything is saved (exit code 5). The next run of each source validates every row against the
    new version.

    Examples:
      openregister schema:update country --file country.schema.json
      openregister schema:update country --title "Country or territory"
    """
    if path is None and title is None:
        raise UsageError("Nothing to change", hint="Pass --file FILE, --title TITLE or both")
    before = cli.application.read(schemas.show, slug).schema.version
    document = None if path is None else read_json(path)
    if document is not None and force:
        _warn_of_misfits(cli, slug, document)
    schema = schemas.update(
        cli.application,
        slug,
        actor=cli.actor,
        document=document,
        title=title,
        if_version=if_version,
        force=force,
    )
    said = f"is now version {schema.version}" if schema.version != before else "has a new title"
    if schema.version == before and title is None:
        said = f"is unchanged; it stays at version {before}"
    cli.output.result(
        {"slug": schema.slug, "version": schema.version, "changed": schema.version != before},
        f"Schema {schema.slug} {said}",
    )


def _warn_of_misfits(cli: Cli, slug: str, document: Any) -> None:
    found = schemas.misfits(cli.application, slug, document)
    if found.count:
        cli.output.warning(found.sentence())
        for name, fault in found.faults().items():
            cli.output.warning(f"{name}: {fault}")


@command("schema:infer")
@click.argument("source")
@click.option("--save", "slug", metavar="SLUG", help="Save the proposal as a new schema.")
@click.option("--register", help="Register that uses it; requires --save.")
@click.option(
    "--limit", type=click.IntRange(1), default=10_000, help="Rows to examine; 10,000 by default."
)
@click.option("--target", type=click.IntRange(0), default=0, help="Target number; 0 is the first.")
@click.pass_obj
def infer(
    cli: Cli, source: str, slug: str | None, register: str | None, limit: int, target: int
) -> None:
    """Propose a JSON Schema for the objects that a source's mapping produces.

    Uncertain points are listed on stderr: read them before you save the schema. Nothing becomes
    required or an enum merely because the rows suggest it; the evidence is listed. If texts need
    a cast (a decimal comma, 31-12-2025, Ja and Nee), the casts for the mapping are listed too.

    Examples:
      openregister schema:infer countries
      openregister schema:infer countries > country.schema.json
      openregister schema:infer countries --save country --register geo
    """
    if (slug is None) != (register is None):
        raise UsageError("--save and --register go together", hint="Give both, or neither")
    found = propose_schema.infer(
        cli.application, source, target=target, limit=limit, title=slug or ""
    )
    if slug is not None and register is not None:
        schemas.add(cli.application, slug, found.schema, register=register, actor=cli.actor)
    notes = [{"path": note.path, "message": note.message} for note in found.notes]
    record = {
        "rows": found.rows,
        "schema": found.schema,
        "casts": found.casts,
        "notes": notes,
        "saved": slug,
    }
    for note in found.notes:
        cli.output.warning(f"{note.path} {note.message}".strip())
    cli.output.result(record, dump(found.schema, pretty=True))
    if slug is not None and cli.output.plain:
        cli.output.message(f"Added schema {slug} to register {register}")


commands: list[click.Command] = [add, list_, show, update, infer]
