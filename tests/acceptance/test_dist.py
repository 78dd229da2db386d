"""The wheel and the source distribution: built, installed elsewhere, and used from there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from app.version import __version__
from tests.conftest import DatabaseServer
from tests.places import ROOT

SHARE = f"openregister-{__version__}.data/data/share"
PACKAGES = ("app", "connectors", "jobs", "migrations")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("dist"),  # what one of them builds serves all
]


@dataclass(frozen=True)
class Dist:
    """What was built, and from which files of the repository."""

    wheel: Path
    sdist: Path
    tracked: list[str]

    def in_wheel(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    def in_sdist(self) -> set[str]:
        with tarfile.open(self.sdist) as archive:
            return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Dist:
    """Both, built from a copy of the files that git knows, as `make dist` builds them."""
    copy, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = [name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]
    for name in tracked:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    built = subprocess.run(
        [sys.executable, copy / "scripts" / "dist.py", target],
        cwd=target, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,), (sdist,) = target.glob("*.whl"), target.glob("*.tar.gz")
    return Dist(wheel, sdist, tracked)


@dataclass(frozen=True)
class Installed:
    """An installation of the wheel in an environment of its own, far from the checkout."""

    prefix: Path
    settings: dict[str, str]

    def run(self, *arguments: str, program: str = "openregister") -> str:
        """What a call from / prints; a failure fails the test."""
        done = subprocess.run(
            [self.prefix / "bin" / program, *arguments],
            cwd="/", env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        }
        return {**inherited, **self.settings}

    @contextmanager
    def serving(self) -> Iterator[str]:
        process = subprocess.Popen(
            [self.prefix / "bin" / "openregister", "serve", "--port", "0", "--no-worker"],
            cwd="/", env=self.environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Open Register on ")
            yield line.removeprefix("Open Register on ").strip()
        finally:
            process.terminate()
            process.communicate(timeout=60)


@pytest.fixture(scope="module")
def installed(
    dist: Dist, embedded_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installed]:
    """The wheel without the network: its dependencies are those of this environment."""
    home = tmp_path_factory.mktemp("installed")
    prefix = home / "venv"
    venv.create(prefix, symlinks=True)
    python = prefix / "bin" / "python"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", python, "install", "--quiet"),
            *("--no-deps", "--no-index", "--disable-pip-version-check", dist.wheel),
        ],
        check=True,
    )
    scheme = sysconfig.get_path("purelib", "venv", {"base": str(prefix)})
    # a path that a .pth file adds is searched last, and the .pth files in it are not read: so
    # the link to the checkout, which is one, is none here
    Path(scheme, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    with embedded_server.empty_database() as url:
        yield Installed(
            prefix,
            {
                "OPENREGISTER_DATABASE_URL": url,
                "OPENREGISTER_DATA_DIR": str(home / "data"),
            },
        )


def test_the_wheel_holds_all_that_the_packages_hold(dist: Dist) -> None:
    expected = {name for name in dist.tracked if name == "cli.py" or name.split("/")[0] in PACKAGES}
    assert expected - dist.in_wheel() == set()


def test_the_wheel_holds_the_examples_the_manual_page_and_the_completions(dist: Dist) -> None:
    expected = {
        f"{SHARE}/openregister/{name}" for name in dist.tracked if name.startswith("examples/")
    }
    expected |= {
        f"{SHARE}/{name}"
        for name in (
            "man/man1/openregister.1",
            "bash-completion/completions/openregister",
            "zsh/site-functions/_openregister",
            "fish/vendor_completions.d/openregister.fish",
        )
    }
    assert expected - dist.in_wheel() == set()


def test_the_wheel_holds_nothing_else(dist: Dist) -> None:
    tops = {name.split("/")[0] for name in dist.in_wheel()}
    info = {f"openregister-{__version__}.dist-info", f"openregister-{__version__}.data"}
    assert tops == {*PACKAGES, "cli.py", *info}
    assert not [name for name in dist.in_wheel() if "__pycache__" in name]


def test_the_source_distribution_holds_all_that_git_knows(dist: Dist) -> None:
    # hidden files only matter where the repository is
    expected = {name for name in dist.tracked if not name.startswith(".")}
    assert expected - dist.in_sdist() == set()
    assert "share/man/man1/openregister.1" in dist.in_sdist()


def test_the_version_is_that_of_the_one_place_it_is_written_in(
    dist: Dist, installed: Installed
) -> None:
    assert dist.wheel.name == f"openregister-{__version__}-py3-none-any.whl"
    assert dist.sdist.name == f"openregister-{__version__}.tar.gz"
    assert installed.run("--version") == f"Open Register {__version__}\n"
    script = "import importlib.metadata as m; print(m.version('openregister'))"
    assert installed.run("-c", script, program="python").strip() == __version__


def test_what_is_imported_is_what_was_installed(installed: Installed) -> None:
    script = (
        "import app, cli, connectors, jobs, migrations\n"
        "for module in (app, cli, connectors, jobs, migrations): print(module.__file__)"
    )
    for file in installed.run("-c", script, program="python").split():
        assert Path(file).is_relative_to(installed.prefix)


def test_it_works_outside_the_checkout(installed: Installed, tmp_path: Path) -> None:
    assert "up to date" in installed.run("upgrade")
    examples = tmp_path / "examples"
    installed.run("examples", str(examples))
    installed.run("register:add", "geo")
    schema = examples / "schemas" / "country.json"
    installed.run("schema:add", "country", "--register", "geo", "--file", str(schema))
    document = examples / "sources" / "countries.yaml"
    # the document names its file from the directory above the examples
    document.write_text(document.read_text().replace("path: examples", f"path: {examples}"))
    installed.run("source:import", str(document), "--test")
    assert "Done — 249 created, 0 updated, 0 errors" in installed.run("source:run", "countries")
    assert "0 created, 0 updated" in installed.run("source:run", "countries", "--full")
    installed.run("audit:verify")
    installed.run("background:cron")

    with installed.serving() as url:
        page = requests.get(f"{url}/login", headers={"Accept-Language": "nl"}, timeout=30)
        assert page.status_code == 200
        assert "Aanmelden" in page.text
        english = requests.get(f"{url}/login", headers={"Accept-Language": "en"}, timeout=30)
        assert "Aanmelden" not in english.text
        static = ROOT / "app/web/static"
        for file in sorted(one for one in static.rglob("*") if one.is_file()):
            name = file.relative_to(static).as_posix()
            answer = requests.get(f"{url}/static/{name}", timeout=30)
            assert answer.content == file.read_bytes()
        assert requests.get(f"{url}/health", timeout=30).json() == {"status": "ok"}


def test_the_manual_page_and_the_completions_are_where_they_are_looked_for(
    installed: Installed,
) -> None:
    share = installed.prefix / "share"
    assert (share / "man/man1/openregister.1").read_text().startswith(".TH OPENREGISTER 1")
    assert (share / "bash-completion/completions/openregister").read_text() == installed.run(
        "completion", "bash"
    )
