"""A browser, and the whole of Open Register for it: `serve` with its worker, as people start it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from app.application import Application, open_application
from app.settings import Settings
from app.users import sign_in
from app.users.roles import Role
from examples.api import Api
from tests.conftest import DatabaseServer
from tests.places import DOCS, PROGRAM

FIRST = Path(__file__).parent / "test_first_steps.py"
IMAGES = DOCS / "images"
PASSWORD = "correct horse battery"
LOCAL = "127.0.0.1"
"""Where the sources of these tests are; one of the pages does not reach it unless allowed."""
CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They share one server and one browser, so one worker of pytest-xdist runs them all.

    The first steps are those on an empty instance, so they come before everything else.
    """
    items.sort(key=lambda item: item.path != FIRST)
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


@dataclass
class Site:
    """A server with an admin, a register-admin and a viewer, each named after the role."""

    app: Application
    environment: dict[str, str]
    url: str = ""
    _process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """`openregister serve`, on the port it had before if it was started before."""
        port = self.url.rpartition(":")[2] or "0"
        command = [sys.executable, str(PROGRAM), "serve", "--port", port]
        self._process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, text=True, process_group=0
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, f"the server did not start: {line}"
        self.url = found[0]

    def stop(self, *, kill: bool = False) -> None:
        """End it in order, or `kill` it with its worker, as a power cut would."""
        assert self._process is not None
        assert self._process.stdout is not None
        if kill:
            os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.terminate()
        self._process.wait(90)
        self._process.stdout.close()

    def restart(self, *, kill: bool = False) -> None:
        """End it and start it again at the same address."""
        self.stop(kill=kill)
        self.start()


@pytest.fixture(scope="session")
def site(
    embedded_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """`openregister serve` on a database of its own."""
    data = tmp_path_factory.mktemp("site")
    with embedded_server.migrated_database() as url:
        settings = Settings.model_validate(
            {"database_url": url, "data_dir": data, "allow_hosts": LOCAL}
        )
        with open_application(settings) as app:
            for role in Role:
                sign_in.add(app, role.value, role=role, password=PASSWORD)
            environment = {n: v for n, v in os.environ.items() if not n.startswith("OPENREGISTER_")}
            environment |= {
                "OPENREGISTER_DATABASE_URL": url,
                "OPENREGISTER_DATA_DIR": str(data),
                "OPENREGISTER_ALLOW_HOSTS": LOCAL,
                "PYTHONUNBUFFERED": "1",
            }
            running = Site(app, environment)
            running.start()
            try:
                yield running
            finally:
                running.stop()


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    """The API of the examples, with its real rows."""
    with Api() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine (scripts/install-test-servers.sh installs it)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(CHROMIUM))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def signed_in(chromium: Browser, site: Site) -> Iterator[dict[str, BrowserContext]]:
    """A browser profile for each role, signed in by the form."""
    contexts = {}
    for role in Role:
        context = chromium.new_context(
            base_url=site.url, viewport={"width": 1280, "height": 800}, locale="en"
        )
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.goto("/login")
        page.get_by_label("Name").fill(role.value)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/login" not in url)
        page.close()
        contexts[role.value] = context
    yield contexts
    for context in contexts.values():
        context.close()


@pytest.fixture
def page(signed_in: dict[str, BrowserContext]) -> Iterator[Page]:
    """A page of the admin's; an error of a script, or something that the policy of content
    forbids, fails the test."""
    yield from _page(signed_in["admin"])


@pytest.fixture
def viewer_page(signed_in: dict[str, BrowserContext]) -> Iterator[Page]:
    """A page of somebody who may only read."""
    yield from _page(signed_in["viewer"])


def _page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda message: (
            faults.append(message.text)
            if message.type == "error" and "the server responded with a status" not in message.text
            else None
        ),
    )
    yield page
    page.close()
    assert faults == []


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page for the README and the manual; PICTURES=1 takes all anew."""
    page.evaluate("scrollTo(0, 0)")
    if os.environ.get("PICTURES") or not (IMAGES / f"{name}.png").exists():
        IMAGES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=IMAGES / f"{name}.png")
