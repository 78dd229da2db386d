"""The list of commands, without importing them.

Importing every command would import everything they use, and `openregister --help` should respond
at once. So the modules are parsed, not run: a command is a function decorated with
``@command("its:name")``, and the first line of its docstring is its summary. Only the module of
the command that is called is imported.
"""

from __future__ import annotations

import ast
import importlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click

_COMMANDS = "app.commands"
DIRECTORY = Path(__file__).parent.parent

_DECLARED = re.compile(r'^@command\("(.+)"\)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: its name and the file of the module that defines it."""

    name: str
    path: Path

    @property
    def module(self) -> str:
        """The module that defines it."""
        return f"{_COMMANDS}.{self.path.stem}"

    @property
    def summary(self) -> str:
        """What it does, in one line."""
        return _summaries(self.path)[self.name]

    @property
    def noun(self) -> str:
        """The noun of the command: `source` for `source:add`, empty for `status`."""
        return self.name.partition(":")[0] if ":" in self.name else ""

    def load(self) -> click.Command:
        """Import the module and return the command."""
        commands: list[click.Command] = importlib.import_module(self.module).commands
        return next(command for command in commands if command.name == self.name)


@cache
def index() -> dict[str, Entry]:
    """Every command by name, sorted."""
    found = {
        name: Entry(name, path)
        for path in sorted(DIRECTORY.glob("[!_]*.py"))
        for name in _DECLARED.findall(path.read_text(encoding="utf-8"))
    }
    return dict(sorted(found.items()))


@cache
def _summaries(path: Path) -> dict[str, str]:
    """The first line of the docstring of every command in a file, by name."""
    return {
        name: (ast.get_docstring(node) or "").partition("\n")[0].rstrip(".")
        for node in ast.parse(path.read_bytes(), filename=str(path)).body
        if isinstance(node, ast.FunctionDef) and (name := _command_name(node))
    }


def _command_name(function: ast.FunctionDef) -> str | None:
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(func=ast.Name(id="command"), args=[ast.Constant(value=str(name)), *_]):
                return name
    return None
