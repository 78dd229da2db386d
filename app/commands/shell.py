"""`completion`, `man` and `examples`: shell integration and example files."""

from __future__ import annotations

from pathlib import Path

import click

from app.commands.cli import completion as _completion
from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.operations import examples as shipped
from connectors.sdk.counting import counted


@command("completion")
@click.argument("shell", type=click.Choice(list(_completion.SHELLS)))
@click.pass_obj
def completion(cli: Cli, shell: str) -> None:
    """Print a script that completes commands and options in the shell.

    Examples:
      openregister completion bash > ~/.local/share/bash-completion/completions/openregister
      openregister completion zsh > ~/.zfunc/_openregister
      openregister completion fish > ~/.config/fish/completions/openregister.fish
    """
    root = click.get_current_context().find_root().command
    text = _completion.script(root, shell)
    cli.output.result({"shell": shell, "script": text}, text.rstrip("\n"))


@command("man")
@click.pass_obj
def man(cli: Cli) -> None:
    """Print the manual page.

    Examples:
      openregister man | man -l -
      openregister man > /usr/local/share/man/man1/openregister.1
    """
    from app.commands.cli import man as _man  # which imports every command

    text = _man.page(click.get_current_context().find_root().command)
    cli.output.result({"page": text}, text.rstrip("\n"))


@command("examples")
@click.argument("directory", type=click.Path(path_type=Path), default="examples")
@click.pass_obj
def examples(cli: Cli, directory: Path) -> None:
    """Copy the example sources, schemas and data to a directory.

    DIRECTORY is `examples` by default. The documents refer to their files relative to its parent.
    `python examples/demo.py` syncs them and checks every figure.

    Examples:
      openregister examples
      openregister examples /tmp/try/examples
    """
    files = shipped.copy(directory)
    cli.output.result(
        {"directory": str(directory.absolute()), "files": [str(file) for file in files]},
        f"Copied {counted(len(files), 'file')} to {directory}; "
        f"{directory / 'sources'} contains sources to import",
    )


commands: list[click.Command] = [completion, man, examples]
