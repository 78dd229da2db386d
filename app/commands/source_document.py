"""`source:import` and `source:export`: sources as documents, one or many in a file."""

from __future__ import annotations

from typing import Any

import click
import yaml

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.commands.cli.files import read_text
from app.errors import UsageError
from app.sources import manage
from app.sources.model import to_document


@command("source:import")
@click.argument("path", metavar="FILE")
@click.option("--test", is_flag=True, help="Test each connection before it is stored.")
@click.pass_obj
def import_(cli: Cli, path: str, test: bool) -> None:
    """Create sources from YAML or JSON, or update those with the same name.

    FILE may contain several documents (`---` between them); - reads standard input.

    Examples:
      openregister source:import examples/sources/countries.yaml
      openregister source:import sources.yaml --test
      openregister source:export a | openregister source:import -
    """
    saved = []
    for number, document in enumerate(_documents(path), 1):
        where = f"{path}, document {number}"
        saved.append(
            manage.save(
                cli.application, document, test=test, on_host=True, where=where, actor=cli.actor
            )
        )
    for warning in (warning for item in saved for warning in item.warnings):
        cli.output.warning(warning)
    cli.output.result(
        [
            {"name": item.source.name, "created": item.created, "type": item.source.type}
            for item in saved
        ],
        "\n".join(
            f"{'Added' if item.created else 'Changed'} source {item.source.name}" for item in saved
        ),
    )


def _documents(path: str) -> list[dict[str, Any]]:
    try:
        found = [found for found in yaml.safe_load_all(read_text(path)) if found is not None]
    except yaml.YAMLError as error:
        raise UsageError(f"The file is neither YAML nor JSON: {error}", where=path) from None
    documents = [
        item for entry in found for item in (entry if isinstance(entry, list) else [entry])
    ]
    if not documents or not all(isinstance(document, dict) for document in documents):
        raise UsageError(
            "The file contains no source document",
            where=path,
            hint="`openregister source:export NAME` prints an example",
        )
    return documents


@command("source:export")
@click.argument("name")
@click.pass_obj
def export(cli: Cli, name: str) -> None:
    """Print a source as a document for `source:import`, without secrets.

    Examples:
      openregister source:export countries > countries.yaml
      openregister source:export countries --output json_pretty
    """
    document = to_document(cli.application.read(manage.get, name))
    if cli.output.plain:
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        cli.output.message(text.rstrip("\n"))
    else:
        cli.output.document(document)


commands = [import_, export]
