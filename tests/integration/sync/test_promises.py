"""Promises about sources that no other test proves from end to end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from app.database import instance_settings
from app.operations import jobs
from app.sync import run as running
from app.sync.postgres.dry_run import DryRunObjects
from app.sync.report import RunState
from app.sync.run import Request
from tests.integration.bench import Bench, figures
from tests.servers.http_api import HttpApi, always, status


@pytest.fixture
def api() -> Iterator[HttpApi]:
    with HttpApi() as server:
        yield server


def execute(bench: Bench, statement: str) -> None:
    with bench.app.engine.begin() as connection:
        connection.execute(sa.text(statement))


@pytest.mark.promise("a rate limit ends the run")
@pytest.mark.promise("a source asks to wait")
def test_a_source_that_asks_for_patience_comes_back_when_it_said(
    bench: Bench, api: HttpApi
) -> None:
    """Not slept through, and not by the back-off of failures either."""
    api.on("/places", [status(429, Retry_After="3600"), always([{"code": "1", "name": "One"}])])
    bench.define(
        type="rest",
        connection={"url": api.url, "endpoint": "/places", "pagination": "none"},
        schedule="daily",
    )
    execute(bench, "UPDATE openregister.jobs SET next_run = now() WHERE key LIKE 'source:%'")
    outcomes: list[Any] = []
    summary = jobs.tick(bench.app, report=outcomes.append)
    assert (summary.ran, summary.failed) == (1, 0)
    assert [outcome.state for outcome in outcomes] == ["released"]
    wait = "SELECT next_run - now() FROM openregister.jobs WHERE key LIKE 'source:%'"
    assert timedelta(minutes=50) < bench.scalar(wait) <= timedelta(hours=1)
    execute(bench, "UPDATE openregister.jobs SET next_run = now() WHERE key LIKE 'source:%'")
    jobs.tick(bench.app, report=outcomes.append)
    assert outcomes[-1].state == "done"
    assert len(bench.objects()) == 1


@pytest.mark.promise("a second attempt creates duplicates")
def test_the_database_itself_refuses_a_second_object_of_one_key(bench: Bench) -> None:
    bench.define()
    bench.write([{"code": "1", "name": "One"}])
    bench.sync()
    again = (
        "INSERT INTO openregister.objects (uuid, register_id, schema_id, source_id, target,"
        " source_key, data, data_hash) SELECT gen_random_uuid(), register_id, schema_id,"
        " source_id, target, source_key, data, data_hash FROM openregister.objects"
    )
    with pytest.raises(sa.exc.IntegrityError) as caught:
        execute(bench, again)
    assert isinstance(caught.value.orig, psycopg.errors.UniqueViolation)


@pytest.mark.promise("deletions never arrive")
def test_the_full_pass_of_an_incremental_source_finds_what_is_gone(
    bench: Bench, tmp_path: Path
) -> None:
    path = tmp_path / "source.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE places (code text PRIMARY KEY, name text, changed integer)")
        database.executemany(
            "INSERT INTO places VALUES (?, ?, ?)", [(str(n), f"Place {n}", n) for n in range(20)]
        )
        database.commit()
        bench.define(
            {"fields": {"code": "code", "name": "name"}, "passthrough": False},
            type="database",
            connection={
                "dialect": "sqlite",
                "database": str(path),
                "table": "places",
                "cursor": "changed",
            },
            on_missing="delete",
            full_every="7 days",
        )
        assert figures(bench.sync(), "created") == {"created": 20}
        database.execute("DELETE FROM places WHERE code = '3'")
        database.execute("INSERT INTO places VALUES ('20', 'Place 20', 20)")
        database.commit()
        run = bench.sync()
        assert figures(run, "created", "deleted", "held") == {
            "created": 1,
            "deleted": 0,
            "held": 0,
        }
        assert "3" in bench.objects()
        execute(bench, "UPDATE openregister.sources SET last_full = now() - interval '8 days'")
        assert figures(bench.sync(), "created", "deleted") == {"created": 0, "deleted": 1}
        assert "3" not in bench.objects()


@pytest.mark.promise("a dry run writes")
def test_a_dry_run_could_not_write_if_it_wanted_to(bench: Bench) -> None:
    class Nobody:
        def __call__(self, changes: Any) -> None: ...

        def missing(self, missing: Any) -> None: ...

    with (
        DryRunObjects(bench.app.engine, 1, Nobody()) as objects,
        objects.transaction(0),
    ):
        assert objects._lane is not None
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            objects._lane.connection.execute("DELETE FROM openregister.sources")


def test_the_settings_of_the_instance_are_the_defaults_of_its_sources(
    bench: Bench, api: HttpApi
) -> None:
    def configure(key: str, value: str) -> None:
        with bench.app.engine.begin() as connection:
            instance_settings.put(connection, key, value, bench.app.box)

    rows = [{"code": f"{n:02}", "name": f"Place {n}"} for n in range(30)]
    configure("source.batch_size", "10")
    bench.define(on_missing="delete")
    bench.write(rows)
    batches: list[int] = []
    run = running.run(
        bench.app,
        "places",
        Request(),
        observe=lambda counters, total: batches.append(counters.read),
    ).run
    assert run.state is RunState.DONE
    assert batches == [10, 20, 30]

    bench.write(rows[:15])
    configure("source.delete_guard_share", "0.6")
    assert figures(bench.sync(), "deleted", "held") == {"deleted": 15, "held": 0}

    configure("source.retries", "1")
    api.on("/places", status(503))
    connection = {"url": api.url, "endpoint": "/places", "pagination": "none"}
    bench.define(type="rest", connection=connection)
    assert bench.sync().state is RunState.FAILED
    assert len(api.calls) == 2
