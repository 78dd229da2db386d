"""The site of the manual in a browser that has no network: its search works."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests import manual

pytestmark = pytest.mark.timeout(90)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """The tests' output is the tests' own."""


@pytest.fixture
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the built site is served."""
    directory = tmp_path_factory.mktemp("manual")
    manual.build(directory)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=directory)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_word_of_a_message_is_found_without_a_network(chromium: Browser, address: str) -> None:
    page = chromium.new_page(base_url=address)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/index.html")
    page.get_by_role("textbox", name="Search").click()
    page.get_by_role("textbox", name="Search").press_sequentially("decimal comma")
    found = page.locator(".md-search-result a", has_text="A number has a decimal comma")
    expect(found.first).to_be_visible()
    address_found = found.first.get_attribute("href") or ""
    assert address_found.endswith("#a-number-has-a-decimal-comma")
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    page.close()
