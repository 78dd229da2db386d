"""Completion in a real bash, at a terminal; the manual page through man itself; the examples."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.commands.cli.index import index
from tests.acceptance.command_line import CommandLine
from tests.places import PROGRAM

END = "~~done~~"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH that has the program."""
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "openregister"
    call = shlex.join([sys.executable, str(PROGRAM)])
    program.write_text(f'#!/bin/sh\nexec {call} "$@"\n')
    program.chmod(0o755)
    return f"{programs}:{os.environ['PATH']}"


def _until(terminal: int, sign: str) -> str:
    seen = ""
    while sign not in seen:
        ready, _, _ = select.select([terminal], [], [], 60)
        assert ready, f"bash said no more than: {seen!r}"
        seen += os.read(terminal, 4096).decode(errors="replace")
    return seen


@pytest.mark.parametrize(
    ("keys", "becomes"),
    [
        ("openregister sta", "openregister status "),
        ("openregister source:prev", "openregister source:preview "),
        ("openregister background-job:exec", "openregister background-job:execute "),
        ("openregister --output json source:prev", "openregister --output json source:preview "),
        ("openregister source:add --on-m", "openregister source:add --on-missing "),
        ("openregister source:add --on-missing de", "openregister source:add --on-missing delete "),
        ("openregister completion fi", "openregister completion fish "),
        ("openregister source:zz", "openregister source:zz"),
    ],
)
def test_bash_completes_what_is_typed(path: str, tmp_path: Path, keys: str, becomes: str) -> None:
    shown = tmp_path / "out"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        environment = {**os.environ, "PATH": path, "TERM": "dumb", "INPUTRC": "/dev/null"}
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)  # noqa: S606
    try:
        os.write(terminal, b'eval "$(openregister completion bash)"; echo ~~"ready"~~\n')
        _until(terminal, "~~ready~~\r\n")
        # ^A and ^E: a quote on either side, and the line is an argument instead of a call
        os.write(terminal, keys.encode() + b"\t")
        os.write(terminal, b"'\x01printf %s '\x05" + f" > {shown}; echo ~~'done'~~\n".encode())
        _until(terminal, END)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    assert shown.read_text() == becomes


@pytest.mark.parametrize(
    ("shell", "sign"), [("zsh", "#compdef openregister"), ("fish", "complete")]
)
def test_zsh_and_fish_are_served_by_click(cli: CommandLine, shell: str, sign: str) -> None:
    assert sign in cli("completion", shell).ok().stdout
    asking = cli.having(
        _OPENREGISTER_COMPLETE=f"{shell}_complete",
        COMP_WORDS="openregister source:ad",
        COMP_CWORD="source:ad" if shell == "fish" else "1",  # fish has no numbers
    )
    said = asking().ok().stdout
    name = said.splitlines()[1] if shell == "zsh" else said.partition(",")[2].partition("\t")[0]
    assert name.splitlines()[0].replace("\\:", ":") == "source:add"


def test_man_shows_every_command_without_a_complaint(bare_cli: CommandLine) -> None:
    page = bare_cli("man").ok().stdout
    program = shutil.which("man")
    if program is None:
        pytest.skip("no man on this machine (scripts/install-test-servers.sh installs it)")
    shown = subprocess.run(
        [program, "--warnings", "--local-file", "-"],
        input=page, capture_output=True, text=True, check=True,
        env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"},
    )  # fmt: skip
    assert shown.stderr == ""
    assert [name for name in index() if f"   {name} [" not in shown.stdout] == []
    assert "--on-missing [keep|delete]" in shown.stdout
    assert "OPENREGISTER_DATABASE_URL" in shown.stdout


def test_examples_are_copied_to_where_nothing_is(bare_cli: CommandLine) -> None:
    said = bare_cli.json("examples", "try/examples")
    assert {"sources/countries.yaml", "data/countries.csv", "demo.py"} <= set(said["files"])
    for file in said["files"]:
        assert (bare_cli.directory / "try/examples" / file).is_file()
    again = bare_cli("examples", "try/examples")
    assert again.exit_code == 2
    assert "The directory is not empty" in again.stderr
