"""What every command owes its user."""

from __future__ import annotations

import shlex

import click
import pytest

from app.commands.cli.command import Command
from app.commands.cli.index import DIRECTORY, index
from cli import openregister

COMMANDS = sorted(index())


def _load(name: str) -> Command:
    command = index()[name].load()
    assert isinstance(command, Command)
    return command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_options_that_explain_themselves(name: str) -> None:
    command = _load(name)
    assert command.help, "the docstring says what the command does"
    assert len(command.help.partition("\n")[0]) <= 80, "its first line fits the overview"
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{param.opts[0]} needs help text"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_its_options_understand(name: str) -> None:
    command = _load(name)
    assert command.examples, "the docstring ends with a paragraph `Examples:`"
    options = {option for param in command.params for option in param.opts + param.secondary_opts}
    for example in command.examples:
        words = shlex.split(example)
        assert name in words, example
        used = words[words.index(name) + 1 :]
        unknown = {word.partition("=")[0] for word in used if word.startswith("--")} - options
        assert not unknown, f"{example}: {unknown}"


def test_the_index_knows_every_command_of_every_module() -> None:
    modules = {f"app.commands.{path.stem}" for path in DIRECTORY.glob("[!_]*.py")}
    listed = {
        (module, command.name)
        for module in modules
        for command in __import__(module, fromlist=["commands"]).commands
    }
    assert {(entry.module, entry.name) for entry in index().values()} == listed


def test_commands_have_names_of_nouns_and_verbs() -> None:
    for name in COMMANDS:
        assert all(part.replace("-", "").isalpha() and part.islower() for part in name.split(":"))


def test_the_overview_lists_every_command() -> None:
    context = click.Context(openregister, info_name="openregister")
    text = openregister.get_help(context)
    assert [name for name in COMMANDS if f"  {name} " not in text] == []
