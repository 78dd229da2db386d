"""Run the suite on every supported Python and PostgreSQL found, and report those not found.

The newest Python runs with the newest PostgreSQL, every other Python with that PostgreSQL, and
every other PostgreSQL with that Python. Each Python gets its own virtual environment in
var/matrix.

Usage: python scripts/matrix.py [--list] [ARGS for pytest]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
POSTGRESQLS = ("14", "15", "16", "17", "18")

_PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
_DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of the suite; `postgresql` None: only the embedded server."""

    python: str
    program: str
    postgresql: str | None

    def __str__(self) -> str:
        return f"Python {self.python}, PostgreSQL {self.postgresql or '(embedded only)'}"


def pythons() -> dict[str, str]:
    """Version and program of each supported Python that works."""
    found = {}
    for version in PYTHONS:
        installed = sorted(_PYENV.glob(f"{version}.*/bin/python{version}"))
        for program in (shutil.which(f"python{version}"), *map(str, installed)):
            if program and _starts(program, version):
                found[version] = program
                break
    return found


def _starts(program: str, version: str) -> bool:
    code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    said = subprocess.run([program, "-c", code], capture_output=True, text=True, check=False)
    return said.stdout.strip() == version


def postgresqls() -> list[str]:
    """Supported major versions of PostgreSQL whose programs are installed."""
    return [version for version in POSTGRESQLS if (_DEBIAN / version / "bin/initdb").exists()]


def cells(found: dict[str, str], servers: list[str]) -> list[Cell]:
    """The combinations to run: every Python and PostgreSQL once, the newest of both together."""
    if not found:
        return []
    newest = list(found)[-1]
    server = servers[-1] if servers else None
    return [
        *(Cell(version, program, server) for version, program in reversed(found.items())),
        *(Cell(newest, found[newest], other) for other in reversed(servers[:-1])),
    ]


def run(cell: Cell, arguments: Iterable[str]) -> int:
    """Run the suite in one cell; returns the exit code of `make test`."""
    environment = dict(os.environ)
    if cell.postgresql:
        environment["TEST_POSTGRESQL"] = cell.postgresql
    return subprocess.run(
        [
            *("make", "test", f"PYTHON={cell.program}", f"VENV=var/matrix/{cell.python}"),
            f"ARGS={' '.join(arguments)}",
        ],
        cwd=ROOT,
        env=environment,
        check=False,
    ).returncode


def main() -> int:
    """Run or list the matrix; returns 1 if a cell failed."""
    found, servers = pythons(), postgresqls()
    wanted = cells(found, servers)
    missing = [f"Python {version}" for version in PYTHONS if version not in found]
    missing += [f"PostgreSQL {version}" for version in POSTGRESQLS if version not in servers]
    failed = []
    arguments = sys.argv[1:]
    for cell in wanted:
        print(f"== {cell}", flush=True)
        if "--list" not in arguments and run(cell, arguments):
            failed.append(cell)
    for cell in failed:
        print(f"Failed: {cell}")
    if missing:
        print(f"Not found, so not tested: {', '.join(missing)}")
    return 1 if failed or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
