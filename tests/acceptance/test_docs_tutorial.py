"""The tutorial is done word for word, against the example API and a real database."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import manual
from tests.acceptance.command_line import CommandLine
from tests.places import DOCS, ROOT

PAGE = (DOCS / "tutorial.md").read_text()
FIRST_STEPS = "".join(
    (ROOT / f"tests/browser/{name}.py").read_text()
    for name in ("test_first_steps", "test_tutorial")
)
PORT = "8765"

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory that looks like a checkout in which `make demo` was run."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(Path(sys.executable).parent)
    return tmp_path


@pytest.fixture
def port(checkout: Path) -> Iterator[str]:
    """The port of the example API, started as the page says but where there is room."""
    (block,) = [block for block in manual.blocks(PAGE) if "background" in block.words]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [*block.text.split(), "--port", port]
    with subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield port
        finally:
            server.terminate()


def test_the_command_line_half(
    checkout: Path, port: str, empty_database_url: str, tmp_path: Path
) -> None:
    page = PAGE.replace(PORT, port)
    chosen = manual.runnable(page)
    environment = CommandLine(
        checkout, {"OPENREGISTER_DATABASE_URL": empty_database_url}
    ).environment
    printed = manual.run(chosen, checkout, environment, tmp_path / "log")
    for block, output in zip(chosen, printed, strict=True):
        manual.compare(block.shown, output)
    assert not list(checkout.glob("countries.*")), "the page cleans up after itself"


def test_the_pictures_and_the_words_of_the_browser_half_are_those_of_its_test() -> None:
    half = PAGE.partition("## In the browser")[2].partition("\n## ")[0]
    pictures = re.findall(r"\(images/([\w-]+)\.png\)", half)
    assert [name for name in pictures if f'picture(page, "{name}")' not in FIRST_STEPS] == []
    assert len(pictures) >= 5
    words = {" ".join(word.split()) for word in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", half)}
    assert [word for word in sorted(words) if word not in FIRST_STEPS] == []
