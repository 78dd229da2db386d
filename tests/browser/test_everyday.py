"""Everyday work in the browser: dry runs, edits, exports, workbooks, held deletions, a restart."""

from __future__ import annotations

import csv
import io
import re
import threading
from collections.abc import Iterator

import openpyxl
import pytest
from playwright.sync_api import Page, expect

from app.registers import list_store, registers, schemas
from app.registers.query import ObjectQuery
from app.sources import manage
from app.sync import runs as run_history
from examples.api import Api, Handler
from tests.browser.conftest import Site

pytestmark = pytest.mark.timeout(90)

LOST = 100


@pytest.fixture(scope="module")
def land() -> Iterator[Api]:
    """An API of its own, whose rows these tests take away."""
    with Api() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module", autouse=True)
def _land(site: Site, land: Api) -> None:
    site.app.write(registers.add, "land")
    schemas.add(site.app, "place", {"type": "object"}, register="land", actor="test")
    manage.save(
        site.app,
        {
            "name": "land",
            "type": "rest",
            "connection": {"url": land.url, "endpoint": "/v1/countries"},
            "target": {"register": "land", "schema": "place"},
            "mapping": {"key": "code"},
            "on_missing": "delete",
            "local_fields": ["remark"],
        },
        test=False,
    )


def test_a_dry_run_tells_what_would_happen_and_writes_nothing(page: Page) -> None:
    page.goto("/sources/land/runs")
    page.get_by_role("button", name="Dry run").click()
    result = page.locator("#result")
    expect(result).to_contain_text("Dry run — would create 249, update 0, delete 0; 0 errors")
    result.get_by_text("First changes").click()
    expect(result.locator("tbody tr").first).to_contain_text("create")
    page.goto("/registers/land/place")
    expect(page.get_by_text("No objects yet")).to_be_visible()


def test_an_object_of_a_source_takes_changes_in_its_local_fields_only(page: Page) -> None:
    page.goto("/sources/land/runs")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#strip")).to_contain_text("Done — 249 created")
    page.goto("/registers/land/place?code=NL")
    page.get_by_role("link", name="NL", exact=True).click()
    page.get_by_role("link", name="Edit", exact=True).click()
    editor = page.get_by_label("As JSON")
    before = editor.input_value()
    editor.fill(before.replace('"Netherlands"', '"Holland"'))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("name of object")
    expect(page.get_by_role("alert")).to_contain_text("source land")
    expect(editor).to_have_value(re.compile("Holland"))  # nothing that was typed is lost
    editor.fill(before.replace("{", '{"remark": "seen", ', 1))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    address = page.url
    page.goto("/sources/land/runs")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#strip")).to_contain_text("Done — 0 created, 0 updated, 0 errors")
    page.goto(address)
    expect(page.locator("tbody tr", has_text="remark")).to_contain_text("seen")
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("As JSON").fill("{ no json")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not valid JSON")


def test_objects_are_taken_away_as_csv_and_as_a_workbook(page: Page) -> None:
    page.goto("/registers/land/place")
    page.get_by_text("Export").click()
    with page.expect_download() as csv_file:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(csv_file.value.path().read_text("utf-8-sig"))))
    assert len(rows) == 249
    assert [row["name"] for row in rows if row["code"] == "NL"] == ["Netherlands"]
    with page.expect_download() as workbook:
        page.get_by_role("link", name="Excel (XLSX)").click()
    assert workbook.value.suggested_filename == "land-place.xlsx"
    sheet = openpyxl.load_workbook(io.BytesIO(workbook.value.path().read_bytes())).active
    assert sheet is not None
    head, *lines = sheet.iter_rows(values_only=True)
    assert len(lines) == 249
    code, name = head.index("code"), head.index("name")
    assert [line[name] for line in lines if line[code] == "NL"] == ["Netherlands"]


