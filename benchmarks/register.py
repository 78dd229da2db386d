"""This software as a contender: an instance set up as usual, and its commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import people
from benchmarks.databases import count
from benchmarks.measure import FailedError, surroundings

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Register:
    """An instance with the database `url` and its files in `folder`."""

    url: str
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        return {
            "OPENREGISTER_DATABASE_URL": self.url,
            "OPENREGISTER_DATA_DIR": str(self.folder / "var"),
        }

    def set_up(self) -> None:
        """Migrate, and add register and schema. Raises FailedError, like all methods below."""
        schema = self.folder / "schema.json"
        schema.write_text(json.dumps(people.SCHEMA))
        self.run("upgrade")
        self.run("register:add", "bench")
        self.run("schema:add", "person", "--register", "bench", "--file", str(schema))

    def add(self, name: str, kind: str, connection: Mapping[str, Any], **more: Any) -> None:
        """Add a source of people, or change it."""
        document = self.folder / f"{name}.json"
        whole = {
            "name": name,
            "type": kind,
            "connection": connection,
            "target": {"register": "bench", "schema": "person"},
            "mapping": people.MAPPING,
            "on_missing": "delete",
            **more,
        }
        document.write_text(json.dumps(whole))
        self.run("source:import", str(document))

    def sync(self, name: str, *, full: bool = True) -> list[str]:
        """The command that syncs a source and prints its report as JSON."""
        return [*own("source:run", name), *(["--full"] if full else []), "--output", "json"]

    def run(self, *arguments: str) -> str:
        """Run a command without measuring it; returns its output."""
        done = subprocess.run(
            own(*arguments),
            env=surroundings(self.env),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise FailedError(f"openregister {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def count(self, condition: str = "true") -> int:
        """Live objects that match an SQL condition."""
        return count(self.url, "openregister.objects", f"deleted IS NULL AND {condition}")


def own(*arguments: str) -> list[str]:
    """A command line of this software."""
    return [sys.executable, str(ROOT / "cli.py"), *arguments]


def counted(said: str, **expected: int) -> dict[str, Any]:
    """The report of a sync, checked against the expected counters. Raises FailedError."""
    report: dict[str, Any] = json.loads(said)
    for name, value in expected.items():
        if report[name] != value:
            raise FailedError(f"{name} should be {value:,}, but the report says {said.strip()}")
    return report
