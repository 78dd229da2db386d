"""What is typed is not lost: not by leaving, by a session's end, or by a server that is away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from app.registers import registers, schemas
from app.sources import manage
from tests.browser.conftest import PASSWORD, Site


@pytest.fixture(scope="module", autouse=True)
def _source(site: Site) -> None:
    site.app.write(registers.add, "forms", title="Forms")
    properties = {"name": {"type": "string"}, "code": {"type": "string"}}
    document = {"type": "object", "properties": properties}
    schemas.add(site.app, "form", document, register="forms", actor="test")
    manage.save(
        site.app,
        {
            "name": "form-rows",
            "type": "rest",
            "connection": {"url": "http://127.0.0.1:9", "endpoint": "/rows"},
            "target": {"register": "forms", "schema": "form"},
            "mapping": {"fields": {"name": "name", "code": "code"}, "key": ["code"]},
        },
        test=False,
    )


@pytest.fixture
def own(chromium: Browser, site: Site) -> Iterator[Page]:
    """A page in a profile of its own, whose session may end."""
    context = chromium.new_context(base_url=site.url, locale="en")
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login" not in url)
    yield page
    context.close()


def test_leaving_with_unsaved_work_asks_and_saving_does_not(own: Page) -> None:
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    own.on("dialog", stay)
    own.goto("/sources/form-rows/mapping")
    own.get_by_label("Source field or template for name").fill("{{ name | upper }}")
    own.close(run_before_unload=True)
    own.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    own.keyboard.press("Control+s")
    expect(own.get_by_text("Saved")).to_be_visible()
    expect(own.get_by_label("Source field or template for name")).to_have_value(
        "{{ name | upper }}"
    )
    own.goto("/sources")
    assert asked == ["beforeunload"]


def test_a_session_that_ended_is_renewed_over_the_page_and_nothing_is_lost(own: Page) -> None:
    own.goto("/sources/form-rows/mapping")
    own.get_by_label("Source field or template for name").fill("{{ name | lower }}")
    own.context.clear_cookies()
    own.get_by_role("button", name="Save the mapping").click()
    dialog = own.get_by_role("dialog", name="Your session has ended")
    dialog.get_by_label("Password").fill("wrong")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.locator("#session-problem")).not_to_be_empty()
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()
    expect(own.get_by_text("Saved")).to_be_visible()
    expect(own.get_by_label("Source field or template for name")).to_have_value(
        "{{ name | lower }}"
    )


def test_a_server_that_is_away_is_said_and_what_was_typed_stays(own: Page, site: Site) -> None:
    own.goto("/sources/form-rows/mapping")
    field = own.get_by_label("Source field or template for name")
    field.fill("{{ name | trim }}")
    site.stop()
    own.get_by_role("button", name="Save the mapping").click()
    expect(own.get_by_text("The server does not answer")).to_be_visible()
    expect(field).to_have_value("{{ name | trim }}")
    site.start()
    own.get_by_role("button", name="Save the mapping").click()
    expect(own.get_by_text("Saved")).to_be_visible(timeout=30_000)  # it has just started
    expect(own.get_by_label("Source field or template for name")).to_have_value("{{ name | trim }}")
