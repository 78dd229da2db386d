"""What would take a request too long: it stops, says how far it came, and who does the whole."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from app.http import patience
from app.sources import manage, preview
from app.users.roles import Role
from tests.integration.served import Server
from tests.servers.http_api import Answer, Call, HttpApi, answer

Town = Callable[..., dict[str, Any]]
HTML = {"Accept": "text/html"}


@pytest.fixture
def many_rows(server: Server, tmp_path: Path) -> None:
    """Source `towns`, of 20,000 rows: several batches."""
    rows = tmp_path / "towns.json"
    rows.write_text(json.dumps([{"code": f"T{number}"} for number in range(20_000)]))
    document = {
        "name": "towns",
        "type": "files",
        "connection": {"path": str(rows)},
        "target": {"register": "geo", "schema": "town"},
        "mapping": {"key": "code"},
    }
    manage.save(server.app, document, test=False, update=False)


def test_a_dry_run_within_the_time_tells_everything(server: Server, many_rows: None) -> None:
    client = server.as_(Role.REGISTER_ADMIN)
    told = client.post("/sources/towns/dry-run", headers=HTML).text
    assert "would create 20,000" in told
    assert "stops at a time limit" not in told


def test_a_form_that_carries_its_own_token_is_answered_too(server: Server, many_rows: None) -> None:
    client = server.signed_in(Role.REGISTER_ADMIN)
    form = {"_csrf": client.headers.pop("X-CSRF-Token")}  # as a page sends it, without a header
    told = client.post("/sources/towns/dry-run", headers=HTML, data=form)
    assert (told.status_code, "would create 20,000" in told.text) == (200, True)


def test_a_dry_run_beyond_it_says_what_part_it_tells_of(
    server: Server, many_rows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SECONDS", -1.0)
    client = server.as_(Role.REGISTER_ADMIN)
    told = client.post("/sources/towns/dry-run", headers=HTML).text
    assert "stops at a time limit" in told
    assert "openregister source:run towns --dry-run" in told
    document = client.post("/sources/towns/dry-run?format=json").json()
    assert (document["stopped"], document["complete"]) == (True, False)
    assert document["read"] < 20_000
    assert document["deleted"] == 0


def test_a_verification_beyond_it_does_not_pass_for_a_whole_one(
    server: Server, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town("a")
    client = server.as_(Role.VIEWER)
    assert "Verification passed</strong>" in client.post("/audit/verify", headers=HTML).text
    monkeypatch.setattr(patience, "SECONDS", -1.0)
    told = client.post("/audit/verify", headers=HTML).text
    assert "Verification passed so far" in told
    assert "openregister audit:verify" in told
    assert client.post("/audit/verify?format=json").json()["complete"] is False


def test_a_viewer_verifies_by_the_api_and_is_told_when_it_was_not_all(
    server: Server, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town("a")
    client = server.as_(Role.VIEWER)
    whole = client.json("/api/audit/verify")
    assert (whole["ok"], whole["complete"], whole["objects"]) == (True, True, 1)
    monkeypatch.setattr(patience, "SECONDS", -1.0)
    part = client.json("/api/audit/verify")
    assert (part["ok"], part["complete"], part["faults"]) == (False, False, 0)


SLOW = {
    "name": "slow",
    "type": "files",
    "target": {"register": "geo", "schema": "town"},
    "mapping": {
        "key": "code",
        "fields": {
            "code": "code",
            "name": "{% for a in list %}{% for b in list %}{{ b }}{% endfor %}{% endfor %}",
        },
    },
}


@pytest.mark.promise("expensive requests")
@pytest.mark.parametrize(
    "path",
    [
        "/api/sources/slow/preview?_limit=100",
        "/api/sources/slow/test",
        "/sources/slow/mapping/preview",
    ],
)
def test_a_preview_stops_when_its_client_leaves(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Each of its rows takes a good part of a second; after the first nobody waits any more."""
    place = tmp_path / "open" / "slow.json"
    rows = [{"code": f"T{number}", "list": list(range(900))} for number in range(100)]
    place.write_text(json.dumps(rows))
    manage.save(server.app, {**SLOW, "connection": {"path": str(place)}}, test=False, update=False)
    begun, ended = threading.Event(), threading.Event()
    count = 0
    real_rows, real_row = preview.preview_rows, preview._preview

    def watched(*given: Any, **named: Any) -> Any:
        try:
            return real_rows(*given, **named)
        finally:
            ended.set()

    def counted(*given: Any) -> Any:
        nonlocal count
        count += 1
        begun.set()
        time.sleep(0.3)  # the page maps the rows by an empty form, which costs nothing
        return real_row(*given)

    monkeypatch.setattr(preview, "preview_rows", watched)
    monkeypatch.setattr(preview, "_preview", counted)
    token = server.tokens[Role.REGISTER_ADMIN]
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n\r\n".encode()
        )
        assert begun.wait(30)
        assert not ended.is_set()
    assert ended.wait(5)
    assert count < 10


@pytest.mark.promise("expensive requests")
def test_the_reading_of_a_source_stops_when_its_client_leaves(server: Server) -> None:
    """The source takes its time over every page; nobody waits for the next ones."""
    asked, go_on = threading.Event(), threading.Event()

    def endless(call: Call) -> Answer:
        asked.set()
        go_on.wait(20)
        return answer({"items": [{"code": "a"}], "next": call.url})

    with HttpApi() as api:
        api.on("/towns", endless)
        document = {**SLOW, "type": "rest", "connection": {"url": f"{api.url}/towns"}}
        manage.save(server.app, document, test=False, update=False)
        client = server.as_(Role.REGISTER_ADMIN)
        with pytest.raises(requests.Timeout):
            client.session.post(
                f"{server.url}/api/sources/slow/preview?_limit=1000",
                headers=client.headers,
                timeout=1,
            )
        assert asked.is_set()
        time.sleep(0.5)
        go_on.set()
        time.sleep(1)
        seen = len(api.calls)
        time.sleep(1)
        assert len(api.calls) == seen <= 3
