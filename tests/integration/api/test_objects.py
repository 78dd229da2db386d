"""Objects over HTTP: lists, filters, pages, validators, changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.registers import list_store, numbered_pages
from app.registers.query import ObjectQuery
from app.users.roles import Role
from tests.integration.served import Client, Server

LIST = "/api/objects/geo/town"
Town = Callable[..., dict[str, Any]]


def codes(document: dict[str, Any]) -> list[str]:
    return [found["code"] for found in document["results"]]


@pytest.fixture(scope="module")
def five(shared: Server) -> list[dict[str, Any]]:
    """Objects for the tests that only read."""
    towns: list[dict[str, Any]] = [
        {"code": "a", "name": "Aa", "inhabitants": 5, "tags": ["sea"], "address": {"city": "X"}},
        {"code": "b", "name": "Bee", "inhabitants": 40, "tags": ["south"]},
        {"code": "c", "name": "", "inhabitants": 300},
        {"code": "d", "name": None, "inhabitants": 2000},
        {"code": "10", "inhabitants": 10000, "tags": []},
    ]
    editor = shared.as_(Role.REGISTER_ADMIN)
    return [editor.post(LIST, town).json() for town in towns]


@pytest.fixture
def reader(shared: Server, five: list[dict[str, Any]]) -> Client:
    """A viewer's program."""
    return shared.as_(Role.VIEWER)


def test_a_list_says_how_much_there_is_and_what_is_known_of_each(
    reader: Client, five: list[dict[str, Any]]
) -> None:
    document = reader.json(LIST, _limit=2, _page=2)
    assert codes(document) == ["c", "d"]
    figures = {name: document[name] for name in ("total", "page", "pages", "limit", "offset")}
    assert figures == {"total": 5, "page": 2, "pages": 3, "limit": 2, "offset": 2}
    about = document["results"][0]["@self"]
    assert about["id"] == five[2]["@self"]["id"] == document["results"][0]["id"]
    assert (about["register"], about["schema"], about["version"]) == ("geo", "town", 1)
    assert about["uri"] == f"{LIST}/{about['id']}"
    assert reader.get(about["uri"]).json()["code"] == "c"
    assert "deleted" not in about


def test_the_path_of_the_nextcloud_app_and_numbers_for_names_give_the_same(reader: Client) -> None:
    wanted = reader.json(LIST)
    assert reader.json("/index.php/apps/openregister/api/objects/geo/town") == wanted
    register = reader.json("/api/registers")["results"][0]["id"]
    schema = reader.json("/api/schemas")["results"][0]["id"]
    assert reader.json(f"/api/objects/{register}/{schema}") == wanted


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"code": "b"}, ["b"]),
        ({"code": "10"}, ["10"]),
        ({"inhabitants": "40"}, ["b"]),
        ([("code", "a"), ("code", "c")], ["a", "c"]),
        ({"code[in]": "a,c"}, ["a", "c"]),
        ([("code[]", "a"), ("code[]", "d")], ["a", "d"]),
        ({"code[ne]": "a"}, ["b", "c", "d", "10"]),
        ({"inhabitants[gte]": "40", "inhabitants[lt]": "2000"}, ["b", "c"]),
        ({"inhabitants[gt]": "9"}, ["b", "c", "d", "10"]),
        ({"tags": "sea"}, ["a"]),
        ({"address.city": "X"}, ["a"]),
        ({"address[city]": "X"}, ["a"]),
        ({"name[like]": "EE"}, ["b"]),
        ({"name[exists]": "false"}, ["d", "10"]),
        ({"_search": "bee"}, ["b"]),
        ({"_search": "300"}, ["c"]),
        ({"_search": '"%_\\'}, []),
        ({"_search": "code"}, []),
        ({"_order": "inhabitants:desc"}, ["10", "d", "c", "b", "a"]),
        ({"_order[code]": "asc"}, ["10", "a", "b", "c", "d"]),
        ({"_order": "-@self.created"}, ["10", "d", "c", "b", "a"]),
        ({"_offset": "3"}, ["d", "10"]),
        ({"_offset": "1", "_limit": "2"}, ["b", "c"]),
        ({"_page": "9"}, []),
        ({"@self[updated][gte]": "2020-01-01T00:00:00Z"}, ["a", "b", "c", "d", "10"]),
        ({"@self[created][lt]": "2020-01-01"}, []),
        ({"@self.source": "nothing"}, []),
    ],
)
def test_filters_search_order_and_offset(reader: Client, query: Any, found: list[str]) -> None:
    answer = reader.get(LIST, params=query)
    assert answer.status_code == 200, answer.text
    assert codes(answer.json()) == found


