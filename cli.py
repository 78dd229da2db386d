"""The command line of Open Register: `openregister COMMAND`, or `python cli.py COMMAND`."""

from __future__ import annotations

import difflib
import gc
import itertools
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from app.commands.cli.command import global_options
from app.commands.cli.context import Cli
from app.commands.cli.errors import report
from app.commands.cli.index import index
from app.commands.cli.output import MODES
from app.commands.cli.signals import raise_on_terminate
from app.version import __version__

PROGRAM = "openregister"


class Commands(click.Group):
    """The group of all commands; imports only the module of the one that is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The names of all commands, in order."""
        return list(index())

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import and return a command; None when there is none of that name."""
        entry = index().get(name)
        return entry.load() if entry else None

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """How the name of a command may go on; nothing is imported for that."""
        if incomplete.startswith("-"):
            return super().shell_complete(context, incomplete)
        return [
            CompletionItem(name, help=entry.summary)
            for name, entry in index().items()
            if name.startswith(incomplete)
        ]

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command to call; an unknown name is answered with those that are near."""
        name = arguments[0]
        if name.startswith("-") or name in index():
            return super().resolve_command(context, arguments)
        near = difflib.get_close_matches(name, index(), n=3)
        near += [known for known in index() if index()[known].noun == name and known not in near]
        suggestion = f" Did you mean {_either(near)}?" if near else ""
        raise click.UsageError(f"There is no command {name!r}.{suggestion}", context)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview of commands, those without a noun first, then noun by noun."""
        entries = sorted(index().values(), key=lambda entry: (entry.noun, entry.name))
        width = max((len(entry.name) for entry in entries), default=0)
        for noun, group in itertools.groupby(entries, key=lambda entry: entry.noun):
            with formatter.section(noun or "Commands"):
                formatter.write_dl([(f"{entry.name:<{width}}", entry.summary) for entry in group])


def _either(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


@click.group(
    cls=Commands,
    invoke_without_command=True,
    params=list(global_options()),
    context_settings={"max_content_width": 100},
)
@click.version_option(__version__, prog_name="Open Register", message="%(prog)s %(version)s")
@click.pass_context
def openregister(context: click.Context) -> None:
    """Keep registers of objects in sync with external systems.

    `openregister COMMAND --help` explains a command and shows examples.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; prints, but never raises or exits."""
    cli = Cli(_asked_output(arguments))
    try:
        with cli:
            code = openregister.main(
                list(arguments), prog_name=PROGRAM, standalone_mode=False, obj=cli
            )
        return code if isinstance(code, int) else 0
    except Exception as error:
        return report(error, cli)
    except KeyboardInterrupt as interrupt:
        abort = click.Abort()
        abort.__cause__ = interrupt
        return report(abort, cli)


def main() -> NoReturn:
    """Entry point of the console script."""
    # Pydantic would look for plugins in every installed package before the first model.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Rows make no cycles, and looking for some takes a sixth of a first load's time.
    gc.set_threshold(200_000, 20, 100)
    raise_on_terminate()
    code = run(sys.argv[1:])
    gc.freeze()  # all of it goes with the process: no last search for cycles, a tenth of a second
    sys.exit(code)


def _asked_output(arguments: Sequence[str]) -> str:
    """The output mode as far as it can be told before parsing, for errors of parsing itself."""
    words = itertools.takewhile(lambda word: word != "--", arguments)
    options = " ".join(words).replace("--output ", "--output=").split(" ")
    asked = [word.removeprefix("--output=") for word in options if word.startswith("--output=")]
    return next((mode for mode in asked if mode in MODES), "plain")


if __name__ == "__main__":
    main()
