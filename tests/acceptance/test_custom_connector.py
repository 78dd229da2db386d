"""A connector from elsewhere: the example package, installed with pip and used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts import connector_docs
from tests.acceptance.command_line import CommandLine
from tests.places import ROOT

ENTRY = "<entry><id>urn:{n}</id><title>Item {n}</title><published>{day}</published></entry>"
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
        "link": {"type": ["string", "null"]},
        "published": {"type": "string", "format": "date-time"},
    },
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of packages in which pip has put the example."""
    folder = tmp_path_factory.mktemp("custom")
    shutil.copytree(connector_docs.EXAMPLE, folder / "package")  # setuptools writes beside it
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
            "--no-index", "--disable-pip-version-check", "--target", str(folder / "site"),
            str(folder / "package"),
        ],
        check=True,
    )  # fmt: skip
    return folder / "site"


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[str]:
    """The address of a feed with two entries, and with one that has no date."""
    folder = tmp_path / "pages"
    folder.mkdir()
    entries = [ENTRY.format(n=n, day=f"2026-03-0{n}T10:00:00Z") for n in (1, 2)]
    entries.append(ENTRY.format(n=3, day="soon"))
    (folder / "news.atom").write_text(
        f'<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title>{"".join(entries)}</feed>'
    )

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Keep the tests' output to the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/news.atom"
        server.shutdown()
        thread.join()


def test_an_installed_package_is_a_type_of_source(
    cli: CommandLine, installed: Path, feed: str
) -> None:
    cli = cli.having(PYTHONPATH=str(installed))
    types = {line["type"]: line for line in cli.json("source:types")}
    assert types["feed"]["package"] == "openregister-feed 1.0.0"
    assert "auth" in cli.json("source:types", "feed")["properties"]

    (cli.directory / "item.json").write_text(json.dumps(SCHEMA))
    cli("register:add", "news").ok()
    cli("schema:add", "item", "--register", "news", "--file", "item.json").ok()
    document = (connector_docs.EXAMPLE / "source.yaml").read_text()
    (cli.directory / "source.yaml").write_text(
        document.replace("https://www.example.org/news.atom", feed)
    )
    cli("source:import", "source.yaml", "--test").ok()
    assert "Atom feed 'News', 3 entries" in cli("source:test", "news").ok().stdout

    first = cli("source:run", "news", "--output", "json")
    assert first.exit_code == 3, first.stderr  # one entry went to quarantine
    assert (first.json["created"], first.json["errors"]) == (2, 1)
    found = cli.json("object:list", "--register", "news", "--schema", "item")
    assert sorted(line["key"] for line in found) == ["urn:1", "urn:2"]
    (bad,) = cli.json("source:errors", "news")
    assert "entry 3" in json.dumps(bad)


def test_the_tests_of_the_example_pass(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"}
    shutil.copytree(connector_docs.EXAMPLE / "tests", tmp_path / "tests")
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
            "--basetemp", str(tmp_path / "temporary"), "--rootdir", str(tmp_path),
            str(tmp_path / "tests"),
        ],
        env=environment, capture_output=True, encoding="utf-8", cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_shows_every_file_of_the_example() -> None:
    page = (connector_docs.PAGES / "custom.md").read_text()
    assert connector_docs.renewed(page) == page, "run python scripts/connector_docs.py"
    files = {
        str(file.relative_to(connector_docs.EXAMPLE))
        for pattern in ("*.toml", "*.yaml", "openregister_feed/*.py", "tests/*.py")
        for file in connector_docs.EXAMPLE.glob(pattern)
    }
    assert {match["file"] for match in connector_docs.FILE.finditer(page)} == files
