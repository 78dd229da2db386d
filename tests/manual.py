"""The manual as something to run: the code blocks of a page, and what they should print.

A block ``sh`` is run word for word, all blocks of a page in one shell. Words after ``sh`` say
how: ``exit=3`` (it ends so), ``background`` (it stays running), ``terminal`` (it is for a
person's eyes, another test does it). A block ``text`` shows what the block before it prints:
its lines come in that order, an ellipsis stands for anything, blanks count as one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.places import ROOT

_FENCE = re.compile(r"^```(?P<words>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block: its language, the words after it, its text, and what it should print."""

    language: str
    words: tuple[str, ...]
    text: str
    shown: str = ""

    @property
    def exit_code(self) -> int:
        """What it should end with."""
        named = [word.removeprefix("exit=") for word in self.words if word.startswith("exit=")]
        return int(named[0]) if named else 0


def blocks(page: str) -> list[Block]:
    """The code blocks of a page; one of ``text`` goes to the block before it."""
    found: list[Block] = []
    for match in _FENCE.finditer(page):
        language, *words = match["words"].split() or [""]
        if language == "text" and found:
            last = found.pop()
            found.append(Block(last.language, last.words, last.text, match["text"]))
        else:
            found.append(Block(language, tuple(words), match["text"]))
    return found


def runnable(page: str) -> list[Block]:
    """The blocks that a shell runs to their end."""
    return [
        block
        for block in blocks(page)
        if block.language == "sh" and not {"background", "terminal"} & set(block.words)
    ]


def run(
    chosen: Sequence[Block], directory: Path, environment: Mapping[str, str], log: Path
) -> list[str]:
    """Run the blocks in one shell; what each printed. Fails at the first that ends otherwise."""
    log.mkdir()
    script = "set -eu\n"
    for number, block in enumerate(chosen):
        (log / f"{number}.sh").write_text(block.text)
        call, printed = f". {log}/{number}.sh", f">{log}/{number} 2>&1"
        if block.exit_code:
            script += f"code=0; ( {call} ) {printed} || code=$?; test $code -eq {block.exit_code}\n"
        else:
            script += f"{call} {printed}\n"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        timeout=280,
        check=False,
    )
    reached = [log / str(number) for number in range(len(chosen)) if (log / str(number)).exists()]
    outputs = [file.read_text() for file in reached]
    assert done.returncode == 0, f"{chosen[len(reached) - 1].text}\n{outputs[-1]}"
    return outputs


def build(directory: Path) -> None:
    """Build the site, as `make docs` does. Strict: a page that the navigation leaves out, a link
    or an anchor that leads nowhere is an error."""
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", directory],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr


def compare(shown: str, printed: str) -> None:
    """Every line that is shown was printed, in this order."""
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    for line in shown.splitlines():
        pieces = [re.escape(" ".join(piece.split())) for piece in line.split("…")]
        pattern = re.compile(r"\s*.*\s*".join(pieces))
        while lines and not pattern.search(lines[0]):
            lines.pop(0)
        assert lines, f"not printed: {line}\n{printed}"
        lines.pop(0)
