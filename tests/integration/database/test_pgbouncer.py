"""Everything works through pgbouncer, in session mode and in transaction mode.

What it refuses and what it does not keep: pgbouncer/pgbouncer, issues 875 and 653.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from app.database import engine as engines
from connectors.database import DatabaseConnector
from connectors.databases.settings import DatabaseConfig
from connectors.sdk.config import parse
from connectors.sdk.testing import read_all, rows_of
from jobs import store
from tests.acceptance.command_line import CommandLine
from tests.conftest import DatabaseServer
from tests.servers import pgbouncer, postgresql, processes

MODES = ("session", "transaction")


@pytest.fixture(scope="module", params=MODES)
def pooler(
    request: pytest.FixtureRequest,
    installed_server: DatabaseServer,
    tmp_path_factory: pytest.TempPathFactory,
    shared_servers: Path,
) -> Iterator[tuple[str, int]]:
    """A pooler's mode and port."""
    folder = shared_servers / f"pgbouncer-{request.param}"
    server = make_url(installed_server.url("postgres"))

    def prepare(data: Path) -> processes.Server:
        user = server.username or postgresql.OWNER
        return pgbouncer.prepare(data, server.port or 5432, user, request.param)

    with processes.shared(folder, prepare) as port:
        yield request.param, port


@pytest.fixture
def pooled(pooler: tuple[str, int], installed_server: DatabaseServer) -> Iterator[tuple[str, str]]:
    """A mode, and the URL of an empty database through it; its own time zone is not UTC."""
    mode, port = pooler
    with installed_server.empty_database() as url:
        direct = make_url(url)
        engine = sa.create_engine(direct.set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:
            connection.execute(
                sa.text(f"ALTER DATABASE {direct.database} SET timezone = 'Asia/Tokyo'")
            )
        engine.dispose()
        through = direct.set(host="127.0.0.1", port=port)
        yield mode, through.render_as_string(hide_password=False)
        # a pooler keeps connections to a database that the test is about to drop: FORCE does


@pytest.fixture
def cli(pooled: tuple[str, str], tmp_path: Path) -> CommandLine:
    mode, url = pooled
    return CommandLine(
        tmp_path,
        {
            "OPENREGISTER_DATABASE_URL": url,
            "OPENREGISTER_DATABASE_POOLER": mode,
            "OPENREGISTER_DATA_DIR": str(tmp_path / "data"),
        },
    )


def rows(count: int, name: str) -> str:
    return "".join(json.dumps({"code": f"{i:05}", "name": name}) + "\n" for i in range(count))


def define(cli: CommandLine, *options: str) -> Path:
    path = cli.directory / "towns.ndjson"
    path.write_text(rows(2500, "one"))
    cli("upgrade").ok()
    cli("register:add", "geo").ok()
    schema = {"type": "object", "properties": {"code": {"type": "string"}}}
    cli("schema:add", "town", "--register", "geo", "--file", "-", stdin=json.dumps(schema)).ok()
    cli(
        *("source:add", "towns", "--type", "files", "--register", "geo", "--schema", "town"),
        *("--set", f"path={path}", "--key", "code", "--map", "code=code", "--map", "name=name"),
        *("--no-test", *options),
    ).ok()
    return path


@pytest.mark.promise("a request that keeps the database busy")
def test_statements_are_limited_through_a_pooler(pooled: tuple[str, str]) -> None:
    mode, url = pooled
    limited, free = (engines.create(url, pooler=mode) for _ in range(2))  # type: ignore[arg-type]
    engines.limit_statements(limited, 7)
    found = sa.text("SHOW statement_timeout")
    for _ in range(5):
        with limited.connect() as one, free.connect() as other:
            assert one.scalar(found) == "7s"
            assert other.scalar(found) == "0"
    limited.dispose()
    free.dispose()


def test_sessions_are_in_utc_through_a_pooler(pooled: tuple[str, str]) -> None:
    mode, url = pooled
    engine = engines.create(url, pooler=mode)  # type: ignore[arg-type]
    # more connections than the pooler has in transaction mode, so that they share sessions
    with engine.connect() as a, engine.connect() as b, engine.connect() as c:
        for _ in range(20):
            for connection in (a, b, c):
                moment = connection.execute(
                    sa.text("SELECT now(), current_setting('timezone'), CAST(:n AS int)"), {"n": 1}
                ).one()
                assert moment[1] == "UTC"
                connection.commit()
    engine.dispose()


@pytest.mark.promise("a connection pooler breaks the application")
def test_a_register_is_made_synced_and_verified_through_a_pooler(cli: CommandLine) -> None:
    path = define(cli)
    first = cli.json("source:run", "towns")
    assert first["created"] == 2500
    path.write_text(rows(2400, "two"))
    dry = cli("source:run", "towns", "--dry-run", "--output", "json").json
    assert dry["updated"] == 2400
    second = cli.json("source:run", "towns")
    assert second["updated"] == 2400
    assert second["state"] == "done"
    assert cli.json("source:run", "towns")["state"] == "done"
    cli("audit:verify").ok()
    cli("reporting:refresh").ok()
    cli("upgrade").ok()  # its advisory lock is one of the transaction
    cli("status").ok()


@pytest.mark.promise("a connection pooler breaks the application")
def test_a_worker_takes_what_is_asked_for_through_a_pooler(cli: CommandLine) -> None:
    define(cli, "--schedule", "daily 03:00")
    cli("config:set", "queue.max_parallel", "2").ok()  # claims under an advisory lock
    engine = engines.create(
        cli.settings["OPENREGISTER_DATABASE_URL"],
        pooler=cli.settings["OPENREGISTER_DATABASE_POOLER"],  # type: ignore[arg-type]
    )
    process = cli.start("background-job:worker", "--output", "json")
    try:
        time.sleep(2)
        with engine.begin() as connection:
            (job,) = [job for job in store.every(connection) if job.name.startswith("source:")]
            assert store.run_now(connection, job.id)
        began = time.monotonic()
        while not cli.json("source:runs", "towns") and time.monotonic() < began + 20:
            time.sleep(0.2)
        while cli.json("source:runs", "towns")[0]["state"] == "running":
            time.sleep(0.2)
        (run,) = cli.json("source:runs", "towns")
        assert (run["state"], run["created"]) == ("done", 2500)
    finally:
        engine.dispose()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said


def source(url: str, **more: Any) -> dict[str, Any]:
    parsed = make_url(url)
    return {
        "dialect": "postgresql",
        "host": parsed.host,
        "port": parsed.port,
        "database": parsed.database,
        "user": parsed.username,
        **more,
    }


@pytest.mark.promise("a connection pooler breaks the application")
@pytest.mark.parametrize("how", [{}, {"cursor": "id"}, {"change_detection": "pushdown"}])
def test_a_source_behind_a_pooler_is_read(pooled: tuple[str, str], how: dict[str, Any]) -> None:
    _, url = pooled
    engine = engines.create(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE things AS SELECT n AS id, 'name ' || n AS name,"
            " timestamptz '2024-06-01 12:00Z' AS at FROM generate_series(1, 3000) n"
        )
        connection.exec_driver_sql("ALTER TABLE things ADD PRIMARY KEY (id)")
    for _ in range(4):  # each anew, on sessions of the same pool
        connector = DatabaseConnector(parse(DatabaseConfig, source(url, table="things", **how)))
        connector.check()
        batches = read_all(connector)
        found = rows_of(batches)
        assert len(found) == 3000
        assert found[0].data["at"] == "2024-06-01T12:00:00Z"
        read_all(connector, batches[-1].cursor)
    engine.dispose()
