"""Every page: who may see it, in which language and on which screen, how quickly, as JSON."""

from __future__ import annotations

import re
import time

import pytest
from fastapi.routing import APIRoute
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.web import pages
from tests.browser.conftest import Site, picture

pytestmark = pytest.mark.timeout(60)

PLAIN = ["/sources", "/registers", "/schemas", "/jobs", "/audit", "/account"]
FOR_ADMINS = ["/settings", "/users"]
FOR_REGISTER_ADMINS = ["/add-source", "/add-register", "/add-schema", "/upload"]
OPEN_TO_VIEWERS = {"/audit/verify", "/preferences", "/logout", "/login"}
"""Changes that a viewer may make: none of them touches a register."""


def _changes() -> list[str]:
    return sorted(
        route.path
        for router in pages.routers()
        for route in router.routes
        if isinstance(route, APIRoute) and "POST" in (route.methods or ())
    )


def test_who_is_not_signed_in_is_sent_to_do_so_and_comes_back(
    chromium: Browser, site: Site
) -> None:
    context = chromium.new_context(base_url=site.url)
    for path in PLAIN + FOR_ADMINS + FOR_REGISTER_ADMINS:
        answer = context.request.get(path, max_redirects=0, headers={"Accept": "text/html"})
        assert (answer.status, answer.headers["location"]) == (
            303,
            f"/login?next={path.replace('/', '%2F')}",
        )
        assert context.request.get(f"{path}?format=json", max_redirects=0).status in (303, 401)
    context.close()


def test_a_viewer_reads_everything_but_people_and_settings(
    signed_in: dict[str, BrowserContext],
) -> None:
    request = signed_in["viewer"].request
    assert {request.get(path).status for path in PLAIN} == {200}
    assert {request.get(path).status for path in FOR_ADMINS + FOR_REGISTER_ADMINS} == {403}


def test_a_register_admin_keeps_sources_but_not_people(
    signed_in: dict[str, BrowserContext],
) -> None:
    request = signed_in["register-admin"].request
    assert {request.get(path).status for path in PLAIN + FOR_REGISTER_ADMINS} == {200}
    assert {request.get(path).status for path in FOR_ADMINS} == {403}


@pytest.mark.parametrize("path", _changes())
def test_no_viewer_changes_anything_and_nobody_without_the_token(
    path: str, signed_in: dict[str, BrowserContext]
) -> None:
    uuid = "0190a8e2-7c1b-7a52-9f9e-3d1f0c2b4a55"
    concrete = re.sub(r"\{(\w+)\}", lambda m: uuid if m[1] == "uuid" else "1", path)
    context = signed_in["viewer"]
    if path == "/first-account":  # there are accounts: the page is gone for everybody
        assert context.request.post(concrete, form={}).status == 404
        return
    everybody = OPEN_TO_VIEWERS | {"/login", "/login/again", "/logout"}
    if path not in everybody and not path.startswith("/account"):
        page = context.request.get("/sources").text()
        found = re.search(r'name="csrf-token" content="([^"]+)"', page)
        assert found
        headers = {"X-CSRF-Token": found[1]}
        assert context.request.post(concrete, headers=headers, form={}).status == 403
    if path not in {"/login", "/login/again"}:
        assert signed_in["admin"].request.post(concrete, form={}).status == 403


def test_every_table_answers_a_script_as_json(signed_in: dict[str, BrowserContext]) -> None:
    request = signed_in["admin"].request
    for path in [*PLAIN, *FOR_ADMINS]:
        by_header = request.get(path, headers={"Accept": "application/json"})
        by_name = request.get(f"{path}?format=json")
        assert isinstance(by_header.json()["results"], list), path
        assert isinstance(by_name.json()["results"], list), path


def test_pages_answer_in_well_under_a_tenth_of_a_second(
    signed_in: dict[str, BrowserContext],
) -> None:
    request = signed_in["admin"].request

    def quickest(path: str) -> float:
        times = []
        for _ in range(5):
            before = time.perf_counter()
            assert request.get(path).ok
            times.append(time.perf_counter() - before)
        return min(times)

    slow = {path: t for path in PLAIN if (t := quickest(path)) > 0.1}
    assert slow == {}


def test_the_pages_speak_dutch_and_fit_a_phone_in_the_dark(
    chromium: Browser, site: Site, signed_in: dict[str, BrowserContext]
) -> None:
    context = chromium.new_context(
        base_url=site.url,
        viewport={"width": 390, "height": 800},
        color_scheme="dark",
        locale="nl-NL",
        storage_state=signed_in["admin"].storage_state(),
    )
    page = context.new_page()
    for path in ["/sources", *PLAIN, *FOR_ADMINS, *FOR_REGISTER_ADMINS]:
        page.goto(path)
        assert page.evaluate("document.documentElement.lang") == "nl"
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"{path} is {width} pixels wide"
    page.goto("/sources")
    expect(page.get_by_role("heading", name="Gegevensbronnen", exact=True)).to_be_visible()
    picture(page, "phone-dark-dutch")
    context.close()


def test_language_and_appearance_are_picked_in_the_account_menu(
    chromium: Browser, site: Site, signed_in: dict[str, BrowserContext]
) -> None:
    context = chromium.new_context(
        base_url=site.url, storage_state=signed_in["admin"].storage_state()
    )
    page = context.new_page()
    page.goto("/registers")
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Nederlands").click()
    expect(page.locator("h1")).to_have_text("Registers")
    expect(page.locator("html")).to_have_attribute("lang", "nl")
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="donker").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    context.close()


def test_every_input_has_a_label_and_the_keyboard_reaches_the_content(page: Page) -> None:
    for path in [*PLAIN, *FOR_ADMINS, "/add-source?type=rest", "/add-schema"]:
        page.goto(path)
        nameless = page.evaluate(
            """[...document.querySelectorAll('input:not([type=hidden]),select,textarea')]
               .filter((one) => !one.labels?.length && !one.ariaLabel)
               .map((one) => one.name)"""
        )
        assert nameless == [], path
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
