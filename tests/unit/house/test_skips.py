"""A test whose server is missing is skipped at home and fails in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT

LACKS = """
from tests.servers.processes import program

def test_it():
    program("no-such-server", "Nothing")
"""


@pytest.mark.parametrize(
    ("ci", "code", "said"), [("", 0, "1 skipped"), ("true", 1, "installs it\nA test that cannot")]
)
def test_a_missing_server_fails_in_ci_only(tmp_path: Path, ci: str, code: int, said: str) -> None:
    case = tmp_path / "test_lacks.py"
    case.write_text(LACKS)
    options = [
        "-c",
        "setup.cfg",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]
    own = {name: value for name, value in os.environ.items() if "XDIST" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(case)],
        cwd=ROOT,
        env={**own, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    assert said in done.stdout
