"""Which commands there are, without importing one of them.

Importing every command would import everything they use, and `openregister --help` should
answer at once. So the modules are parsed, not run: a command is a function decorated with
``@command("its:name")``, and the first line of its docstring says what it does. Only the
module of the command that is called gets imported.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click

DIRECTORY = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: its name, its summary (one line), and the module that defines it."""

    name: str
    summary: str
    module: str

    @property
    def noun(self) -> str:
        """What the command is about: `source` for `source:add`, nothing for `status`."""
        return self.name.partition(":")[0] if ":" in self.name else ""

    def load(self) -> click.Command:
        """Import the module and return the command."""
        commands: list[click.Command] = importlib.import_module(self.module).commands
        return next(command for command in commands if command.name == self.name)


@cache
def index() -> dict[str, Entry]:
    """Every command by name, in the order of names."""
    found = {
        entry.name: entry for path in sorted(DIRECTORY.glob("[!_]*.py")) for entry in _entries(path)
    }
    return dict(sorted(found.items()))


def _entries(path: Path) -> Iterator[Entry]:
    for node in ast.parse(path.read_bytes(), filename=str(path)).body:
        if isinstance(node, ast.FunctionDef) and (name := _command_name(node)):
            summary, _, _ = (ast.get_docstring(node) or "").partition("\n")
            yield Entry(name, summary.rstrip("."), f"{__package__}.{path.stem}")


def _command_name(function: ast.FunctionDef) -> str | None:
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(func=ast.Name(id="command"), args=[ast.Constant(value=str(name)), *_]):
                return name
    return None
