"""Declaration of commands, and the options that every command has."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import click

from app.commands.cli.context import Cli
from app.commands.cli.output import MODES

_EXAMPLES = "\nExamples:\n"


class Command(click.Command):
    """A command with the global options, and with the examples of its docstring separated."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        text, _, examples = inspect.cleandoc(self.help or "").partition(_EXAMPLES)
        self.help = text.strip()
        self.examples = [line.strip() for line in examples.splitlines() if line.strip()]
        self.own_params = tuple(self.params)
        self.params.extend(global_options())

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's options, the global ones, then the examples."""
        helper = self.get_help_option(context)
        own = [*self.own_params, *([helper] if helper else [])]
        shared = [param for param in self.params if param not in self.own_params]
        for title, params in (("Options", own), ("Global options", shared)):
            lines = [line for param in params if (line := param.get_help_record(context))]
            with formatter.section(title):
                formatter.write_dl(lines)
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def command(name: str) -> Callable[[Callable[..., None]], Command]:
    """Declare a command: ``@command("noun:verb")`` over a function whose docstring is its help.

    The docstring starts with one line about what the command does and ends with a paragraph
    ``Examples:``, one call per line. The function gets the `Cli` through `click.pass_obj`.
    """

    def declare(function: Callable[..., None]) -> Command:
        return click.command(name, cls=Command)(function)

    return declare


def global_options() -> list[click.Option]:
    """The options allowed before and after the name of a command."""
    return [
        click.Option(
            ["--output"],
            type=click.Choice(MODES),
            help="Output format; plain is human-readable.",
            expose_value=False,
            is_eager=True,
            callback=_set_output,
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            help="Log more to the terminal; -vv also shows tracebacks.",
            expose_value=False,
            is_eager=True,
            callback=_set_verbosity,
        ),
        click.Option(
            ["--no-interaction", "-n"],
            is_flag=True,
            help="Never prompt; fail if input would be needed.",
            expose_value=False,
            is_eager=True,
            callback=_set_interaction,
        ),
    ]


def _set_output(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Cli).output.mode = value


def _set_verbosity(context: click.Context, _: click.Parameter, value: int) -> None:
    if value:
        context.ensure_object(Cli).raise_verbosity(value)


def _set_interaction(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Cli).may_ask = False
