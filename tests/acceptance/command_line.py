"""The command line as its users have it: a process of its own, told everything by arguments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.places import PROGRAM


@dataclass(frozen=True, slots=True)
class Result:
    """What a call left behind."""

    arguments: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.stdout)

    def ok(self) -> Result:
        """The same result, once it is sure that the call succeeded."""
        assert self.exit_code == 0, (
            f"{self.arguments}: {self.exit_code}\n{self.stdout}{self.stderr}"
        )
        return self


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Calls commands in `directory` with these settings of the environment."""

    directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What the process sees: ours without OPENREGISTER_*, then the settings."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("OPENREGISTER_")
        }
        return {**inherited, **self.settings}

    def having(self, **settings: str) -> CommandLine:
        """The same command line with more settings in its environment."""
        return CommandLine(self.directory, {**self.settings, **settings})

    def __call__(self, *arguments: str, stdin: str = "", timeout: float = 60) -> Result:
        """Run a command to its end."""
        done = subprocess.run(
            self._call(arguments),
            cwd=self.directory,
            env=self.environment,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        return Result(arguments, done.returncode, done.stdout, done.stderr)

    def start(
        self, *arguments: str, stderr: IO[str] | int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Start a command and leave it running; the caller ends it."""
        return subprocess.Popen(
            self._call(arguments),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
        )

    def json(self, *arguments: str) -> Any:
        """The document of a command that succeeds."""
        return self(*arguments, "--output", "json").ok().json

    def _call(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, str(PROGRAM), *arguments]
