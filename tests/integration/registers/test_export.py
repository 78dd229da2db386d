"""Pages, API, export and command line answer the same query with the same objects."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from typing import Any
from uuid import UUID

import openpyxl
import pytest
import sqlalchemy as sa

from app.database.tables import objects
from app.registers import edit_objects
from app.sources import manage
from app.sync import run
from app.sync.run import Request
from app.users.roles import Role
from tests.integration.served import Client, Server

LIST = "/registers/geo/town"
MANY = 130

QUERIES = [
    [],
    [("_search", "even")],
    [("_search", "Town 7")],
    [("tags", "even")],
    [("tags[ne]", "even")],
    [("code", "a001"), ("code", "a101")],
    [("code[in]", "a001,a101,a055")],
    [("code[ne]", "a001")],
    [("inhabitants[gte]", "30"), ("inhabitants[lt]", "120")],
    [("name[like]", "TOWN 1")],
    [("name[exists]", "false")],
    [("address.city", "Delft")],
    [("address[city][ne]", "Delft")],
    [("@self[source]", "towns")],
    [("@self[source][ne]", "towns")],
    [("@self.version", "2")],
    [("_deleted", "true")],
    [("_deleted", "true"), ("@self[deleted][exists]", "true")],
    [("_order", "inhabitants:desc")],
    [("_order", "name"), ("_deleted", "1")],
    [("_order", "name:desc,@self.updated")],
    [("_order[address.city]", "desc"), ("_order[code]", "desc")],
    [("_order", "-@self.source,code"), ("tags", "even"), ("_search", "Town")],
    [("nowhere", "1")],
]


@pytest.fixture(scope="module")
def towns(shared: Server) -> None:
    """Towns of people and of a source, some deleted, some without a name, some at version 2."""
    made = edit_objects.create_many(
        shared.app, "geo", "town", [_town(number) for number in range(70)], actor="test"
    )
    file = shared.app.settings.data_dir / "open" / "towns.json"
    file.write_text(json.dumps([_town(number) for number in range(70, MANY)]))
    document = {
        "name": "towns",
        "type": "files",
        "connection": {"path": str(file)},
        "target": {"register": "geo", "schema": "town"},
        "mapping": {"key": "code", "passthrough": True},
        "local_fields": ["name"],
    }
    source = manage.save(shared.app, document, test=False, update=False).source
    assert run.run(shared.app, "towns", Request()).run.counters.created == MANY - 70
    with shared.app.engine.connect() as connection:
        owned = connection.scalars(
            sa.select(objects.c.uuid)
            .where(objects.c.source_id == source.id)
            .order_by(objects.c.uuid)
        ).all()
    for uuid in [*(one.uuid for one in made), *owned][::11]:
        edit_objects.patch(shared.app, uuid, {"name": "Town twice"}, actor="test")
    for one in made[::7]:
        edit_objects.delete(shared.app, one.uuid, actor="test")


def _town(number: int) -> dict[str, Any]:
    town: dict[str, Any] = {"code": f"a{number:03}", "inhabitants": number * 7 % 13 * 10}
    if number % 5:
        town["name"] = f"Town {number % 20}"
    elif number % 10:
        town["name"] = None
    if number % 3:
        town["tags"] = ["even" if number % 2 == 0 else "odd", "x"]
    if number % 4:
        town["address"] = {"city": ("Delft", "Gouda", "Breda")[number % 3]}
    return town


@pytest.fixture
def viewer(shared: Server, towns: None) -> Client:
    return shared.as_(Role.VIEWER)


def shown(client: Client, query: list[tuple[str, str]], **more: str) -> list[str]:
    """What the pages show, from the first to the last."""
    seen: list[str] = []
    here = {**more}
    while True:
        answer = client.get(LIST, params=[*query, *here.items(), ("format", "json")])
        assert answer.status_code == 200, answer.text
        found = answer.json()
        seen += [one["uuid"] for one in found["results"]]
        if found["next"] is None:
            return seen
        here = {"after": found["next"]}


def shown_backwards(client: Client, query: list[tuple[str, str]], last: str) -> list[str]:
    """What the pages before an object show, from the last to the first."""
    seen: list[str] = []
    before: str | None = last
    while before is not None:
        answer = client.get(LIST, params=[*query, ("before", before), ("format", "json")])
        found = answer.json()
        seen = [one["uuid"] for one in found["results"]] + seen
        before = found["previous"]
    return seen


def listed(client: Client, query: list[tuple[str, str]]) -> list[str]:
    """What the API lists, page after page."""
    seen: list[str] = []
    page, pages, total = 1, 1, 0
    while page <= pages:
        given = [*query, ("_limit", "40"), ("_page", str(page))]
        found = client.get("/api/objects/geo/town", params=given).json()
        seen += [one["@self"]["id"] for one in found["results"]]
        page, pages, total = page + 1, found["pages"], found["total"]
    assert total == len(seen)
    return seen


def exported(client: Client, query: list[tuple[str, str]], form: str) -> bytes:
    """What the export link of the page leads to."""
    page = client.get(LIST, params=query, headers={"Accept": "text/html"}).text
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+/export[^"]*)"', page)]
    link = next(link for link in links if f"form={form}" in link)
    answer = client.get(link)
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize("query", QUERIES, ids=repr)
def test_the_export_of_a_page_holds_what_the_pages_show(
    viewer: Client, query: list[tuple[str, str]]
) -> None:
    seen = shown(viewer, query)
    lines = [json.loads(line) for line in exported(viewer, query, "jsonl").splitlines()]
    assert [one["uuid"] for one in lines] == seen
    assert bool(seen) == (query != [("nowhere", "1")])
    table = csv.DictReader(io.StringIO(exported(viewer, query, "csv").decode()))
    assert [row["_uuid"] for row in table] == seen
    assert listed(viewer, query) == seen
    if seen:
        assert shown_backwards(viewer, query, seen[-1]) == seen[:-1]


def test_the_workbook_of_a_page_holds_what_the_pages_show(viewer: Client) -> None:
    query = [("tags", "odd"), ("_order", "name:desc")]
    book = openpyxl.load_workbook(io.BytesIO(exported(viewer, query, "xlsx")), read_only=True)
    assert [row[0] for row in book.active.values][1:] == shown(viewer, query)


def test_deleted_objects_are_marked_in_an_export(viewer: Client) -> None:
    query = [("_deleted", "true"), ("code[in]", "a000,a001")]
    rows = list(csv.DictReader(io.StringIO(exported(viewer, query, "csv").decode())))
    assert [bool(row["_deleted"]) for row in rows] == [True, False]


def test_the_next_page_keeps_a_filter_that_is_given_twice(viewer: Client) -> None:
    query = [("inhabitants", str(number)) for number in range(0, 130, 10)]
    page = viewer.get(LIST, params=query, headers={"Accept": "text/html"}).text
    link = re.search(r'href="([^"]+after=[^"]+)"', page)
    assert link is not None
    further = viewer.get(html.unescape(link[1]) + "&format=json").json()["results"]
    assert [one["uuid"] for one in further] == shown(viewer, query)[50:100]


def test_a_page_whose_filter_is_unknown_shows_nothing(viewer: Client) -> None:
    page = viewer.get(f"{LIST}?nowhere=1", headers={"Accept": "text/html"}).text
    assert "The schema does not define nowhere, so no objects match." in page
    assert "/objects/0" not in page


def test_chosen_fields_are_the_columns_of_page_and_export(viewer: Client) -> None:
    query = [("_fields", "code,inhabitants"), ("code", "a001")]
    header, row = csv.reader(io.StringIO(exported(viewer, query, "csv").decode()))
    assert header[-2:] == ["code", "inhabitants"]
    assert UUID(row[0]).version == 7
    assert row[-2:] == ["a001", "70"]
    page = viewer.get(LIST, params=query, headers={"Accept": "text/html"}).text
    assert re.findall(r'<th scope="col">(code|name|inhabitants|tags)<', page) == [
        "code",
        "inhabitants",
    ]