def test_held_deletions_are_looked_at_and_approved(page: Page, land: Api) -> None:
    with land.lock:
        del land.collections["countries"][-LOST:]
    page.goto("/sources/land/runs")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#panel")).to_contain_text(f"{LOST} deletions wait for approval")
    page.get_by_text("Show them").click()
    expect(page.locator(".note.warn li a").first).to_be_visible()
    page.get_by_label("Delete at most").fill("3")
    page.get_by_role("button", name="Approve the deletions").click()
    expect(page.locator("#strip")).to_contain_text("More deletions wait than were approved")
    expect(page.locator("#panel")).to_contain_text(f"{LOST} deletions wait for approval")
    page.reload()
    page.get_by_label("Delete at most").fill(str(LOST))
    page.get_by_role("button", name="Approve the deletions").click()
    expect(page.locator("#strip")).to_contain_text(f"{LOST} deleted")
    expect(page.locator("#panel")).not_to_contain_text("wait for approval")


def test_a_workbook_becomes_a_source_and_its_rows_objects(page: Page) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["code", "name", "since"])
    sheet.append(["007", "James", 1953])
    sheet.append(["008", "Bill", 1961])
    content = io.BytesIO()
    book.save(content)
    page.goto("/upload")
    page.get_by_label("File").set_input_files(
        {
            "name": "staff.xlsx",
            "mimeType": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "buffer": content.getvalue(),
        }
    )
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url(re.compile("/add-source[?]type=excel"))
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(page.get_by_label("Title")).to_have_value("staff")
    page.get_by_label("Target").select_option("new")
    page.get_by_label("Register", exact=True).fill("staff")
    page.get_by_label("New schema").fill("agent")
    page.get_by_role("button", name="Create source").click()
    page.wait_for_url("**/sources/staff/mapping")
    expect(page.locator("#preview")).to_contain_text('"code": "007"')
    page.get_by_role("button", name="Fill in fields with the same name").click()
    page.get_by_label("code is part of the key").check()
    page.get_by_role("button", name="Save the mapping").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#strip")).to_contain_text("Done — 2 created, 0 updated, 0 errors")
    page.goto("/registers/staff/agent")
    expect(page.locator("tbody tr", has_text="007")).to_contain_text("James")
    page.goto("/sources/staff/objects")
    expect(page.locator("tbody tr")).to_have_count(2)


class _Gate(Handler):
    """Lets nobody read on until the gate is open."""

    asked = threading.Event()
    open = threading.Event()

    def do_GET(self) -> None:  # noqa: N802 - named by http.server
        if "page=2" in self.path or "page=3" in self.path:
            self.asked.set()
            self.open.wait(60)
        super().do_GET()


@pytest.mark.timeout(180)
def test_a_run_outlives_the_server_that_shows_it(page: Page, site: Site) -> None:
    with Api() as server:
        server.RequestHandlerClass = _Gate
        threading.Thread(target=server.serve_forever, daemon=True).start()
        manage.save(
            site.app,
            {
                "name": "slow",
                "type": "rest",
                "connection": {"url": server.url, "endpoint": "/v1/navaids", "parallel": 1},
                "target": {"register": "land", "schema": "place"},
                "mapping": {"key": "id"},
            },
            test=False,
        )
        page.goto("/sources/slow/runs")
        page.get_by_role("button", name="Run now").click()
        expect(page.locator("#strip")).to_contain_text("Running…")
        assert _Gate.asked.wait(30)
        page.goto("about:blank")  # or its script would ask a server that is not there
        site.restart(kill=True)
        page.goto("/sources/slow/connection")
        expect(page.locator("#strip")).to_contain_text("Running…")
        _Gate.open.set()
        expect(page.locator("#strip")).to_contain_text("Done —", timeout=90_000)
        source = site.app.read(manage.get, "slow")
        runs = site.app.read(run_history.history, source.id, limit=10)
        rows = len(server.collections["navaids"])
        assert sum(run.counters.created for run in runs) == rows  # nothing lost, or twice
        with site.app.engine.connect() as connection:
            assert list_store.count(connection, ObjectQuery(source_id=source.id)) == rows
        server.shutdown()
