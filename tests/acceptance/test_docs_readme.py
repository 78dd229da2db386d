"""The README: what it says to type is typed; its exit codes are those of the reference."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts import reference
from tests import manual
from tests.acceptance.command_line import CommandLine
from tests.acceptance.test_docs_tutorial import PORT, checkout, port
from tests.places import ROOT

PAGE = (ROOT / "README.md").read_text()

__all__ = ["checkout", "port"]

pytestmark = pytest.mark.timeout(180)


def test_its_commands_do_what_it_says(
    checkout: Path, port: str, empty_database_url: str, tmp_path: Path
) -> None:
    page = PAGE.partition("## In five commands")[2].replace(PORT, port)
    chosen = manual.runnable(page)
    environment = CommandLine(
        checkout, {"OPENREGISTER_DATABASE_URL": empty_database_url}
    ).environment
    (printed,) = manual.run(chosen, checkout, environment, tmp_path / "log")
    manual.compare(chosen[0].shown, printed)


def test_its_make_targets_exist() -> None:
    make = shutil.which("make")
    assert make, "the two commands of the README need make"
    targets = sorted(set(re.findall(r"(?:^|`)make ([a-z]+)\b", PAGE, re.MULTILINE)))
    assert {"demo", "test", "serve", "docs", "help"} <= set(targets)
    for target in targets:
        said = subprocess.run(
            [make, "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, said.stderr


@pytest.mark.promise("exit code 0 for a failure")
def test_its_exit_codes_are_those_of_the_reference() -> None:
    shown = dict(re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE))
    assert shown == {
        str(code): meaning for code, meaning in reference.EXIT_CODES.items() if code <= 5
    }