def test_an_unknown_filter_yields_nothing_and_is_named(reader: Client) -> None:
    document = reader.json(LIST, page="2", size="3", code="a")
    assert document["results"] == []
    assert document["total"] == document["pages"] == 0
    assert document["@self"]["ignoredFilters"] == ["page", "size"]


def test_empty_values_are_left_out_unless_asked_for(reader: Client) -> None:
    assert "name" not in reader.json(LIST, code="c")["results"][0]
    assert reader.json(LIST, code="c", _empty="true")["results"][0]["name"] == ""
    assert reader.json(LIST, code="d", _empty="true")["results"][0]["name"] is None
    assert reader.json(LIST, code="10", _empty="true")["results"][0]["tags"] == []


def test_only_the_fields_asked_for(reader: Client) -> None:
    found = reader.json(LIST, _fields="code,inhabitants", _limit=1)["results"][0]
    assert found.keys() == {"code", "inhabitants", "@self"}


@pytest.mark.parametrize(
    "query",
    [
        {"_limit": "0"},
        {"_limit": "10001"},
        {"_page": "x"},
        {"_order": "nothing"},
        {"_order": "code:up"},
        {"@self.id": "x"},
        {"@self[updated][gte]": "yesterday"},
        {"_cursor": "x"},
    ],
)
def test_parameters_that_make_no_sense_are_named(reader: Client, query: dict[str, str]) -> None:
    answer = reader.get(LIST, params=query)
    assert answer.status_code == 422
    named = answer.json()["errors"][0]["path"]
    assert named.strip("_") in next(iter(query)).replace("[", ".").replace("]", "")


def test_a_walk_over_the_pages_meets_everything_once_while_others_are_deleted(
    editor: Client, town: Town
) -> None:
    made = [town(f"{number:02}") for number in range(25)]
    seen = codes(editor.json(LIST, _limit=10))
    for gone in made[3:8]:
        assert editor("DELETE", f"{LIST}/{gone['id']}").status_code == 204
    town("late")
    for number in (2, 3):
        document = editor.json(LIST, _limit=10, _page=number)
        assert (document["total"], document["pages"]) == (25, 3)
        seen += codes(document)
    assert seen[:25] == [f"{number:02}" for number in range(25)]
    tag = {"If-None-Match": editor.get(f"{LIST}?_limit=10&_page=3").headers["ETag"]}
    assert editor.get(f"{LIST}?_limit=10&_page=3", headers=tag).status_code == 304
    fresh = editor.json(LIST, _limit=10)
    assert editor.get(f"{LIST}?_limit=10&_page=3", headers=tag).status_code == 200
    assert (fresh["total"], fresh["pages"], len(fresh["results"])) == (21, 3, 10)


def test_the_link_leads_to_the_next_page_and_ends(editor: Client, town: Town) -> None:
    for number in range(7):
        town(str(number))
    path, seen = f"{LIST}?_limit=3", []
    while path:
        answer = editor.get(path)
        seen += codes(answer.json())
        path = answer.links.get("next", {}).get("url", "")
    assert seen == [str(number) for number in range(7)]


