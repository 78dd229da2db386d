"""The options shared by `source:add` and `source:edit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from app.commands.cli.context import Cli
from app.errors import UsageError
from app.sources.manage import Edits
from app.sources.secrets import lookup
from connectors.sdk import canonical

OPTIONS = (
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="FIELD=VALUE",
        help="A connection setting; FIELD can be dotted (auth.type), VALUE can be JSON.",
    ),
    click.option(
        "--secret",
        "secrets",
        multiple=True,
        metavar="FIELD=VALUE",
        help="A secret setting; VALUE - prompts for it, env:NAME and file:PATH refer to it.",
    ),
    click.option(
        "--key", multiple=True, metavar="FIELD", help="Field that identifies a row; repeatable."
    ),
    click.option(
        "--map",
        "fields",
        multiple=True,
        metavar="TARGET=SOURCE",
        help="Map a property to a source path or a {{ template }}; repeatable.",
    ),
    click.option(
        "--cast",
        "casts",
        multiple=True,
        metavar="TARGET=CAST",
        help="Convert a property before validation: a type, or JSON; repeatable.",
    ),
    click.option(
        "--passthrough/--no-passthrough", default=None, help="Start from all source fields."
    ),
    click.option("--filter", "filter_", metavar="EXPR", help="Sync only rows that match."),
    click.option(
        "--schedule", help="manual, every N minutes, hourly, daily [HH:MM] or a cron expression."
    ),
    click.option("--timezone", help="Time zone of the schedule, such as Europe/Amsterdam."),
    click.option(
        "--on-missing",
        type=click.Choice(["keep", "delete"]),
        help="What to do with an object whose row is missing.",
    ),
    click.option(
        "--option",
        "options",
        multiple=True,
        metavar="NAME=VALUE",
        help="batch_size, lanes, delete_guard, drift, fresh_within, full_every, …",
    ),
    click.option("--no-test", is_flag=True, help="Save without testing the connection."),
)


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of this module."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def edits(
    cli: Cli,
    *,
    settings: Sequence[str],
    secrets: Sequence[str],
    key: Sequence[str],
    fields: Sequence[str],
    casts: Sequence[str],
    options: Sequence[str],
    filter_: str | None,
    **plain: Any,
) -> Edits:
    """The requested edits. Raises UsageError for an option that is not NAME=VALUE."""
    return Edits(
        connection={name: _value(text) for name, text in _pairs("--set", settings)},
        secrets={name: _secret(cli, name, text) for name, text in _pairs("--secret", secrets)},
        key=list(key) or None,
        fields=dict(_pairs("--map", fields)),
        casts={name: _value(text) for name, text in _pairs("--cast", casts)},
        options={name: _value(text) for name, text in _pairs("--option", options)},
        filter=filter_,
        **plain,
    )


def _pairs(option: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} {text!r} is not NAME=VALUE", hint=f"Write {option} a=b")
        pairs.append((name.strip(), value))
    return pairs


def _value(text: str) -> Any:
    """A setting's value: JSON or YAML for an object or list, JSON for true, false, null; else text.

    A line of known_hosts begins with a bracket like a list, but does not end with one.
    """
    is_list = text.startswith("[") and text.rstrip().endswith("]")
    if text.startswith("{") or is_list or text in ("true", "false", "null"):
        try:
            return canonical.loads(text)
        except ValueError as error:
            found = _yaml(text)
            if found is None:
                raise UsageError(
                    f"{text!r} is not JSON: {error}", hint="Check the quotes"
                ) from None
            return found
    return text


def _yaml(text: str) -> Any:
    """The object or list of a setting in the form printed by messages, such as ``{type: page}``."""
    import yaml  # few commands need it

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    return found if isinstance(found, (dict, list)) else None


def _secret(cli: Cli, name: str, text: str) -> str:
    if text == "-":
        return cli.ask_secret(name)
    try:
        return lookup(text)
    except LookupError as error:
        raise UsageError(f"The secret {name} cannot be resolved: {error.args[0]}") from None
