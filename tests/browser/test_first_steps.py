"""The tutorial in the browser: from an empty instance to a synced source and its audit trail."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from app.registers import registers, schemas
from examples.api import Api
from tests.browser.conftest import Site, picture
from tests.places import ROOT

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module", autouse=True)
def _geo(site: Site) -> None:
    """The register and schema that the tutorial's first commands make."""
    import json

    site.app.write(registers.add, "geo", title="Geography")
    document = json.loads((ROOT / "examples/schemas/country.json").read_text())
    schemas.add(site.app, "country", document, register="geo", actor="test")


def test_the_empty_list_says_what_to_do_next(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="Fill your first register")).to_be_visible()
    page.get_by_role("link", name="Data sources").click()
    expect(page.get_by_text("No data sources yet")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Add Source").first.click()
    expect(page.get_by_role("link", name=re.compile("REST API"))).to_be_visible()


def test_a_failing_test_is_shown_and_mended(page: Page, api: Api) -> None:
    page.goto("/add-source?type=rest")
    page.get_by_role("textbox", name=re.compile("^URL")).fill("http://127.0.0.1:9")
    page.get_by_label("Endpoint", exact=True).fill("/v1/countries")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#test-result [role=alert]")).to_contain_text("refused")
    page.get_by_role("button", name="Connect and continue").click()
    expect(page.locator("#problem [role=alert]")).to_contain_text("refused")
    expect(page.get_by_label("Endpoint", exact=True)).to_have_value("/v1/countries")
    page.get_by_role("textbox", name=re.compile("^URL")).fill(api.url)
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#test-result")).to_contain_text("OK")
    picture(page, "add-source")
    page.get_by_role("button", name="Connect and continue").click()
    expect(page.get_by_role("region", name="Fields")).to_contain_text("Andorra")
    page.get_by_role("button", name="Continue", exact=True).click()
    page.wait_for_load_state("load")  # whose script lets the name follow the title
    page.get_by_label("Title").fill("Countries")
    expect(page.get_by_label("Name in addresses")).to_have_value("countries")
    page.get_by_label("Target").select_option("geo/country")
    page.get_by_role("button", name="Create source").click()
    page.wait_for_url("**/sources/countries/mapping")


def test_the_mapping_is_seen_against_live_rows(page: Page) -> None:
    page.goto("/sources/countries/mapping")
    expect(page.get_by_label("Additional key fields of the source")).to_have_value("id")
    page.get_by_label("Additional key fields of the source").fill("")
    expect(page.locator("#preview [role=alert]")).to_contain_text("No key is set")
    page.get_by_role("button", name="Fill in fields with the same name").click()
    expect(page.get_by_label("template for name")).to_have_value("name")
    page.get_by_label("code is part of the key").check()
    expect(page.locator("#preview .error").first).to_contain_text("keywords")
    page.get_by_label("template for keywords").fill(
        "{{ keywords | split(',') if keywords else none }}"
    )
    expect(page.locator("#preview")).to_contain_text("Andorra")
    expect(page.locator("[data-example=code]")).to_have_text("AD")
    page.get_by_label("Filter (optional)").fill("continent == 'nowhere'")
    expect(page.locator("#preview")).to_contain_text("rows match the filter")
    page.get_by_label("Filter (optional)").fill("")
    expect(page.locator("#preview").get_by_text("create").first).to_be_visible()
    picture(page, "mapping")
    page.get_by_role("button", name="Save the mapping").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    expect(page.get_by_text("No key is set")).to_have_count(0)


def test_the_schedule_is_read_back_in_plain_words(page: Page) -> None:
    page.goto("/sources/countries/schedule")
    page.get_by_label("A cron expression").check()
    page.get_by_label("Cron expression", exact=True).fill("30 6 * * mon-fri")
    page.get_by_label("Time zone").fill("Europe/Amsterdam")
    expect(page.locator("#outlook li")).to_have_count(5)
    expect(page.locator("#outlook")).to_contain_text("06:30:00")
    picture(page, "schedule")
    page.get_by_role("button", name="Save the schedule").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    expect(page.locator("#outlook li")).to_have_count(5)


def test_a_run_is_followed_to_its_end_and_stays_to_be_seen(page: Page) -> None:
    page.goto("/sources/countries/runs")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#strip")).to_contain_text("Done — 249 created, 0 updated, 0 errors")
    expect(page.locator("table tbody tr")).to_have_count(1)
    page.goto("/registers")
    page.goto("/sources/countries/connection")
    expect(page.locator("#strip")).to_contain_text("Done — 249 created, 0 updated, 0 errors")


def test_a_second_run_changes_nothing_and_a_change_is_found(page: Page, api: Api) -> None:
    page.goto("/sources/countries/runs")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#strip")).to_contain_text("Done — 0 created, 0 updated, 0 errors")
    row = api.collections["countries"][api.find("countries", "NL") or 0]
    row["name"] = "The Netherlands"
    page.reload()
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#strip")).to_contain_text("Done — 0 created, 1 updated, 0 errors")
    expect(page.locator("table tbody tr")).to_have_count(3)
    picture(page, "runs")
    page.goto("/sources")
    picture(page, "sources")


def test_an_object_tells_who_changed_it_and_can_be_restored(page: Page) -> None:
    page.goto("/registers/geo/country?_search=Netherlands")
    picture(page, "objects")
    page.get_by_role("link", name="NL", exact=True).click()
    expect(page.get_by_role("heading", name="NL")).to_be_visible()
    page.get_by_role("link", name="Audit Trails").click()
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("Netherlands → The Netherlands")
    expect(row).to_contain_text("countries")
    expect(row).to_contain_text("web:admin")
    expect(page.locator("tbody .state.good", has_text="verified")).to_have_count(2)
    picture(page, "audit-trails")
    page.locator("tbody tr").nth(1).get_by_role("button", name="Restore").click()
    expect(page.get_by_text("Restored")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(3)


def test_a_run_is_undone(page: Page) -> None:
    page.goto("/sources/countries/runs")
    page.locator("tbody tr").first.get_by_role("link").first.click()
    page.get_by_text("Undo this run").click()
    page.get_by_role("button", name=re.compile("Undo run")).click()
    expect(page.locator("#strip")).to_contain_text("Undid run")
