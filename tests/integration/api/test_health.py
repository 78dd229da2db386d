"""`/health` and `/metrics`: what a monitor outside hears, for each thing that can be wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql
from sqlalchemy.engine import make_url

from app.sync import run
from app.sync.run import Request
from app.users.roles import Role
from app.version import __version__
from tests.integration.served import Client, Server

LABELS = {"version", "source", "state", "fate", "status", "health"}
UNITS = ("_seconds", "_bytes", "_info", "_total")
COUNTED = ("_runs", "_rows", "_jobs", "_failures", "_fresh", "_entries", "_complete")
STATES = ("_status", "_health")
LATE_JOB = (
    "INSERT INTO openregister.jobs (handler, key, schedule, next_run)"
    " VALUES ('housekeeping.clean_up', 'x', 'daily', now() - interval '1 hour')"
)


def checks(server: Server) -> dict[str, dict[str, Any]]:
    answer = server.as_(Role.VIEWER).json("/health")
    return {check["name"]: check for check in answer["checks"]}


def execute(server: Server, statement: str) -> None:
    with server.app.engine.begin() as connection:
        connection.execute(sa.text(statement))


@pytest.fixture
def source(server: Server, editor: Client, tmp_path: Any) -> str:
    """A source `towns` of a file with two rows."""
    file = tmp_path / "open" / "towns.csv"
    file.write_text("code\nams\nrtm\n")
    answer = editor.post(
        "/api/sources",
        {
            "name": "towns", "type": "files",
            "connection": {"path": str(file), "format": "csv"},
            "target": {"register": "geo", "schema": "town"},
            "mapping": {"key": "code", "fields": {"code": "code"}},
        },
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return "towns"


def test_health_names_every_check_to_who_is_signed_in_and_none_to_others(server: Server) -> None:
    assert server.anonymous().json("/health") == {"status": "ok"}
    found = checks(server)
    names = ["database", "migrations", "cron", "worker", "sources", "rejected", "freshness"]
    assert list(found) == names
    assert {check["state"] for check in found.values()} == {"ok"}


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("UPDATE openregister.sources SET schedule = 'hourly'", "cron"),
        (LATE_JOB, "worker"),
        ("UPDATE openregister.sources SET status = 'error'", "sources"),
        (
            """UPDATE openregister.sources SET options = '{"fresh_within": "1 hour"}'""",
            "freshness",
        ),
    ],
)
def test_what_wants_attention_is_a_warning(server: Server, change: str, name: str) -> None:
    execute(server, change)
    assert server.anonymous().json("/health") == {"status": "warning"}
    wrong = {found for found, check in checks(server).items() if check["state"] == "warning"}
    assert wrong == {name}


@pytest.mark.parametrize("version", ["9999", None], ids=["newer", "none"])
def test_a_database_in_another_form_fails(server: Server, version: str | None) -> None:
    execute(
        server,
        f"UPDATE openregister.alembic_version SET version_num = '{version}'"  # noqa: S608
        if version
        else "DELETE FROM openregister.alembic_version",
    )
    answer = server.anonymous().get("/health")
    assert (answer.status_code, answer.json()) == (503, {"status": "failing"})


@pytest.fixture
def locked_out(server: Server) -> Iterator[None]:
    """The server's database lets nobody in any more, and has shown the gate to who was there."""
    url = make_url(str(server.app.engine.url.render_as_string(hide_password=False)))
    admin = url.set(drivername="postgresql", database="postgres")
    name = sql.Identifier(str(url.database))
    address = admin.render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [url.database],
        )
        yield
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))


@pytest.mark.usefixtures("locked_out")
def test_a_database_that_is_away_fails_and_so_does_who_wants_to_sign_in(server: Server) -> None:
    answer = server.anonymous().get("/health")
    assert (answer.status_code, answer.json()) == (503, {"status": "failing"})
    assert server.as_(Role.VIEWER).get("/health").status_code == 503
    assert server.as_(Role.VIEWER).get("/metrics").status_code == 503


def metrics(server: Server) -> dict[str, Any]:
    text = server.as_(Role.VIEWER).get("/metrics").text
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_every_metric_has_a_name_with_its_unit_and_an_explanation(
    server: Server, source: str
) -> None:
    run.run(server.app, source, Request())
    found = metrics(server)
    assert len(found) >= 14
    for name, family in found.items():
        assert re.fullmatch(r"openregister_[a-z_]+", name)
        assert name.endswith((*UNITS, *COUNTED, *STATES)), f"{name} does not say what it counts"
        assert family.documentation
        assert family.type in ("gauge", "counter")
        for sample in family.samples:
            assert sample.labels.keys() <= LABELS


def test_figures_are_those_of_the_runs(server: Server, source: str) -> None:
    run.run(server.app, source, Request())
    run.run(server.app, source, Request(full=True))
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in metrics(server).values()
        for sample in family.samples
    }
    assert values["openregister_build_info", __version__] == 1
    assert values["openregister_runs", "done", "towns"] == 2
    assert values["openregister_rows", "created", "towns"] == 2
    assert values["openregister_rows", "towns", "unchanged"] == 2
    assert values["openregister_last_run_rows", "created", "towns"] == 0
    assert values["openregister_audit_entries_total",] == 2
    assert 0 < values["openregister_last_run_peak_memory_bytes", "towns"] < 2**40


def test_series_do_not_multiply_with_runs_or_objects(server: Server, source: str) -> None:
    run.run(server.app, source, Request())
    before = sum(len(family.samples) for family in metrics(server).values())
    for _ in range(3):
        run.run(server.app, source, Request())
    assert sum(len(family.samples) for family in metrics(server).values()) == before
