"""The feed connector keeps the contract of connectors, and reads both formats."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from openregister_feed.connector import FeedConfig, FeedConnector

from connectors.sdk import DataError, End
from connectors.sdk.config import parse
from connectors.sdk.testing import ConnectorContract, read_all, rows_of

ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom">
  <title>News</title>
  <entry>
    <id>urn:1</id><title>One</title><link href="https://www.example.org/1"/>
    <author><name>Ann</name></author><category term="water"/>
    <updated>2026-03-01T10:00:00+01:00</updated>
  </entry>
  <entry>
    <id>urn:2</id><title>Two</title><updated>2026-03-02T10:00:00Z</updated>
    <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">a <b>b</b></div></content>
  </entry>
</feed>"""
RSS = b"""<rss version="2.0"><channel>
  <title>News</title>
  <item><guid>1</guid><title>One</title><pubDate>Sun, 01 Mar 2026 10:00:00 +0100</pubDate></item>
  <item><link>https://www.example.org/2</link><title>Two</title><category>water</category></item>
  <item><guid>3</guid><pubDate>yesterday</pubDate></item>
</channel></rss>"""
BOMB = b"""<!DOCTYPE rss [<!ENTITY a "aaaaaaaa">]>
<rss version="2.0"><channel><item><guid>&a;</guid></item></channel></rss>"""
PAGES = {"/atom": ATOM, "/rss": RSS, "/bomb": BOMB, "/page": b"<html/>", "/cut": RSS[:200]}


class _Serve(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.headers.get("If-None-Match") == '"1"'
        body = b"" if known else PAGES[self.path]
        self.send_response(304 if known else 200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output to the tests."""


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a web server with feeds."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Serve) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def connector(url: str) -> FeedConnector:
    return FeedConnector(parse(FeedConfig, {"url": url}))


class TestContract(ConnectorContract):
    connector_class = FeedConnector

    @pytest.fixture(params=["/atom", "/rss"])
    def connection(self, server: str, request: pytest.FixtureRequest) -> dict[str, Any]:
        return {
            "url": server + request.param,
            "auth": {"type": "bearer", "token": "canary-secret"},
        }

    @pytest.fixture
    def unreachable(self) -> dict[str, Any]:
        return {"url": "http://127.0.0.1:9/feed"}


def test_entries_of_both_formats_have_one_form(server: str) -> None:
    atom = rows_of(read_all(connector(server + "/atom")))
    rss = rows_of(read_all(connector(server + "/rss")))
    assert atom[0].data.keys() == rss[0].data.keys()
    assert atom[0].data["updated"] == rss[0].data["published"] == "2026-03-01T09:00:00Z"
    assert atom[0].data["categories"] == rss[1].data["categories"] == ["water"]
    assert atom[1].data["content"] == "a b"
    assert rss[1].data["id"] == "https://www.example.org/2"


def test_an_entry_with_a_bad_date_goes_to_quarantine_alone(server: str) -> None:
    batches = read_all(connector(server + "/rss"))
    (problem,) = [problem for batch in batches for problem in batch.problems]
    assert problem.position == "entry 3 (line 5)"
    assert [(error.path, error.value) for error in problem.errors] == [("published", "yesterday")]
    assert len(rows_of(batches)) == 2


def test_an_entry_that_left_the_feed_is_not_taken_for_deleted(server: str) -> None:
    assert read_all(connector(server + "/atom"))[-1].end is End.INCREMENTAL


def test_a_feed_that_did_not_change_is_not_read_again(server: str) -> None:
    first = read_all(connector(server + "/atom"))
    again = read_all(connector(server + "/atom"), first[-1].cursor)
    assert [(len(batch), batch.end) for batch in again] == [(0, End.UNCHANGED)]
    elsewhere = read_all(connector(server + "/rss"), first[-1].cursor)
    assert len(rows_of(elsewhere)) == 2


@pytest.mark.parametrize(
    ("path", "message"),
    [("/bomb", "DTD"), ("/page", "not an RSS 2.0 or Atom feed"), ("/cut", "not well-formed")],
)
def test_a_document_that_is_not_a_feed_is_rejected(server: str, path: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_all(connector(server + path))
