"""No page breaks a rule of axe-core, in the light and in the dark theme."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from app.registers import registers, schemas
from app.sources import manage
from app.sync import run as running
from app.sync.run import Request
from examples.api import Api
from tests.browser.conftest import PASSWORD, Site

pytestmark = pytest.mark.timeout(180)

SOURCE = "/sources/reachable"
PATHS = [
    "/",
    "/sources",
    "/registers",
    "/registers/reach",
    "/registers/reach/reach-country",
    "/schemas",
    "/schemas/reach-country",
    "/jobs",
    "/audit",
    "/account",
    "/settings",
    "/users",
    "/add-source",
    "/add-source?type=rest",
    "/add-source?type=database",
    "/add-source?type=custom",
    "/add-register",
    "/add-schema",
    "/upload",
    *(f"{SOURCE}/{tab}" for tab in ("connection", "mapping", "schedule", "runs", "settings")),
    f"{SOURCE}/objects",
    f"{SOURCE}/errors",
]


@pytest.fixture(scope="module", autouse=True)
def _source(site: Site, api: Api) -> None:
    """A source with objects and with rejected rows."""
    site.app.write(registers.add, "reach")
    properties = {"code": {"type": "string"}, "name": {"type": "string", "maxLength": 12}}
    document = {"type": "object", "properties": properties}
    schemas.add(site.app, "reach-country", document, register="reach", actor="test")
    manage.save(
        site.app,
        {
            "name": "reachable",
            "type": "rest",
            "connection": {"url": api.url, "endpoint": "/v1/countries"},
            "target": {"register": "reach", "schema": "reach-country"},
            "mapping": {"fields": {"code": "code", "name": "name"}, "key": ["code"]},
        },
        test=False,
    )
    running.run(site.app, "reachable", Request())


@pytest.fixture(scope="module", params=["light", "dark"])
def themed(request: pytest.FixtureRequest, chromium: Browser, site: Site) -> Iterator[Page]:
    """A page of an admin's who picked the theme."""
    context = chromium.new_context(base_url=site.url, locale="en")
    context.set_default_timeout(30_000)
    context.add_cookies([{"name": "openregister_theme", "value": request.param, "url": site.url}])
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login" not in url)
    yield page
    context.close()


@pytest.mark.parametrize("path", PATHS)
def test_a_page_breaks_no_rule_of_accessibility(themed: Page, path: str) -> None:
    answer = themed.goto(path)
    assert answer is not None
    assert answer.status == 200
    themed.wait_for_load_state("networkidle")
    found = Axe().run(themed).response["violations"]
    assert [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found] == []
