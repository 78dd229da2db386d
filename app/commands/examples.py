"""`examples`: something to try things with."""

from __future__ import annotations

from pathlib import Path

import click

from app.commands.cli.command import command
from app.commands.cli.context import Cli
from app.commands.cli.output import plural
from app.operations import examples as shipped


@command("examples")
@click.argument("directory", type=click.Path(path_type=Path), default="examples")
@click.pass_obj
def examples(cli: Cli, directory: Path) -> None:
    """Copy the example sources, schemas and data to a directory.

    DIRECTORY is `examples` where none is named. The documents name their files from the
    directory above it. `python examples/demo.py` then syncs them and checks every figure.

    Examples:
      openregister examples
      openregister examples /tmp/try/examples
    """
    files = shipped.copy(directory)
    cli.output.result(
        {"directory": str(directory.absolute()), "files": [str(file) for file in files]},
        f"Copied {plural(len(files), 'file')} to {directory}; "
        f"{directory / 'sources'} holds sources to import",
    )


commands: list[click.Command] = [examples]
