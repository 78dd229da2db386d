"""`config:*`: settings of the whole instance, stored in the database."""

from __future__ import annotations

from typing import Any

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.operations import configuration
from app.operations.configuration import Value


@command("config:list")
@click.option("--set", "only_set", is_flag=True, help="Only values that differ from the default.")
@click.pass_obj
def list_(cli: Cli, only_set: bool) -> None:
    """List the settings of the instance, with values and meaning.

    Examples:
      openregister config:list
      openregister config:list --set --output json
    """
    rows = [
        {
            **_document(value),
            "default": known.default,
            "type": known.type,
            "secret": known.secret,
            "help": known.help,
        }
        for known, value in cli.application.read(configuration.overview)
        if value.set or not only_set
    ]
    cli.output.rows(rows, ["key", "value", "default", "help"], empty="Everything is at its default")


@command("config:get")
@click.argument("key")
@click.pass_obj
def get(cli: Cli, key: str) -> None:
    """Print the value of a setting; a secret is masked.

    Examples:
      openregister config:get source.batch_size
    """
    value = cli.application.read(configuration.get, key)
    cli.output.result(_document(value), _plain(value))


@command("config:set")
@click.argument("key")
@click.argument("value")
@click.pass_obj
def set_(cli: Cli, key: str, value: str) -> None:
    """Change a setting; every host of the instance uses it from its next run.

    Separate items of a list with commas. For a secret, use -, which prompts for it or reads
    standard input, so that it stays out of the shell's history.

    Examples:
      openregister config:set source.timeout 120
      openregister config:set alerts.emails ops@example.org,data@example.org
      openregister config:set alerts.smtp_password -
    """
    if value == "-" and configuration.is_secret(key):
        value = cli.ask_secret(key)
    changed = cli.application.write(
        configuration.put, key, value, cli.application.box, actor=cli.actor
    )
    cli.output.result(_document(changed), f"{key} is now {_plain(changed) or 'empty'}")


@command("config:reset")
@click.argument("key")
@click.pass_obj
def reset(cli: Cli, key: str) -> None:
    """Reset a setting to its default.

    Examples:
      openregister config:reset source.timeout
    """
    changed = cli.application.write(configuration.reset, key, actor=cli.actor)
    cli.output.result(_document(changed), f"{key} is {_plain(changed) or 'empty'} again")


def _document(value: Value) -> dict[str, Any]:
    return {"key": value.key, "value": value.value, "set": value.set}


def _plain(value: Value) -> str:
    if isinstance(value.value, list):
        return ",".join(map(str, value.value))
    return str(value.value)


commands: list[click.Command] = [list_, get, set_, reset]
