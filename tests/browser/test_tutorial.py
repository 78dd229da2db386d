"""The tutorial word for word on a fresh machine: no setting comes from the environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from examples.api import Api
from tests.browser.conftest import PASSWORD, picture
from tests.places import DOCS, PROGRAM, ROOT

pytestmark = pytest.mark.timeout(240)

PAGE = (DOCS / "tutorial.md").read_text()


@contextmanager
def fresh_server(data: Path, *before: list[str]) -> Iterator[str]:
    """`serve` on an embedded database in an empty directory; the link that it prints."""
    environment = {n: v for n, v in os.environ.items() if not n.startswith("OPENREGISTER_")}
    environment |= {"OPENREGISTER_DATA_DIR": str(data), "PYTHONUNBUFFERED": "1"}
    program = [sys.executable, str(PROGRAM)]
    for arguments in before:
        subprocess.run([*program, *arguments], env=environment, check=True, cwd=ROOT)
    with subprocess.Popen(
        [*program, "serve", "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        cwd=data.parent,
    ) as process:
        assert process.stdout is not None
        lines = process.stdout.readline() + process.stdout.readline()
        try:
            found = re.search(r"first account: (http://\S+)", lines)
            assert found, lines
            yield found[1]
        finally:
            process.terminate()
            process.wait(90)


@pytest.fixture
def anybody(chromium: Browser) -> Iterator[Page]:
    """A page of a browser that has been nowhere."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, locale="en")
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def first_account(page: Page, link: str) -> str:
    """Follow the link; the address of the server, where somebody is now signed in."""
    page.goto(link)
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Repeat password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url(lambda address: "first-account" not in address)
    return link.partition("/first-account")[0]


def test_the_browser_half_works_on_a_fresh_machine(
    embedded_data_dir: Path, anybody: Page, api: Api
) -> None:
    commands = [
        line.replace("openregister ", "", 1).split()
        for line in re.findall(
            r"^openregister (?:upgrade|register:add|schema:add).*$", PAGE, re.MULTILINE
        )
    ][:3]
    half = PAGE.partition("## In the browser")[2].partition("\n## ")[0]
    address, endpoint = "http://127.0.0.1:8765", "/v1/countries"
    assert f"`{address}`" in half
    assert f"`{endpoint}`" in half
    page = anybody
    with fresh_server(embedded_data_dir, *commands) as link:
        url = first_account(page, link)
        page.get_by_role("link", name="Settings").click()
        page.get_by_label("Allow hosts").fill("127.0.0.1")
        page.get_by_role("button", name="Save").click()
        page.goto(f"{url}/sources")
        page.get_by_role("main").get_by_role("link", name="Add Source").first.click()
        page.get_by_role("link", name=re.compile("REST API")).click()
        page.get_by_role("textbox", name=re.compile("^URL")).fill(api.url)
        page.get_by_label("Endpoint", exact=True).fill(endpoint)
        page.get_by_role("button", name="Test connection").click()
        expect(page.locator("#test-result")).to_contain_text("OK")
        page.get_by_role("button", name="Connect and continue").click()
        page.get_by_role("button", name="Continue", exact=True).click()
        page.get_by_label("Title").fill("Countries")
        page.get_by_label("Target").select_option("geo/country")
        page.get_by_role("button", name="Create source").click()
        page.wait_for_url("**/sources/countries/mapping*")
        page.get_by_role("button", name="Fill in fields with the same name").click()
        page.get_by_label("template for keywords").fill(
            "{{ keywords | split(',') if keywords else none }}"
        )
        page.get_by_label("Additional key fields of the source").fill("")
        page.get_by_label("code is part of the key").check()
        page.get_by_role("button", name="Save the mapping").click()
        expect(page.get_by_text("Saved")).to_be_visible()
        page.get_by_role("button", name="Run now").click()
        expect(page.locator("#strip")).to_contain_text(
            "Done — 249 created, 0 updated, 0 errors", timeout=60_000
        )


def test_a_new_user_has_the_objects_of_an_own_csv_within_two_minutes_and_twelve_clicks(
    embedded_data_dir: Path, anybody: Page, tmp_path: Path
) -> None:
    """From the start of the server; a choice in a dialog of files is a click as well."""
    file = tmp_path / "Zaken 2026.csv"
    rows = [f"Z{n};Zaak {n};1.{n:03},50;{n % 28 + 1:02}-03-2026" for n in range(1, 301)]
    file.write_text("\n".join(["Zaaknummer;Naam;Bedrag;Datum", *rows]), encoding="cp1252")
    page, clicks, began = anybody, 0, time.monotonic()

    def click(name: str, role: Literal["button", "link"] = "button") -> None:
        nonlocal clicks
        clicks += 1
        page.get_by_role("main").get_by_role(role, name=name, exact=True).first.click()

    with fresh_server(embedded_data_dir) as link:
        url = first_account(page, link)
        clicks += 2  # the link in the terminal, and *Create account*
        click("Add Source", "link")
        clicks += 1
        page.get_by_role("link", name=re.compile("Upload a file")).first.click()
        clicks += 2  # the file and its dialog
        page.get_by_label("File").set_input_files(file)
        click("Upload")
        expect(page.get_by_label("Delimiter")).to_contain_text("Detected: ;")
        picture(page, "add-source-rows")
        click("Continue")
        expect(page.get_by_label("Title")).to_have_value("Zaken 2026")
        expect(page.get_by_label("Name in addresses")).to_have_value("zaken-2026")
        picture(page, "add-source-target")
        click("Create source")
        click("Run now")
        expect(page.locator("#strip")).to_contain_text("Done — 300 created", timeout=60_000)
        seconds = time.monotonic() - began
        page.goto(f"{url}/registers/zaken-2026/zaken-2026")
        expect(page.get_by_text("Zaak 1", exact=True).first).to_be_visible()
    assert clicks <= 12, clicks
    assert seconds < 120, seconds
