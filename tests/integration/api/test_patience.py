"""What would take a request too long: it stops, says how far it came, and who does the whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.domain.roles import Role
from app.http import patience
from app.services import definitions
from tests.integration.api.conftest import Server

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
    definitions.save(server.app, document, test=False, update=False)


def test_a_dry_run_within_the_time_tells_everything(server: Server, many_rows: None) -> None:
    client = server.as_(Role.REGISTER_ADMIN)
    told = client.post("/sources/towns/dry-run", headers=HTML).text
    assert "would create 20,000" in told
    assert "does not take longer" not in told


def test_a_dry_run_beyond_it_says_what_part_it_tells_of(
    server: Server, many_rows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SECONDS", -1.0)
    client = server.as_(Role.REGISTER_ADMIN)
    told = client.post("/sources/towns/dry-run", headers=HTML).text
    assert "does not take longer" in told
    assert "openregister source:run towns --dry-run" in told
    document = client.post("/sources/towns/dry-run?format=json").json()
    assert (document["stopped"], document["complete"]) == (True, False)
    assert document["counters"]["read"] < 20_000
    assert document["counters"]["deleted"] == 0


def test_a_verification_beyond_it_does_not_pass_for_a_whole_one(
    server: Server, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town("a")
    client = server.as_(Role.VIEWER)
    assert "Everything holds</strong>" in client.post("/audit/verify", headers=HTML).text
    monkeypatch.setattr(patience, "SECONDS", -1.0)
    told = client.post("/audit/verify", headers=HTML).text
    assert "Everything holds so far" in told
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
