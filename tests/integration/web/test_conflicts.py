"""A form that is older than what is stored saves nothing and says whose work it met."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from requests import Response

from app.operations import configuration
from app.sources import manage
from app.users.roles import Role
from tests.integration.served import Client, Server

CHANGED = "Last changed by rita"


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"the page has no field {name}"
    return found[1]


def submit(client: Client, path: str, form: Mapping[str, Any]) -> Response:
    return client("POST", path, data=form, headers={"Accept": "text/html"})


@pytest.fixture
def towns(server: Server) -> Server:
    place = server.app.settings.data_dir / "open" / "towns.csv"
    place.write_text("code,name\na,Ede\n")
    manage.save(
        server.app,
        {
            "name": "towns",
            "type": "files",
            "connection": {"path": str(place)},
            "target": {"register": "geo", "schema": "town"},
            "mapping": {"key": ["code"], "fields": {"code": "code"}},
        },
        actor="cli:carl",
        on_host=True,
        test=False,
    )
    return server


def mapping(name: str) -> dict[str, str]:
    return {
        "property.0": "code",
        "from.0": "code",
        "key.0": "on",
        "property.1": "name",
        "from.1": name,
    }


FORMS: dict[str, tuple[Any, Any, str]] = {
    "mapping": (mapping("name"), mapping("{{ name | upper }}"), "fields.name"),
    "schedule": ({"kind": "hourly"}, {"kind": "daily", "time": "06:00"}, "schedule"),
    "settings": ({"options.batch_size": "5"}, {"options.batch_size": "7"}, "batch_size"),
}


@pytest.mark.parametrize("tab", FORMS)
def test_a_second_tab_cannot_overwrite_silently(towns: Server, tab: str) -> None:
    theirs, ours, differs = FORMS[tab]
    path = f"/sources/towns/{tab}"
    client = towns.signed_in(Role.REGISTER_ADMIN)
    made_from = field(client.get(path).text, "version")
    assert submit(client, path, {**theirs, "version": made_from}).status_code == 303
    stored = towns.app.read(manage.get, "towns")
    assert stored.changed_by == "web:rita"

    refused = submit(client, path, {**ours, "version": made_from})
    for _ in range(2):  # pressing Save again is no overwrite either
        refused = submit(client, path, {**ours, "version": made_from})
        assert CHANGED in refused.text
        assert f"<code>{differs}</code>" in refused.text
        assert field(refused.text, "version") == made_from
        assert towns.app.read(manage.get, "towns") == stored

    overwritten = submit(
        client,
        path,
        {**ours, "version": made_from, "overwrite": field_of_button(refused.text)},
    )
    assert overwritten.status_code == 303
    assert towns.app.read(manage.get, "towns").updated > stored.updated


def field_of_button(page: str) -> str:
    found = re.search(r'<button name="overwrite" value="([^"]*)"', page)
    assert found
    return found[1]


def test_an_overwrite_overwrites_only_what_was_shown(towns: Server) -> None:
    path, client = "/sources/towns/schedule", towns.signed_in(Role.REGISTER_ADMIN)
    made_from = field(client.get(path).text, "version")
    submit(client, path, {"kind": "hourly", "version": made_from})
    shown = submit(client, path, {"kind": "daily", "time": "06:00", "version": made_from})
    manage.edit(
        towns.app, "towns", manage.Edits(schedule="every 5 minutes"), test=False, actor="cli:dora"
    )
    again = submit(
        client,
        path,
        {"kind": "daily", "time": "06:00", "overwrite": field_of_button(shown.text)},
    )
    assert "Last changed by dora" in again.text
    assert towns.app.read(manage.get, "towns").schedule == "every 5 minutes"


def test_another_part_of_the_source_may_change(towns: Server) -> None:
    client = towns.signed_in(Role.REGISTER_ADMIN)
    made_from = field(client.get("/sources/towns/mapping").text, "version")
    manage.edit(towns.app, "towns", manage.Edits(schedule="hourly"), test=False, actor="cli:dora")
    saved = submit(client, "/sources/towns/mapping", {**mapping("name"), "version": made_from})
    assert saved.status_code == 303
    source = towns.app.read(manage.get, "towns")
    assert source.schedule == "hourly"
    assert source.targets[0].mapping["fields"]["name"] == "name"


def test_a_form_with_a_fault_keeps_its_version(towns: Server) -> None:
    """Else a second Save, with the fault mended, would overwrite what it never showed."""
    path, client = "/sources/towns/mapping", towns.signed_in(Role.REGISTER_ADMIN)
    made_from = field(client.get(path).text, "version")
    submit(client, path, {**mapping("name"), "version": made_from})
    faulty = submit(client, path, {**mapping("name"), "filter": "{", "version": made_from})
    assert field(faulty.text, "version") == made_from


def test_the_connection_shows_no_secret_in_a_comparison(towns: Server) -> None:
    client = towns.signed_in(Role.REGISTER_ADMIN)
    submit_new = {
        "name": "web",
        "type": "rest",
        "connection": {"url": "http://127.0.0.1:9/towns"},
        "target": {"register": "geo", "schema": "town"},
    }
    manage.save(towns.app, submit_new, test=False, actor="cli:carl")
    path = "/sources/web/connection"
    made_from = field(client.get(path).text, "version")
    typed = {
        "connection.url": "http://127.0.0.1:9/villages",
        "connection.auth": "bearer",
        "connection.auth.bearer.token": "CANARY-1",
        "untested": "1",
        "version": made_from,
    }
    manage.edit(
        towns.app, "web", manage.Edits(connection={"timeout": 7}), test=False, actor="web:rita"
    )
    refused = submit(client, path, typed)
    assert CHANGED in refused.text
    assert "villages" in refused.text
    assert "CANARY" not in refused.text


def test_schemas_and_objects(server: Server) -> None:
    client = server.signed_in(Role.REGISTER_ADMIN)
    path = "/schemas/town"
    made_from = field(client.get(path).text, "version")
    first = {"document": '{"type": "object"}', "version": made_from}
    assert submit(client, path, first).status_code == 303
    other = {"document": '{"type": "object", "title": "Other"}', "version": made_from}
    refused = submit(client, path, other)
    assert refused.status_code == 409
    assert CHANGED in refused.text
    assert field(refused.text, "version") == made_from
    shown = field_of_button(refused.text)
    assert submit(client, path, {**other, "overwrite": shown}).status_code == 303

    made = client.post("/api/objects/geo/town", {"code": "a"}).json()
    path = f"/objects/{made['@self']['id']}/edit"
    made_from = field(client.get(path).text, "version")
    assert submit(client, path, {"data": '{"code": "b"}', "version": made_from}).status_code == 303
    ours = {"data": '{"code": "c"}', "version": made_from}
    for _ in range(2):
        refused = submit(client, path, ours)
        assert refused.status_code == 409
        assert CHANGED in refused.text
        assert field(refused.text, "version") == made_from
    shown = field_of_button(refused.text)
    assert submit(client, path, {**ours, "overwrite": shown}).status_code == 303


def test_instance_settings(server: Server) -> None:
    client = server.signed_in(Role.ADMIN)
    made_from = field(client.get("/settings").text, "version")
    assert made_from == "0"
    given = {"source.retries": "3", "version": made_from}
    assert submit(client, "/settings", given).status_code == 303
    refused = submit(client, "/settings", {"source.timeout": "9", "version": made_from})
    assert refused.status_code == 409
    assert "Last changed by adam" in refused.text
    assert server.app.read(configuration.get, "source.timeout").value == 60
    # going back to the default is a change as well, with a name
    shown = field_of_button(refused.text)
    server.app.write(configuration.reset, "source.retries", actor="cli:dora")
    assert server.app.read(configuration.get, "source.retries").set is False
    again = submit(client, "/settings", {"source.timeout": "9", "overwrite": shown, "version": "0"})
    assert "Last changed by dora" in again.text
    shown = field_of_button(again.text)
    last = submit(client, "/settings", {"source.timeout": "9", "overwrite": shown, "version": "0"})
    assert last.status_code == 303
    assert server.app.read(configuration.get, "source.timeout").value == 9


def test_settings_are_stored_all_or_none(server: Server) -> None:
    client = server.signed_in(Role.ADMIN)
    faulty = {"source.timeout": "9", "source.retries": "many"}
    assert submit(client, "/settings", faulty).status_code == 422
    assert server.app.read(configuration.get, "source.timeout").value == 60
