"""What people run into, and that the pages say what it is and what to do about it."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
import trustme
from playwright.sync_api import Page, expect

from app.registers import registers, schemas
from app.sources import manage
from examples.api import Api
from tests.browser.conftest import Site, picture

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module", autouse=True)
def _troubles(site: Site) -> None:
    site.app.write(registers.add, "troubles")
    schemas.add(site.app, "anything", {"type": "object"}, register="troubles", actor="test")


def _add(site: Site, name: str, api: Api, **more: object) -> None:
    manage.save(
        site.app,
        {
            "name": name,
            "type": "rest",
            "connection": {"url": api.url, "endpoint": "/v1/countries"},
            "target": {"register": "troubles", "schema": "anything"},
            **more,
        },
        test=False,
    )


@pytest.fixture
def private_api() -> Iterator[tuple[Api, str]]:
    """The API behind a certificate of an authority that nobody knows; and that authority's."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Api() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server, authority.cert_pem.bytes().decode()
        server.shutdown()


def test_a_failed_tls_check_names_the_setting_that_mends_it(
    page: Page, site: Site, private_api: tuple[Api, str]
) -> None:
    server, certificate = private_api
    url = server.url.replace("http:", "https:")
    _add(site, "private", server, connection={"url": url, "endpoint": "/v1/countries"})
    page.goto("/sources/private/connection")
    page.get_by_role("button", name="Test connection").click()
    alert = page.locator("#result [role=alert]")
    expect(alert).to_contain_text("certificate")
    expect(alert).to_contain_text("ca_file")
    page.get_by_text("More settings").click()
    page.get_by_label("Verify").uncheck()
    expect(page.get_by_text("Without this check, anyone between")).to_be_visible()
    page.get_by_role("button", name="Test and save").click()
    expect(page.get_by_text("skips TLS verification")).to_be_visible()
    assert certificate not in page.content()


def test_a_filter_that_fits_nothing_is_said_with_the_fields_there_are(
    page: Page, site: Site, api: Api
) -> None:
    _add(site, "nothing", api, mapping={"key": "code", "filter": "land == 'NL'"})
    page.goto("/sources/nothing/connection")
    page.get_by_role("button", name="Test connection").click()
    warning = page.locator("#result .note.warn")
    expect(warning).to_contain_text("0 of 100 rows match the filter")
    expect(warning).to_contain_text("continent")
    picture(page, "filter-fits-nothing")


def test_a_source_without_key_warns_on_every_tab(page: Page, site: Site, api: Api) -> None:
    _add(site, "keyless", api)
    for tab in ("connection", "mapping", "runs"):
        page.goto(f"/sources/keyless/{tab}")
        expect(page.get_by_text("every run creates all objects again").first).to_be_visible()


@pytest.mark.promise("nobody notices a failure")
def test_a_cron_that_stopped_is_said_on_the_list(page: Page, site: Site, api: Api) -> None:
    _add(site, "scheduled", api, mapping={"key": "code"}, schedule="daily 03:30")
    page.goto("/sources")
    expect(page.get_by_text("background:cron did not run")).to_have_count(0)
    with site.app.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE openregister.cron_ticks SET started = started - interval '1 hour'")
        )
    page.reload()
    expect(page.get_by_text("background:cron did not run")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("every five minutes")


def test_rejected_rows_are_shown_with_their_reason_and_retried(
    page: Page, site: Site, api: Api
) -> None:
    document = {"type": "object", "required": ["capital"]}
    schemas.add(site.app, "strict", document, register="troubles", actor="test")
    target = {"register": "troubles", "schema": "strict"}
    _add(site, "rejected", api, target=target, mapping={"key": "code"})
    page.goto("/sources/rejected/runs")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#strip")).to_contain_text("249 errors", timeout=15_000)
    expect(page.locator(".note.warn", has_text="quarantine")).to_contain_text("249 rows")
    page.get_by_role("link", name="Show the rows").click()
    expect(page.locator("tbody tr").first).to_contain_text("capital")
    schemas.update(site.app, "strict", actor="test", document={"type": "object"})
    page.get_by_role("button", name="Retry errors").click()
    expect(page.locator("#strip")).to_contain_text("Replayed 249 rows", timeout=15_000)


def test_an_uploaded_workbook_becomes_a_source_with_a_schema_of_its_own(page: Page) -> None:
    content = b"code,name\n01,One\n02,Two\n"
    page.goto("/upload")
    page.get_by_label("File").set_input_files(
        {"name": "numbers.csv", "mimeType": "text/csv", "buffer": content}
    )
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url(re.compile("/add-source[?]type=files"))
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(page.get_by_label("Title")).to_have_value("numbers")
    page.get_by_label("Target").select_option("new")
    page.get_by_label("Register", exact=True).fill("numbers")
    page.get_by_label("New schema").fill("number")
    page.get_by_role("button", name="Create source").click()
    page.wait_for_url("**/sources/numbers/mapping")
    expect(page.locator("#preview")).to_contain_text('"code": "01"')
    page.goto("/sources/numbers/connection")
    expect(page.get_by_text("This source reads the uploaded file numbers.csv")).to_be_visible()
