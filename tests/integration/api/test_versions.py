"""If-Match on sources, registers and schemas: 412, and it is known who was faster."""

from __future__ import annotations

from typing import Any

import pytest

from app.sources import manage
from app.users.roles import Role
from tests.integration.served import Client, Server

SOURCE = {
    "name": "towns",
    "type": "files",
    "connection": {"path": "/nowhere/towns.csv"},
    "target": {"register": "geo", "schema": "town"},
}


@pytest.fixture
def client(server: Server) -> Client:
    manage.save(server.app, SOURCE, test=False, on_host=True, actor="cli:carl")
    return server.as_(Role.REGISTER_ADMIN)


CHANGES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "source": (
        "/api/sources/towns?test=false",
        {"schedule": "hourly"},
        {"timezone": "Europe/Oslo"},
    ),
    "register": ("/api/registers/geo", {"title": "Geography"}, {"description": "Places"}),
    "schema": ("/api/schemas/town", {"title": "Place"}, {"document": {"type": "object"}}),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_of_an_older_version_fails(client: Client, kind: str) -> None:
    path, one, other = CHANGES[kind]
    before = client.get(path)
    old = {"If-Match": before.headers["ETag"]}
    changed = client("PATCH", path, json=one, headers=old)
    assert changed.status_code == 200, changed.text
    assert changed.json()["changed_by"] == "api:rita"

    late = client("PATCH", path, json=other, headers=old)
    assert late.status_code == 412
    assert late.headers["Content-Type"] == "application/problem+json"
    assert late.json()["type"] == "urn:openregister:problem:PreconditionError"
    assert "was changed by api:rita at " in late.json()["detail"]
    assert client("DELETE", path, headers=old).status_code == 412
    assert client.get(path).json()["updated"] == changed.json()["updated"]

    for now in (client.get(path).headers["ETag"], "*"):
        assert client("PATCH", path, json=other, headers={"If-Match": now}).status_code == 200
    for odd in ('"x"', "nothing", '"99999999999999999999"', '"999999999999999999"'):
        assert client("PATCH", path, json=other, headers={"If-Match": odd}).status_code == 412


def test_a_source_is_replaced_only_in_the_version_that_was_read(client: Client) -> None:
    path = "/api/sources/towns?test=false"
    old = {"If-Match": client.get(path).headers["ETag"]}
    again = client("PUT", path, json={**SOURCE, "schedule": "hourly"}, headers=old)
    assert again.status_code == 200, again.text
    assert client("PUT", path, json=SOURCE, headers=old).status_code == 412
    stored = {"If-Match": again.headers["ETag"]}  # of the answer to a change as well
    assert client("PUT", path, json=SOURCE, headers=stored).status_code == 200


def test_what_a_run_writes_is_no_change_but_no_cached_answer(
    client: Client, server: Server
) -> None:
    before = client.get("/api/sources/towns")
    with server.app.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE openregister.sources SET failures = 2")
    tag = before.headers["ETag"]
    fresh = client.get("/api/sources/towns", headers={"If-None-Match": tag})
    assert fresh.status_code == 200
    assert fresh.json()["failures"] == 2
    path = "/api/sources/towns?test=false"
    changed = client("PATCH", path, json={"schedule": "hourly"}, headers={"If-Match": tag})
    assert changed.status_code == 200
