"""The queries of docs/reporting.md, run by a reader on what real syncs have written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from app.application import Application, assemble
from app.database import engine as engines
from app.operations import reporting
from app.registers import edit_objects, registers, schemas
from app.settings import Settings
from app.sources import manage
from app.sync import run as running
from app.sync.run import Request
from tests.conftest import DatabaseServer
from tests.places import DOCS

PAGE = DOCS / "reporting.md"
Rows = list[dict[str, Any]]

TOWN: dict[str, Any] = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "name": {"type": "string"},
        "inhabitants": {"type": "string"},
        "area": {"type": "number"},
        "founded": {"type": "string", "format": "date"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name"],
}


def _queries() -> dict[str, str]:
    """The SQL under each heading of the part with queries."""
    _, part = PAGE.read_text(encoding="utf-8").split("\n## Questions and their queries\n")
    part, *_ = part.split("\n## ")
    found: dict[str, str] = {}
    for section in part.split("\n### ")[1:]:
        heading, _, text = section.partition("\n")
        (found[heading],) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    return found


QUERIES = _queries()


class _Syncs:
    """Sources that read NDJSON files, and their runs."""

    def __init__(self, app: Application, folder: Path) -> None:
        self._app = app
        self._folder = folder
        self._runs = 0

    def define(self, name: str, schema: str = "town", register: str = "geo", **more: Any) -> None:
        manage.save(
            self._app,
            {
                "name": name,
                "type": "files",
                "connection": {"path": str(self._folder / name), "format": "ndjson"},
                "target": {"register": register, "schema": schema},
                "mapping": {"key": "code", "passthrough": True},
                **more,
            },
            test=False,
        )

    def run(self, name: str, *rows: dict[str, Any]) -> None:
        self._runs += 1
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (self._folder / name).write_text(lines + "\n" * self._runs)
        running.run(self._app, name, Request())

    def fail(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)
        assert running.run(self._app, name, Request()).run.state == "failed"


def _town(code: str, **more: Any) -> dict[str, Any]:
    return {"code": code, "name": f"Town {code}", **more}


def _fill(app: Application, folder: Path) -> None:
    for register, slug in (("geo", "town"), ("water", "river")):
        app.write(registers.add, register)
        schemas.add(app, slug, TOWN, register=register, actor="test")
    syncs = _Syncs(app, folder)
    syncs.define("towns", on_missing="delete", schedule="every 15 minutes")
    amsterdam = _town("0363", inhabitants="917", founded="1275-10-27", tags=["port", "capital"])
    utrecht = _town("0344", inhabitants="374", area=99.2, founded="1122-06-02", tags=["port"])
    syncs.run("towns", amsterdam, utrecht, _town("0599", tags=["port"]), {"code": "0001"})
    syncs.run("towns", {**amsterdam, "inhabitants": "918"}, utrecht, {"code": "0001"})
    # a type that the next objects have, and these do not
    integers = {**TOWN["properties"], "inhabitants": {"type": ["integer", "null"]}}
    schemas.update(app, "town", document={**TOWN, "properties": integers}, actor="test", force=True)
    syncs.define("villages")
    syncs.run("villages", *(_town(f"v{n}", inhabitants=100) for n in range(6)), _town("0363"))
    syncs.run("villages", _town("v1", inhabitants=101))
    syncs.define("rivers", "river", "water", fresh_within="2 weeks")
    syncs.run("rivers", {"code": "r", "name": "Rhine"})
    syncs.define("lakes", "river", "water", fresh_within="1 hour")
    syncs.fail("lakes")
    made = edit_objects.create(app, "geo", "town", {"name": "Made by hand"}, actor="web:ann")
    edit_objects.replace(app, made.uuid, {"name": "Changed by hand"}, actor="web:ann")


@pytest.fixture(scope="module")
def app(
    embedded_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("reporting")
    with embedded_server.migrated_database() as url:
        engine = engines.create(url)
        made = assemble(Settings(data_dir=folder / "data"), engine)
        _fill(made, folder)
        yield made
        engine.dispose()


@pytest.fixture(scope="module")
def ask(app: Application) -> Iterator[Callable[[str], Rows]]:
    """Runs a query as a reader whose clock is a day ahead: what just happened was yesterday."""
    role = f"openregister_test_analyst_{os.getpid()}"
    with _connect(app) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(role)))
        owner.execute("CREATE SCHEMA clock")
        owner.execute(
            "CREATE FUNCTION clock.now() RETURNS timestamptz LANGUAGE sql STABLE"
            " RETURN pg_catalog.now() + interval '1 day'"
        )
        owner.execute("GRANT USAGE ON SCHEMA clock TO PUBLIC")
        reporting.grant(app, role)
        with _connect(app, role) as reader:
            reader.execute("SET timezone = 'UTC'")
            reader.execute("SET search_path = clock, pg_catalog")

            def run(query: str) -> Rows:
                return reader.execute(query.encode()).fetchall()

            yield run
        owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@contextmanager
def _connect(
    app: Application, role: str | None = None
) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    url = app.engine.url.set(drivername="postgresql")
    if role is not None:
        url = url.set(username=role, password="x")
    dsn = url.render_as_string(hide_password=False)
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as connection:
        yield connection


def _pick(rows: Rows, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


def _changed(rows: Rows) -> None:
    assert _pick(rows, "source", "register", "schema", "action", "changes") == [
        ("by hand", "geo", "town", "create", 1),
        ("by hand", "geo", "town", "update", 1),
        ("rivers", "water", "river", "create", 1),
        ("towns", "geo", "town", "create", 3),
        ("towns", "geo", "town", "delete", 1),
        ("towns", "geo", "town", "update", 1),
        ("villages", "geo", "town", "create", 7),
        ("villages", "geo", "town", "update", 1),
    ]


def _error_rate(rows: Rows) -> None:
    now = datetime.now(UTC)
    monday = (now - timedelta(days=now.weekday())).date()
    found = {row["source"]: (row["rows_read"], row["errors"]) for row in rows}
    assert found == {"towns": (7, 2), "villages": (8, 0), "rivers": (1, 0), "lakes": (0, 0)}
    assert rows[0]["source"] == "towns"
    assert float(rows[0]["error_percent"]) == 28.57
    assert {row["week"] for row in rows} <= {monday, monday - timedelta(days=7)}


def _stale(rows: Rows) -> None:
    assert _pick(rows, "name", "fresh_within", "last_sync") == [("lakes", timedelta(hours=1), None)]


def _history(rows: Rows) -> None:
    assert _pick(rows, "version", "action", "source", "field", "old", "new") == [
        (1, "create", "towns", None, None, None),
        (2, "update", "towns", "inhabitants", "917", "918"),
    ]


def _counts(rows: Rows) -> None:
    assert _pick(rows, "register", "schema", "source", "live", "deleted") == [
        ("geo", "town", "by hand", 1, 0),
        ("geo", "town", "towns", 2, 1),
        ("geo", "town", "villages", 7, 0),
        ("water", "river", "rivers", 1, 0),
    ]


def _durations(rows: Rows) -> None:
    assert {row["source"]: row["runs"] for row in rows} == {
        "towns": 2,
        "villages": 2,
        "rivers": 1,
        "lakes": 1,
    }
    for row in rows:
        assert 0 < row["median_s"] <= row["p95_s"] <= float(row["longest_s"])


def _last_runs(rows: Rows) -> None:
    assert _pick(rows, "name", "state", "errors") == [
        ("lakes", "failed", 0),
        ("rivers", "done", 0),
        ("towns", "partial", 1),
        ("villages", "done", 0),
    ]
    assert "lakes" in rows[0]["message"]


def _reasons(rows: Rows) -> None:
    assert _pick(rows, "source", "stage", "field", "rows") == [("towns", "validate", "name", 1)]
    assert "required" in rows[0]["reason"]


def _waiting(rows: Rows) -> None:
    assert _pick(rows, "source", "key") == [("towns", "0001")]
    assert rows[0]["waiting"] > timedelta(days=1)


def _fields(rows: Rows) -> None:
    assert _pick(rows, "register", "schema", "field", "changes", "objects") == [
        ("geo", "town", "inhabitants", 2, 2),
        ("geo", "town", "name", 1, 1),
    ]


def _gone(rows: Rows) -> None:
    assert _pick(rows, "register", "schema", "source", "key") == [("geo", "town", "towns", "0599")]
    assert rows[0]["data"]["name"] == "Town 0599"


def _by_hand(rows: Rows) -> None:
    assert _pick(rows, "actor", "action", "changes") == [
        ("web:ann", "update", {"name": {"old": "Made by hand", "new": "Changed by hand"}}),
        ("web:ann", "create", None),
    ]


def _shrunk(rows: Rows) -> None:
    assert _pick(rows, "source", "read", "usual") == [("villages", 1, 7.0)]


def _jobs(rows: Rows) -> None:
    assert _pick(rows, "source", "schedule") == [("towns", "every 15 minutes")]


def _figures(rows: Rows) -> None:
    assert _pick(rows, "century", "towns", "inhabitants") == [
        (12.0, 1, None),
        (13.0, 1, None),
        (None, 8, 601),
    ]
    assert float(rows[0]["mean_area"]) == 99.2


def _tags(rows: Rows) -> None:
    assert _pick(rows, "tag", "towns") == [("port", 2), ("capital", 1)]


def _left_out(rows: Rows) -> None:
    assert sorted(_pick(rows, "_source", "_key", "inhabitants")) == [
        ("towns", "0344", "374"),
        ("towns", "0363", "918"),
    ]


def _twice(rows: Rows) -> None:
    assert _pick(rows, "name", "objects", "sources") == [("Town 0363", 2, ["towns", "villages"])]


CHECKS: dict[str, Callable[[Rows], None]] = {
    "What changed yesterday, and by which source?": _changed,
    "How many rows fail, per source and week?": _error_rate,
    "Which sources are past their freshness promise?": _stale,
    "What is the history of one object?": _history,
    "How many objects are there, by register, schema and source?": _counts,
    "How long do the syncs take?": _durations,
    "How did the last run of every source end?": _last_runs,
    "Why are rows rejected?": _reasons,
    "Which rejected rows wait for more than a day?": _waiting,
    "Which fields change most?": _fields,
    "What disappeared in the last week?": _gone,
    "What did people change by hand?": _by_hand,
    "Did a source suddenly deliver far less than before?": _shrunk,
    "Which background jobs fail, or are late?": _jobs,
    "Figures from the objects themselves": _figures,
    "Which objects have a certain value in a list?": _tags,
    "Which values does a typed view leave out?": _left_out,
    "Does the same thing come from two sources?": _twice,
}


def test_every_query_of_the_page_is_checked() -> None:
    assert list(QUERIES) == list(CHECKS)


@pytest.mark.parametrize("question", CHECKS)
def test_a_query_of_the_page_answers_its_question(
    ask: Callable[[str], Rows], question: str
) -> None:
    rows = ask(QUERIES[question])
    assert rows
    CHECKS[question](rows)
