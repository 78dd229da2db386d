"""Another Open Register, answering as the API of the Nextcloud app is documented to."""

from __future__ import annotations

import base64
import math
import socket
import time
from typing import Any

import pytest

from connectors.openregister import OpenRegisterConfig, OpenRegisterConnector
from connectors.sdk import (
    AuthenticationError,
    Batch,
    Context,
    Cursor,
    DataError,
    End,
    MissingError,
    UnreachableError,
)
from connectors.sdk.config import parse
from connectors.sdk.testing import ConnectorContract
from tests.servers import http_api
from tests.servers.http_api import Answer, Call, HttpApi

API = "/index.php/apps/openregister/api"
OBJECTS = f"{API}/objects/geo/town"


def town(number: int, **about: Any) -> dict[str, Any]:
    return {
        "id": f"0190-{number:04}",
        "name": f"Town {number}",
        "mayor": None,
        "@self": {
            "id": f"0190-{number:04}",
            "uri": f"https://cloud.test/{number}",
            "version": "0.0.1",
            "register": "1",
            "schema": "2",
            "created": "2026-01-01T00:00:00+00:00",
            "updated": f"2026-01-01T00:00:{number:02}+00:00",
            "deleted": None,
            **about,
        },
    }


TOWNS = [town(number) for number in range(23)]


def objects(towns: list[dict[str, Any]]) -> http_api.Handler:
    """The list endpoint: `_page`, `_limit`, a filter on `@self.updated`, no `next`."""

    def handle(call: Call) -> Answer:
        if call.headers.get("authorization") != "Basic " + base64.b64encode(b"jo:canary").decode():
            return http_api.answer({"message": "Current user is not logged in"}, 401)
        assert call.headers["ocs-apirequest"] == "true"
        assert call.query["_empty"] == "true"
        since = call.query.get("@self[updated][gte]", "")
        found = [item for item in towns if item["@self"]["updated"] >= since]
        limit, page = call.number("_limit", 20), call.number("_page", 1)
        return http_api.answer(
            {
                "results": found[(page - 1) * limit : page * limit],
                "total": len(found),
                "page": page,
                "pages": max(1, math.ceil(len(found) / limit)),
                "limit": limit,
                "offset": (page - 1) * limit,
                "facets": [],
            }
        )

    return handle


@pytest.fixture
def register(api: HttpApi) -> HttpApi:
    api.on(OBJECTS, objects(TOWNS))
    api.on(f"{API}/registers", http_api.always({"results": [{"id": 1, "slug": "geo"}]}))
    api.on(f"{API}/schemas", http_api.always({"results": [{"id": 2, "slug": "town"}]}))
    return api


def connector(api: HttpApi, context: Context, **fields: Any) -> OpenRegisterConnector:
    document = {
        "url": api.url,
        "user": "jo",
        "password": "canary",
        "register": "geo",
        "schema": "town",
        "page_size": 5,
        **fields,
    }
    return OpenRegisterConnector(parse(OpenRegisterConfig, document), context)


def read(
    api: HttpApi, context: Context, cursor: Cursor | None = None, **fields: Any
) -> list[Batch]:
    return list(connector(api, context, **fields).read(cursor))


class TestOpenRegisterContract(ConnectorContract):
    connector_class = OpenRegisterConnector
    key = ("id",)

    @pytest.fixture
    def connection(self, register: HttpApi) -> dict[str, Any]:
        return {
            "url": register.url,
            "user": "jo",
            "password": "canary",
            "register": "geo",
            "schema": "town",
            "page_size": 4,
            "changed_only": True,
        }

    @pytest.fixture
    def unreachable(self) -> dict[str, Any]:
        return {
            "url": "http://127.0.0.1:9",
            "user": "jo",
            "password": "canary",
            "register": "geo",
            "schema": "town",
        }


def test_every_page_is_read_until_the_last_one(register: HttpApi, quick: Context) -> None:
    batches = read(register, quick)
    assert [row.data["name"] for batch in batches for row in batch] == [t["name"] for t in TOWNS]
    assert batches[-1].end is End.FULL
    assert len(register.calls) == 5
    assert {call.query["_limit"] for call in register.calls} == {"5"}


def test_what_the_instance_keeps_about_an_object_is_left_behind(
    register: HttpApi, quick: Context
) -> None:
    batch = read(register, quick)[0]
    assert batch.row(0).data == {
        "id": "0190-0000",
        "name": "Town 0",
        "mayor": None,
        "@self": {"id": "0190-0000"},
    }
    register.on(OBJECTS, objects([town(0, version="0.0.9", updated="2026-02-01T00:00:00+00:00")]))
    assert read(register, quick)[0].raw()[0] == batch.raw()[0]


def test_the_key_is_the_id_of_the_object(register: HttpApi, quick: Context) -> None:
    assert connector(register, quick).default_key() == ("@self.id",)


def test_a_soft_deleted_object_is_a_tombstone(register: HttpApi, quick: Context) -> None:
    register.on(OBJECTS, objects([town(1), town(2, deleted={"deletedBy": "jo"})]))
    batch = read(register, quick)[0]
    assert [row.deleted for row in batch] == [False, True]
    assert batch.raw()[1].startswith(b"\x00")


