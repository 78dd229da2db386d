"""A backup is worth what its restore is: everything is there, verifies, and goes on syncing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from app.database.embedded import programs as binaries
from app.database.embedded.server import EmbeddedServer
from tests.acceptance.command_line import CommandLine
from tests.conftest import DatabaseServer
from tests.servers.http_api import Answer, Call, HttpApi

TOKEN = "canary-2210"
SCHEMA = (
    '{"type": "object", "properties": {"code": {"type": "string"}, "name": {"type": "string"}}}'
)


@pytest.fixture
def api() -> Iterator[HttpApi]:
    """Fifty towns for whoever knows the token."""

    def towns(call: Call) -> Answer:
        if call.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401)
        rows = ",".join(f'{{"code": "{number}", "name": "Town {number}"}}' for number in range(50))
        return Answer(headers={"Content-Type": "application/json"}, body=f"[{rows}]".encode())

    with HttpApi() as server:
        server.on("/towns", towns)
        yield server


def fill(cli: CommandLine, api: HttpApi) -> None:
    """A source with a secret, synced twice: every object was created and then changed."""
    cli("register:add", "geo").ok()
    cli("schema:add", "town", "--register", "geo", "--file", "-", stdin=SCHEMA).ok()
    cli.having(TOWN_TOKEN=TOKEN)(
        *("source:add", "towns", "--type", "rest", "--register", "geo", "--schema", "town"),
        *("--set", f"url={api.url}", "--set", "endpoint=/towns", "--set", "auth.type=bearer"),
        *("--secret", "auth.token=env:TOWN_TOKEN", "--key", "code", "--schedule", "hourly"),
        *("--map", "code=code", "--map", "name=name", "--no-test"),
    ).ok()
    assert cli.json("source:run", "towns")["created"] == 50
    cli("source:edit", "towns", "--map", "name={{ name }}!", "--no-test").ok()
    assert cli.json("source:run", "towns")["updated"] == 50


def content(url: str, but: Sequence[str] = ()) -> dict[str, list[str]]:
    """Every row of every table, by the name of the table; without columns named in `but`."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'openregister' ORDER BY 1"
        ).fetchall()
        return {
            name: sorted(
                str(row)
                for (row,) in connection.execute(
                    sql.SQL("SELECT to_jsonb(t) - %s::text[] FROM openregister.{} t").format(
                        sql.Identifier(name)
                    ),
                    (list(but),),
                )
            )
            for (name,) in tables
        }


def goes_on(
    cli: CommandLine, url: str, before: dict[str, list[str]], but: Sequence[str] = ()
) -> None:
    """Nothing is missing, the trail verifies, and the next sync finds nothing to do."""
    assert content(url, but) == before
    assert len(before["objects"]) == 50
    assert len(before["audit_trails"]) == 100
    cli("audit:verify").ok()
    # which takes the token from the stored secret
    again = cli.json("source:run", "towns", "--full")
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 50)
    with (
        psycopg.connect(url) as connection,
        pytest.raises(psycopg.errors.DatabaseError, match="append-only"),
    ):
        connection.execute("UPDATE openregister.audit_trails SET actor = 'x'")


def test_a_dump_restored_elsewhere_goes_on_where_the_old_one_was(
    cli: CommandLine, database_url: str, api: HttpApi, embedded_server: DatabaseServer
) -> None:
    fill(cli, api)
    before = content(database_url)
    programs, dump = binaries.newest(), cli.directory / "backup.dump"
    subprocess.run([programs / "pg_dump", "-Fc", "-f", dump, database_url], check=True)
    with embedded_server.empty_database() as url:
        subprocess.run(
            [programs / "pg_restore", "--no-owner", "--exit-on-error", "-d", url, dump], check=True
        )
        goes_on(cli.having(OPENREGISTER_DATABASE_URL=url), url, before)


def test_without_the_key_the_objects_are_there_and_the_secrets_say_what_is_missing(
    cli: CommandLine, database_url: str, api: HttpApi, embedded_server: DatabaseServer
) -> None:
    fill(cli, api)
    before = content(database_url)
    programs = binaries.newest()
    dump = subprocess.run(
        [programs / "pg_dump", database_url], stdout=subprocess.PIPE, check=True
    ).stdout
    assert TOKEN.encode() not in dump
    with embedded_server.empty_database() as url:
        subprocess.run(
            [programs / "psql", "-q", "--set", "ON_ERROR_STOP=1", "-d", url],
            input=dump,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        elsewhere = cli.having(
            OPENREGISTER_DATABASE_URL=url, OPENREGISTER_DATA_DIR=str(cli.directory / "new")
        )
        assert content(url)["objects"] == before["objects"]
        refused = elsewhere("source:test", "towns", "--output", "json")
        assert refused.exit_code == 1
        assert "key" in refused.json["error"]["what"]
        assert "Restore the key from the backup" in refused.json["error"]["hint"]
        key = next((cli.directory / "data").glob("*.key")).read_text().strip()
        goes_on(elsewhere.having(OPENREGISTER_SECRET_KEY=key), url, before)


def test_an_embedded_database_is_dumped_and_restored_with_our_own_commands(
    bare_cli: CommandLine, api: HttpApi, embedded_data_dir: Path
) -> None:
    old = bare_cli.having(OPENREGISTER_DATA_DIR=str(embedded_data_dir))
    again = embedded_data_dir.parent / "again"
    new = bare_cli.having(OPENREGISTER_DATA_DIR=str(again))
    dump, half = bare_cli.directory / "backup.sql", bare_cli.directory / "half.sql"
    with EmbeddedServer(embedded_data_dir) as url:
        old("upgrade").ok()
        fill(old, api)
        before = content(url)
        dump.write_text(old("db:dump").ok().stdout)
        refused = old("db:restore", str(dump))
    assert TOKEN not in dump.read_text()
    assert refused.exit_code == 2
    assert "not empty" in refused.stderr
    with EmbeddedServer(again) as url:
        half.write_text(dump.read_text().rpartition("CREATE TRIGGER")[0] + "SELECT 1/0;")
        broken = new("db:restore", str(half))
        assert broken.exit_code == 1
        assert "division by zero" in broken.stderr
        assert content(url) == {}

        new("db:restore", "-", stdin=dump.read_text()).ok()
        key = next(embedded_data_dir.glob("*.key"))
        shutil.copy(key, again / key.name)
        goes_on(new, url, before)
    assert new.json("db:stop") == {"stopped": False}


def test_restore_is_for_the_embedded_database(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "backup.sql").write_text("SELECT 1;")
    refused = cli("db:restore", "backup.sql")
    assert refused.exit_code == 2
    assert "psql" in refused.stderr
