"""How PostgreSQL answers pages of many objects: by indexes, never by reading all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.registers import find, list_store, stepped_pages
from app.sources import manage
from app.users.roles import Role
from tests.integration.served import Server

MANY = 100_000
LARGE = {"objects", "audit_trails"}

_FILL = """
INSERT INTO openregister.objects
       (uuid, register_id, schema_id, source_id, run_id, origin_hash, data_hash, source_key, data)
SELECT (lpad(to_hex(1760000000000 + n), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid,
       r.id, s.id, %(source)s, %(run)s, md5(n::text)::uuid, sha256(n::text::bytea),
       'K' || lpad(n::text, 6, '0'),
       jsonb_build_object('code', 'K' || lpad(n::text, 6, '0'), 'name', 'Town ' || n,
                          'inhabitants', n)
FROM generate_series(1, %(many)s) n, openregister.registers r, openregister.schemas s
WHERE r.slug = 'geo' AND s.slug = 'town';
"""
_TRAIL = """
INSERT INTO openregister.audit_trails
       (chain_id, position, run_id, created, object_uuid, version, action, actor, data_hash,
        prev_hash, hash)
SELECT %(chain)s, row_number() OVER (ORDER BY uuid), %(run)s, now(), uuid, 1, 'create', 'test',
       data_hash, data_hash, data_hash
FROM openregister.objects
"""


@pytest.fixture(scope="module")
def many(shared: Server) -> dict[str, Any]:
    """A hundred thousand towns of source `towns`, written by one run; what the paths need."""
    document = {
        "name": "towns",
        "type": "rest",
        "connection": {"url": "https://example.org"},
        "target": {"register": "geo", "schema": "town"},
        "mapping": {"key": "code"},
    }
    source = manage.save(shared.app, document, test=False, update=False).source
    with shared.app.engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        run = driver.execute(
            "INSERT INTO openregister.runs (source_id, trigger, actor, state, read, created, host,"
            " pid, lease_until, finished) VALUES (%s, 'manual', 'test', 'done', %s, %s, 'here', 1,"
            " now(), now()) RETURNING id",
            (source.id, MANY, MANY),
        ).fetchone()[0]
        chain = driver.execute(
            "INSERT INTO openregister.chains (source_id, lane, source_name, length, head)"
            " VALUES (%s, 0, 'towns', %s, '') RETURNING id",
            (source.id, MANY),
        ).fetchone()[0]
        driver.execute(_FILL, {"source": source.id, "run": run, "many": MANY})
        driver.execute(_TRAIL, {"chain": chain, "run": run})
        deep = driver.execute(
            "SELECT uuid FROM openregister.objects WHERE source_key = 'K070000'"
        ).fetchone()[0]
    with shared.app.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))
    return {"deep": deep, "run": run}


@contextmanager
def recorded(engine: sa.Engine) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is sent meanwhile."""
    sent: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def whole_scans(engine: sa.Engine, statements: list[tuple[str, Any]]) -> list[str]:
    """Which of the statements read a large table from end to end, with their plans."""
    found = []
    with engine.connect() as connection:
        for statement, parameters in statements:
            if not statement.lstrip().upper().startswith(("SELECT", "WITH")):
                continue
            plan = connection.exec_driver_sql(
                f"EXPLAIN (FORMAT json) {statement}", parameters
            ).scalar_one()
            if LARGE & set(_scanned(plan[0]["Plan"])):
                found.append(f"{statement}\n{json.dumps(plan, indent=1)}")
    return found


def _scanned(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from _scanned(child)


PATHS = [
    "/sources",
    "/sources/towns/connection",
    "/sources/towns/runs",
    "/sources/towns/runs/{run}",
    "/sources/towns/objects",
    "/sources/towns/objects?after={deep}",
    "/registers",
    "/registers/geo",
    "/registers/geo/town",
    "/registers/geo/town?after={deep}",
    "/registers/geo/town?before={deep}",
    "/registers/geo/town?_search=nowhere",
    "/registers/geo/town?code=K099999",
    "/registers/geo/town?@self[key]=K099999",
    "/registers/geo/town?@self[source]=towns",
    "/registers/geo/town?_deleted=true",
    "/objects/{deep}",
    "/objects/{deep}/audit",
    "/audit",
    "/audit?run={run}",
    "/audit?source=towns",
    "/audit?object={deep}",
    "/api/registers/geo",
    "/api/sources/towns",
    "/api/objects/geo/town?_cursor={deep}",
    "/api/objects/geo/town?_page=4000",
    "/api/objects/geo/town/{deep}",
    "/api/objects/geo/town/{deep}/audit",
    "/api/audit-trails",
    "/api/audit-trails?run={run}",
    "/api/audit-trails?object={deep}",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_page_reads_all_objects(shared: Server, many: dict[str, Any], path: str) -> None:
    client = shared.as_(Role.VIEWER)
    # counts once what the numbered pages and the totals stand on, which may read an index whole
    assert client.get("/api/objects/geo/town").json()["total"] == MANY
    with recorded(shared.app.engine) as sent:
        answer = client.get(path.format(**many), headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    assert sent
    assert whole_scans(shared.app.engine, sent) == []


def test_the_scan_that_the_others_are_tested_for_would_be_seen(
    shared: Server, many: dict[str, Any]
) -> None:
    whole = "SELECT count(*) FROM openregister.objects WHERE data ->> 'name' = 'x'"
    assert len(whole_scans(shared.app.engine, [(whole, ())])) == 1


def _search(shared: Server, **more: Any) -> stepped_pages.View:
    with shared.app.engine.connect() as connection:
        place = find.place(connection, "geo", "town")
    asked = place.read([("code[in]", "K000010,K050000,K099999")])
    return stepped_pages.page(shared.app, asked.query, **more)


def test_a_search_shows_what_it_has_found_in_time_and_goes_on_from_there(
    shared: Server, many: dict[str, Any]
) -> None:
    seen: list[str | None] = []
    steps = 0
    after: UUID | None = None
    while True:
        view = _search(shared, after=after, patience=0.0, window=30_000)
        seen += [one.key for one in view.objects]
        steps += 1
        if view.next is None:
            break
        assert view.looked == 30_000
        after = view.next
    assert seen == ["K000010", "K050000", "K099999"]
    assert steps == 4
    assert view.looked is None


@pytest.mark.promise("expensive requests")
def test_a_list_that_takes_too_long_is_ended_and_says_what_to_leave_out(
    shared: Server, many: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_store, "TIMEOUT", "5ms")
    answer = shared.as_(Role.VIEWER).get("/api/objects/geo/town?_order[name]=desc")
    assert answer.status_code == 503
    assert "takes too long" in answer.text
    assert "_order" in answer.text


def test_a_search_goes_backwards_over_the_same_ground(shared: Server, many: dict[str, Any]) -> None:
    last = _search(shared, patience=60.0).objects[-1].uuid
    whole = _search(shared, before=last, patience=60.0)
    assert [one.key for one in whole.objects] == ["K000010", "K050000"]
    assert (whole.previous, whole.looked) == (None, None)
    seen: list[str | None] = []
    before: UUID | None = last
    while before is not None:
        view = _search(shared, before=before, patience=0.0, window=30_000)
        seen = [one.key for one in view.objects] + seen
        before = view.previous
    assert seen == ["K000010", "K050000"]


def test_the_page_says_that_a_search_is_not_over(
    shared: Server, many: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        stepped_pages.page,
        "__kwdefaults__",
        {**(stepped_pages.page.__kwdefaults__ or {}), "patience": 0.0},
    )
    client = shared.as_(Role.VIEWER)
    path = "/registers/geo/town?code=K099999"
    answer = client.get(path, headers={"Accept": "text/html"}).text
    assert "Searched 10,000 objects so far" in answer
    assert "No matching objects" not in answer
    told = client.json(path, format="json")
    assert told["results"] == []
    assert told["looked"] == 10_000
    seen = []
    while told["next"]:
        told = client.json(path, format="json", after=told["next"])
        seen += [one["key"] for one in told["results"]]
    assert seen == ["K099999"]


def test_the_objects_of_a_source_come_by_key_and_each_once(
    shared: Server, many: dict[str, Any]
) -> None:
    with shared.app.engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE openregister.objects SET source_key = NULL"
                " WHERE source_key IN ('K000002', 'K000003', 'K000001')"
            )
        )
    source = shared.app.read(manage.get, "towns")
    first = stepped_pages.of_source(shared.app, source.id, limit=3)
    assert [one.key for one in first.objects] == ["K000004", "K000005", "K000006"]
    second = stepped_pages.of_source(shared.app, source.id, after=first.next, limit=3)
    assert [one.key for one in second.objects] == ["K000007", "K000008", "K000009"]
    with shared.app.engine.connect() as connection:
        late = connection.scalar(
            sa.text("SELECT uuid FROM openregister.objects WHERE source_key = 'K099998'")
        )
    end = stepped_pages.of_source(shared.app, source.id, after=late, limit=3)
    names = [one.data["name"] for one in end.objects]
    assert names == ["Town 99999", "Town 100000", "Town 1"]
    rest = stepped_pages.of_source(shared.app, source.id, after=end.next, limit=3)
    assert [one.data["name"] for one in rest.objects] == ["Town 2", "Town 3"]
    assert rest.next is None
