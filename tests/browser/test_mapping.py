"""The mapping editor: fields are picked, narrowed and dragged, and errors have a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.registers import registers, schemas
from app.sources import manage
from tests.browser.conftest import Site

NAME = "Source field or template for %s"


@pytest.fixture(scope="module", autouse=True)
def _source(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    place: Path = tmp_path_factory.mktemp("mapping") / "cases.csv"
    more = ";".join(f"extra_{number}" for number in range(57))
    rows = [f"Z-{n};Case {n % 3};1.00{n},50" + ";x" * 57 for n in range(9)]
    place.write_text("\n".join([f"Zaak nr;Title;Bedrag;{more}", *rows]) + "\n")
    site.app.write(registers.add, "cases", title="Cases")
    document = {
        "type": "object",
        "properties": {
            "number": {"type": "string"},
            "title": {"type": "string"},
            "amount": {"type": "number"},
        },
    }
    schemas.add(site.app, "case", document, register="cases", actor="test")
    manage.save(
        site.app,
        {
            "name": "cases",
            "type": "files",
            "connection": {"path": str(place)},
            "target": {"register": "cases", "schema": "case"},
            "mapping": {"fields": {"amount": "Bedrag"}, "key": ["number"]},
        },
        test=False,
        on_host=True,
    )


def test_fields_are_picked_and_an_error_is_mended_by_its_button(page: Page) -> None:
    page.goto("/sources/cases/mapping")
    fields = page.get_by_role("region", name="Fields of the source")
    number = fields.get_by_role("button", name="Zaak nr")
    expect(number).to_contain_text("looks unique")
    expect(number).to_contain_text("Z-0")
    expect(fields.get_by_role("button", name="Title")).not_to_contain_text("looks unique")

    page.get_by_label(NAME % "number").focus()
    number.click()
    expect(page.get_by_label(NAME % "number")).to_have_value("Zaak nr")
    fields.get_by_role("button", name="Title").drag_to(page.get_by_label(NAME % "title"))
    expect(page.get_by_label(NAME % "title")).to_have_value("Title")

    page.get_by_label("Search fields and properties").fill("extra_5")
    expect(fields.get_by_role("button")).to_have_count(8)  # extra_5, extra_50 to extra_56
    page.get_by_label("Search fields and properties").fill("")
    page.get_by_label("Unmapped only").check()
    expect(fields.get_by_role("button")).to_have_count(57)
    page.get_by_label("Unmapped only").uncheck()

    expect(page.locator(".faults")).to_contain_text("amount: 9 rows:")
    page.get_by_role("button", name="Read the decimal comma").click()
    expect(page.locator(".faults")).to_have_count(0)
    expect(page.locator("[data-mapped]")).to_contain_text("1000.5")
    page.get_by_role("button", name="Save the mapping").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    page.reload()
    expect(page.locator("[data-mapped]")).to_contain_text("1000.5")
    expect(page.locator("[data-mapped]")).to_contain_text("Z-0")


def test_on_a_phone_the_properties_are_cards(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/sources/cases/mapping")
    expect(page.get_by_role("button", name="Zaak nr")).to_be_visible()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    for name in ("number", "title", "amount"):
        box = page.get_by_label(NAME % name).bounding_box()
        assert box is not None
        assert box["width"] > 250
        assert box["x"] + box["width"] <= 390
    page.set_viewport_size({"width": 1280, "height": 800})