def test_changed_only_asks_for_what_was_updated_since(register: HttpApi, quick: Context) -> None:
    first = read(register, quick, changed_only=True)
    assert first[-1].end is End.FULL
    second = read(register, quick, first[-1].cursor, changed_only=True, lag=2)
    assert second[-1].end is End.INCREMENTAL
    assert [row.data["name"] for batch in second for row in batch] == [
        "Town 20",
        "Town 21",
        "Town 22",
    ]


def test_without_changed_only_a_read_is_always_full(register: HttpApi, quick: Context) -> None:
    first = read(register, quick)
    assert first[-1].cursor is None
    assert read(register, quick, {"updated": "2026-01-01"})[-1].end is End.FULL


def test_a_total_that_is_not_reached_proves_nothing(register: HttpApi, quick: Context) -> None:
    short = {"results": TOWNS[:5], "total": 23, "page": 1, "pages": 1}
    empty = {"results": [], "total": 23, "page": 2, "pages": 1}
    register.on(OBJECTS, [http_api.always(short), http_api.always(empty)])
    with pytest.raises(DataError, match="reports 23 rows but returned 5"):
        read(register, quick, parallel=1)


@pytest.mark.promise("rows move between pages while they are read")
@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("moved", ["deleted", "twice"])
def test_objects_that_move_while_they_are_read_prove_nothing(
    register: HttpApi, quick: Context, moved: str, parallel: int
) -> None:
    whole = objects(TOWNS)
    later = objects(TOWNS[1:] if moved == "deleted" else [*TOWNS[:5], *TOWNS[4:22]])
    register.on(OBJECTS, lambda c: (whole if c.number("_page", 1) == 1 else later)(c))
    last = read(register, quick, parallel=parallel, changed_only=True)[-1]
    assert last.end is End.UNPROVEN
    assert last.cursor is None
    assert ("between 22 and 23" if moved == "deleted" else "more than one page") in last.doubt


def test_check_lists_registers_and_schemas(register: HttpApi, quick: Context) -> None:
    result = connector(register, quick).check()
    assert result.message == "23 objects in geo/town"
    assert result.facts["registers"] == "geo"
    assert result.facts["schemas"] == "town"
    assert [fact.name for fact in result.fields] == ["id", "name", "mayor"]


def test_a_register_that_is_not_there_is_told_with_those_that_are(
    register: HttpApi, quick: Context
) -> None:
    with pytest.raises(MissingError, match=r"Its registers: geo\. Its schemas: town"):
        connector(register, quick, register="gone").check()


def test_check_works_for_a_user_who_may_not_list_registers(
    register: HttpApi, quick: Context
) -> None:
    register.on(f"{API}/registers", http_api.status(403))
    result = connector(register, quick).check()
    assert "may not" in str(result.facts["registers"])


def test_a_wrong_password_says_so(register: HttpApi, quick: Context) -> None:
    with pytest.raises(AuthenticationError, match="not logged in") as caught:
        connector(register, quick, password="wrong-canary").check()
    assert "wrong-canary" not in str(caught.value)


@pytest.mark.parametrize("root", ["", "/", API, "/nextcloud"])
def test_the_address_may_be_of_the_cloud_or_of_its_api(
    register: HttpApi, quick: Context, root: str
) -> None:
    config = connector(register, quick, url=register.url + root).config
    inner = "/nextcloud" if root == "/nextcloud" else ""
    assert config.objects == register.url + inner + OBJECTS


def test_a_test_of_a_port_that_never_answers_ends_within_ten_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        document = {"url": url, "register": "geo", "schema": "town"}
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="stopped responding"):
            OpenRegisterConnector(parse(OpenRegisterConfig, document)).check()
        assert time.monotonic() - began < 10


LIES: dict[str, dict[str, Any]] = {
    "a total above": {"total": 30},
    "more pages": {"total": None, "pages": 9},
    "a flag": {"total": None, "pages": None, "has_more": True},
    "the same objects again": {"total": 40, "again": True},
}


@pytest.mark.parametrize("lie", LIES)
def test_hints_speak_of_no_setting_that_it_lacks(api: HttpApi, quick: Context, lie: str) -> None:
    about = dict(LIES[lie])
    again = about.pop("again", False)

    def handle(call: Call) -> Answer:
        page = call.number("_page", 1)
        rows = TOWNS[:10] if page == 1 or again else TOWNS[9:20] if page == 2 else []
        return http_api.answer({"results": rows, "total": 20, "page": page, **about})

    api.on(OBJECTS, handle)
    said = []
    try:
        said += [batch.doubt for batch in connector(api, quick).read()]
    except DataError as error:
        said.append(str(error))
    text = " ".join(said)
    assert text
    for setting in ("pagination", "set repeats", "more: null", "records", "endpoint"):
        assert setting not in text, text


@pytest.mark.parametrize("body", ["<html>Log in</html>", '{"objects": []}', "[1, 2", "{}"])
def test_what_is_no_register_is_named_without_settings_that_it_lacks(
    api: HttpApi, quick: Context, body: str
) -> None:
    api.on(OBJECTS, http_api.text(body, "application/json"))
    with pytest.raises(DataError) as caught:
        list(connector(api, quick).read())
    assert caught.value.hint.endswith("Check that this is the URL of an Open Register")
