"""The mapping editor: typing never loses what is mapped already."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import html

from app.sources import manage
from app.users.roles import Role
from tests.integration.served import Client, Server

CSV = "code;name;inhabitants\n" + "".join(f"c{i};Town {i};100{i}\n" for i in range(9))


@pytest.fixture
def client(server: Server) -> Client:
    place = server.app.settings.data_dir / "open" / "towns.csv"
    place.write_text(CSV)
    manage.save(
        server.app,
        {
            "name": "towns",
            "type": "files",
            "connection": {"path": str(place)},
            "target": {"register": "geo", "schema": "town"},
        },
        on_host=True,
        test=False,
    )
    return server.signed_in(Role.REGISTER_ADMIN)


def inputs(page: str) -> dict[str, str]:
    """The form as a browser would send it."""
    document: Any = html.document_fromstring(page)
    found = document.get_element_by_id("mapping")
    return {name: value for name, value in found.form_values() if name != "_csrf"}


def mapped(client: Client, form: dict[str, str]) -> Any:
    answer = client("POST", "/sources/towns/mapping/preview?format=json", data=form)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_filling_one_cell_keeps_the_others(client: Client, server: Server) -> None:
    form = inputs(client.get("/sources/towns/mapping").text)
    before = mapped(client, form)["rows"][0]["mapped"]
    assert set(before) == {"code", "name", "inhabitants"}
    place = next(name for name, value in form.items() if value == "name")
    form[place.replace("property", "from")] = "{{ name | upper }}"
    after = mapped(client, form)["rows"][0]["mapped"]
    assert after == {**before, "name": "TOWN 0"}

    assert client("POST", "/sources/towns/mapping", data=form).status_code == 303
    stored = server.app.read(manage.get, "towns").targets[0].mapping
    assert stored == {"fields": {"name": "{{ name | upper }}"}, "passthrough": True}
    again = inputs(client.get("/sources/towns/mapping").text)
    assert mapped(client, again)["rows"][0]["mapped"] == after
