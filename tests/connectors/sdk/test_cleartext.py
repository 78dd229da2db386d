"""Secrets written into a URL, a query or a header are moved to where they are encrypted."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.excel import ExcelConnector
from connectors.rest import RestConfig, RestConnector
from connectors.sdk import Context
from connectors.sdk.cleartext import moved, names_a_secret
from connectors.sdk.config import parse, secrets_of
from connectors.sdk.redact import redact
from tests.servers import http_api
from tests.servers.http_api import HttpApi

SECRETS = [
    ("api_key", "abcdef123"),
    ("apikey", "abcdef123"),
    ("api-key", "abcdef123"),
    ("X-API-Key", "abcdef123"),
    ("Ocp-Apim-Subscription-Key", "abcdef123"),
    ("subscription-key", "abcdef123"),
    ("access_token", "abcdef123"),
    ("token", "abcdef123"),
    ("private_token", "abcdef123"),
    ("client_secret", "abcdef123"),
    ("password", "geheim1"),
    ("sig", "p%2Fabc="),
    ("X-Amz-Signature", "deadbeef"),
    ("key", "AIzaSyD-1234567890abcdefghij"),
    ("code", "Zm9vYmFyMTIzNDU2Nzg5MA=="),
]
PLAIN = [
    ("key", "municipality"),
    ("code", "GM0363"),
    ("page_token", "abcdef123"),
    ("pageToken", "abcdef123"),
    ("continuation_token", "abcdef123"),
    ("token", "{{ cursor }}"),
    ("token", "true"),
    ("sort", "token"),
    ("design", "abcdef123"),
    ("keyword", "abcdef123"),
    ("monkey", "abcdef123"),
]


@pytest.mark.parametrize(("name", "value"), SECRETS)
def test_what_looks_like_a_secret_is_moved(name: str, value: str) -> None:
    assert names_a_secret(name, value)


@pytest.mark.parametrize(("name", "value"), PLAIN)
def test_what_does_not_stays(name: str, value: str) -> None:
    assert not names_a_secret(name, value)


@pytest.mark.promise("a key in a URL, a query or a header is stored and shown as plain text")
def test_every_place_of_a_connection_is_looked_at() -> None:
    document: dict[str, Any] = {
        "url": "https://x/api?api_key=canary-in-url&v=2",
        "endpoint": "/rows?token=canary-in-path",
        "query": {"sig": "canary-in-query", "page": 1},
        "headers": {"Authorization": "Bearer canary", "Accept": "a/b", "Cookie": "s=canary"},
    }
    found, notes = moved(document)
    config = parse(RestConfig, found)
    assert found["url"] == "https://x/api?v=2"
    assert found["endpoint"] == "/rows"
    assert (found["query"], found["headers"]) == ({"page": 1}, {"Accept": "a/b"})
    assert secrets_of(config) == {
        "secret_query.api_key": "canary-in-url",
        "secret_query.token": "canary-in-path",
        "secret_query.sig": "canary-in-query",
        "secret_headers.Authorization": "Bearer canary",
        "secret_headers.Cookie": "s=canary",
    }
    assert len(notes) == 5
    assert "canary" not in " ".join(notes)
    assert redact("canary-in-url") == "***"


def test_secret_parameters_are_sent_to_the_source_only(api: HttpApi, quick: Context) -> None:
    elsewhere = api.url.replace("127.0.0.1", "localhost")
    pages: list[dict[str, Any]] = [{"items": [{"id": 1}], "next": f"{api.url}/rows?page=2&k=other"}]
    pages.append({"items": [{"id": 2}], "next": f"{elsewhere}/rows?page=3"})
    pages.append({"items": [{"id": 3}], "next": None})
    api.on("/rows", [http_api.always(page) for page in pages])
    document = {
        "url": api.url,
        "endpoint": "/rows",
        "secret_query": {"k": "canary-query"},
        "pagination": "next_url",
        "auth": {"type": "bearer", "token": "canary-bearer"},
    }
    list(RestConnector(parse(RestConfig, document), quick).read())
    assert [call.query.get("k") for call in api.calls] == ["canary-query", "canary-query", None]
    assert api.calls[0].headers["authorization"] == "Bearer canary-bearer"


def test_a_connector_without_such_a_place_warns() -> None:
    document = {"url": "https://x/book.xlsx?sig=canary-of-a-store"}
    same, notes = ExcelConnector.Config.tidied(document)
    assert same == document
    assert "sig" in notes[0]
    assert "canary" not in notes[0]


@pytest.mark.promise("a key in a URL, a query or a header is stored and shown as plain text")
def test_a_key_in_the_address_of_a_token_server_is_warned_about() -> None:
    auth = {"type": "oauth2", "token_url": "https://x/t?client_secret=canary-in-auth&v=2"}
    _, notes = moved({"url": "https://x/api", "auth": auth})
    assert len(notes) == 1
    assert "auth.token_url" in notes[0]
    assert "canary" not in notes[0]
