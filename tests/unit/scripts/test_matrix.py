"""The matrix runs every version that is found, and names those that are not."""

from __future__ import annotations

import subprocess
import sys

from scripts import matrix


def test_every_version_is_run_once_and_the_newest_together() -> None:
    found = {"3.11": "python3.11", "3.13": "python3.13"}
    assert [str(cell) for cell in matrix.cells(found, ["15", "17", "18"])] == [
        "Python 3.13, PostgreSQL 18",
        "Python 3.11, PostgreSQL 18",
        "Python 3.13, PostgreSQL 17",
        "Python 3.13, PostgreSQL 15",
    ]
    assert [cell.postgresql for cell in matrix.cells(found, [])] == [None, None]


def test_the_supported_pythons_are_those_of_the_package() -> None:
    project = (matrix.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = [line for line in project.splitlines() if "Python :: 3." in line]
    assert [line.rpartition(":: ")[2].strip('",') for line in listed] == list(matrix.PYTHONS)


def test_the_list_names_what_is_found_and_what_is_not() -> None:
    done = subprocess.run(
        [sys.executable, matrix.ROOT / "scripts/matrix.py", "--list"],
        capture_output=True,
        text=True,
        check=True,
    )
    versions = [*(f"Python {v}" for v in matrix.PYTHONS)]
    versions += [f"PostgreSQL {v}" for v in matrix.POSTGRESQLS]
    assert [version for version in versions if version not in done.stdout] == []