def test_a_list_that_has_not_changed_is_not_sent_again(
    editor: Client, town: Town, server: Server
) -> None:
    town("a")
    first = editor.get(LIST)
    tag = {"If-None-Match": first.headers["ETag"]}
    again = editor.get(LIST, headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert editor.get(f"{LIST}?_limit=1", headers=tag).status_code == 200
    time.sleep(2.1)  # HTTP dates count whole seconds
    dated = editor.get(LIST).headers["Last-Modified"]
    assert editor.get(LIST, headers={"If-Modified-Since": dated}).status_code == 304
    town("b")
    assert editor.get(LIST, headers=tag).status_code == 200
    assert "Last-Modified" not in editor.get(LIST).headers
    time.sleep(2.1)
    assert editor.get(LIST, headers={"If-Modified-Since": dated}).status_code == 200


@pytest.mark.parametrize("path", ["/api/registers", "/api/schemas", "/api/sources", "/api/jobs"])
def test_the_other_lists_have_validators_too(reader: Client, path: str) -> None:
    tag = reader.get(path).headers["ETag"]
    assert reader.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_an_invalid_object_names_every_faulty_field(editor: Client) -> None:
    answer = editor.post(LIST, {"inhabitants": "many", "extra": 1})
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {"code", "inhabitants", "extra"} <= {fault["path"] for fault in answer.json()["errors"]}


def test_an_object_lives_through_every_change_with_its_audit_trail(
    editor: Client, town: Town
) -> None:
    made = town("a", inhabitants=1)
    path = made["@self"]["uri"]
    assert editor("PUT", path, json={**made, "inhabitants": 2}).json()["inhabitants"] == 2
    patched = editor("PATCH", path, json={"inhabitants": None, "name": "A"})
    assert patched.json()["@self"]["version"] == 3
    assert "inhabitants" not in patched.json()
    assert editor("DELETE", path).status_code == 204
    assert editor.get(path).status_code == 404
    assert editor.json(path, _deleted="true")["@self"]["deleted"]["deleted"]
    assert editor.json(LIST)["total"] == 0
    assert "deleted" in editor.json(LIST, _deleted="true")["results"][0]["@self"]
    assert editor.post(f"{path}/restore").json()["name"] == "A"
    assert editor.post(f"{path}/restore?version=1").json()["inhabitants"] == 1
    trail = editor.json(f"{path}/audit")
    assert [entry["action"] for entry in trail["results"]] == [
        "update", "restore", "delete", "update", "update", "create",
    ]  # fmt: skip
    assert trail["results"][-2]["changed"] == {"inhabitants": {"old": 1, "new": 2}}
    assert {entry["actor"] for entry in trail["results"]} == {"api:rita"}
    assert editor.json("/api/audit/verify")["ok"] is True
    everywhere = editor.json("/api/audit-trails", object=made["id"])
    assert everywhere["results"] == trail["results"]


def test_a_change_of_an_outdated_version_is_refused(editor: Client, town: Town) -> None:
    path = town("a")["@self"]["uri"]
    tag = editor.get(path).headers["ETag"]
    assert editor("PATCH", path, json={"name": "x"}, headers={"If-Match": tag}).ok
    late = editor("PATCH", path, json={"name": "y"}, headers={"If-Match": tag})
    assert late.status_code == 412
    assert editor.json(path)["name"] == "x"


def test_what_a_source_owns_is_not_changed_by_people(
    server: Server, editor: Client, town: Town
) -> None:
    made = town("a")
    with server.app.engine.begin() as connection:
        source = connection.scalar(
            sa.text(
                "INSERT INTO openregister.sources (name, type, connection)"
                " VALUES ('towns', 'rest', '{}') RETURNING id"
            )
        )
        owned = connection.scalar(
            sa.text(
                "INSERT INTO openregister.objects"
                " (uuid, register_id, schema_id, source_id, source_key, data_hash, data)"
                " SELECT gen_random_uuid(), register_id, schema_id, :source, 'a', data_hash, data"
                " FROM openregister.objects RETURNING uuid"
            ),
            {"source": source},
        )
    path = made["@self"]["uri"].replace(made["id"], str(owned))
    assert editor("PATCH", path, json={"name": "x"}).status_code == 409
    assert editor("DELETE", path).status_code == 409
    assert codes(editor.json(LIST, **{"@self[source]": "towns"})) == ["a"]


def test_an_object_gets_the_uuid_that_it_brings(editor: Client) -> None:
    wanted = "0190a0a0-0000-7000-8000-000000000001"
    answer = editor.post(LIST, {"code": "a", "@self": {"id": wanted}})
    assert answer.headers["Location"] == f"{LIST}/{wanted}"
    assert editor.post(LIST, {"code": "b", "@self": {"id": wanted}}).status_code == 409


@pytest.mark.parametrize(
    "path",
    [
        "/api/objects/nowhere/town",
        "/api/objects/geo/nothing",
        f"{LIST}/0190a0a0-0000-7000-8000-000000000001",
        "/api/objects/99999999999/town",
        "/api/nowhere",
    ],
)
def test_what_is_not_there_is_a_problem_of_status_404(reader: Client, path: str) -> None:
    answer = reader.get(path)
    assert answer.status_code == 404
    assert answer.json()["status"] == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_numbers_keep_every_digit(editor: Client, server: Server) -> None:
    viewer = server.as_(Role.REGISTER_ADMIN)
    viewer.post(
        "/api/schemas",
        {"slug": "exact", "register": "geo", "document": {"type": "object"}},
    )
    text = '{"big":12345678901234567890,"small":0.1000000000000000055511151231257827}'
    made = viewer(
        "POST",
        "/api/objects/geo/exact",
        data=text,
        headers={"Content-Type": "application/json"},
    )
    assert made.status_code == 201
    assert '"big":12345678901234567890' in made.text
    assert '"small":0.1000000000000000055511151231257827' in made.text


def test_a_page_is_read_as_a_range_of_the_index_however_far_on_it_lies(server: Server) -> None:
    with server.app.engine.begin() as connection:
        register, schema = connection.execute(
            sa.text("SELECT register_id, schema_id FROM openregister.register_schemas")
        ).one()
        connection.execute(
            sa.text(
                "INSERT INTO openregister.objects (uuid, register_id, schema_id, data_hash, data)"
                " SELECT gen_random_uuid(), :register, :schema, '', '{\"code\": \"x\"}'"
                " FROM generate_series(1, 20000)"
            ),
            {"register": register, "schema": schema},
        )
        query = ObjectQuery(register, schema)
        starts, total = list_store.marks(connection, query, step=20)
        assert (len(starts), total) == (16 * 1000, 20000)
        marks = [UUID(bytes=starts[at : at + 16]) for at in range(0, len(starts), 16)]
        connection.exec_driver_sql("ANALYZE openregister.objects")
        reads = []
        for place in (0, 998):
            connection.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
            before = _index_reads(connection)
            page = list_store.read(connection, query, first=marks[place], before=marks[place + 1])
            assert len(page) == 20
            reads.append(_index_reads(connection) - before)
    assert reads[0] == reads[1] <= 41


def _index_reads(connection: sa.Connection) -> int:
    """Entries that this transaction has read from the index of the lists."""
    found: int = connection.execute(
        sa.text(
            "SELECT coalesce(pg_stat_get_xact_tuples_returned(oid), 0) FROM pg_class"
            " WHERE relname = 'ix_objects_register_schema'"
        )
    ).scalar_one()
    return found


@pytest.mark.promise("expensive requests")
@pytest.mark.parametrize(
    "order", ["", "&_order=code", "&_cursor=00000000-0000-0000-0000-000000000000"]
)
def test_a_page_of_too_many_bytes_is_refused_and_says_how_to_ask(
    shared: Server, order: str, five: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = shared.as_(Role.VIEWER)
    monkeypatch.setattr(numbered_pages, "LARGEST_PAGE", 50)
    refused = reader.get(f"{LIST}?_limit=5{order}")
    assert refused.status_code == 400
    assert "5 objects" in refused.json()["detail"]
    assert "_limit" in refused.json()["hint"]
    assert reader.get(f"{LIST}?_limit=1{order}").status_code == 200  # one object is always shown
