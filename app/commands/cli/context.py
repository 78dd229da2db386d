"""The context of a command: output, prompts, and the application."""

from __future__ import annotations

import logging
import os
import pwd
import sys
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

import click

from app import logs
from app.commands.cli.output import Output
from app.errors import UsageError

if TYPE_CHECKING:  # both cost time that `--help` should not take
    from app.application import Application
    from app.settings import Settings


class Cli:
    """The state of one command line call; closes everything when it ends."""

    def __init__(self, mode: str = "plain") -> None:
        self.output = Output(mode)
        self.verbosity = 0
        self.may_ask = True
        self._resources = ExitStack()

    def __enter__(self) -> Cli:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    @cached_property
    def settings(self) -> Settings:
        """The settings of this installation. Raises SettingsError."""
        from app import settings

        loaded = settings.load()
        self._log_at(loaded.log_level)
        return loaded

    @cached_property
    def application(self) -> Application:
        """The application on its database, opened on first use. Raises DatabaseError."""
        from app.application import open_application

        return self._resources.enter_context(open_application(self.settings))

    @cached_property
    def actor(self) -> str:
        """The user of the command line, for audit entries and runs: ``cli:alice``."""
        try:
            return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
        except KeyError:  # an account without a name, as in containers
            return f"cli:{os.getuid()}"

    @property
    def interactive(self) -> bool:
        """Whether prompts are possible: a terminal, plain output, and no --no-interaction."""
        return self.may_ask and self.output.plain and sys.stdin.isatty()

    def confirm(self, question: str, *, option: str = "--yes") -> None:
        """Continue only after a yes; without a terminal, UsageError mentions `option`."""
        if not self.interactive:
            raise UsageError(f"{question} This needs confirmation", hint=f"Pass {option}")
        click.confirm(question, abort=True, err=True)

    def ask_secret(self, name: str) -> str:
        """Prompt for a secret without showing it; from a pipe, its first line."""
        if self.interactive:
            return str(click.prompt(name, hide_input=True, err=True))
        secret = "" if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
        if not secret:
            raise UsageError(
                f"No value for {name} on standard input",
                hint="Pipe it in, or use env:NAME to read it from the environment",
            )
        return secret

    def exit(self, code: int) -> NoReturn:
        """Exit with a code other than 0 after the result was printed."""
        raise click.exceptions.Exit(code)

    def raise_verbosity(self, steps: int) -> None:
        """`-v` logs progress, `-vv` everything."""
        self.verbosity += steps
        self._log_at("warning")

    def _log_at(self, setting: str) -> None:
        asked_for = {0: logging.CRITICAL, 1: logging.INFO}.get(self.verbosity, logging.DEBUG)
        level = min(logging.getLevelNamesMapping()[setting.upper()], asked_for)
        logs.configure(level)
