"""What PostgreSQL refuses is told in words with a remedy, and what passes by itself is tried again.

Every error here comes from a real server. Codes of the situations that no test can bring about are
raised by the server all the same.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from app.database import engine as engines
from app.database import errors
from app.errors import (
    ConflictError,
    DatabaseBusyError,
    DatabaseError,
    DatabaseUnreachableError,
    UnusableValueError,
)
from app.http import problems
from app.sync import lanes
from app.sync import run as running
from app.sync.report import RunState
from app.sync.run import Request
from tests.acceptance.command_line import CommandLine
from tests.conftest import DatabaseServer
from tests.integration.bench import Bench, figures
from tests.servers import postgresql

RAW = ("[SQL", "sqlalche.me", "psycopg", "Traceback", "not foreseen", "OperationalError")
"""Nothing of the kind reaches a person."""


@pytest.fixture
def cli(database_url: str, tmp_path: Path) -> CommandLine:
    """The command line on the database of the test."""
    return CommandLine(
        tmp_path,
        {
            "OPENREGISTER_DATABASE_URL": database_url,
            "OPENREGISTER_DATA_DIR": str(tmp_path / "data"),
        },
    )


def raised(connection: sa.Connection, code: str) -> Exception:
    """What a server's error of that code arrives as."""
    with pytest.raises(sa.exc.DBAPIError) as caught:
        connection.exec_driver_sql(
            f"DO $$ BEGIN RAISE EXCEPTION 'said by the server' USING ERRCODE = '{code}'; END $$"
        )
    connection.rollback()
    return caught.value


@pytest.mark.promise("a database error appears as a traceback")
@pytest.mark.promise("the same outside a batch, in a background job")
@pytest.mark.promise("the disk is full, memory ran out, the server is read-only")
@pytest.mark.parametrize(
    ("code", "kind", "words", "passes"),
    [
        ("57P01", DatabaseBusyError, "shutting down", True),
        ("57P03", DatabaseBusyError, "starting up", True),
        ("57014", DatabaseBusyError, "too long", True),
        ("55P03", DatabaseBusyError, "holds a lock", True),
        ("40P01", DatabaseBusyError, "waited for each other", True),
        ("40001", DatabaseBusyError, "same rows", True),
        ("53300", DatabaseBusyError, "no free connection", True),
        ("08006", DatabaseBusyError, "broke off", True),
        ("53100", DatabaseError, "disk of the database server is full", False),
        ("53200", DatabaseError, "out of memory", False),
        ("25006", DatabaseError, "accepts no changes", False),
        ("42501", DatabaseError, "no right", False),
        ("42P01", DatabaseError, "not those of this version", False),
        ("42P05", DatabaseError, "pooler in transaction mode", False),
        ("58030", DatabaseError, "read or write its files", False),
        ("XX001", DatabaseError, "internal error", False),
        ("XX000", DatabaseError, "internal error", False),
        ("23505", ConflictError, "a moment earlier", False),
        ("22021", UnusableValueError, "can hold", False),
        ("54000", UnusableValueError, "too large", False),
        ("42601", DatabaseError, "refused a statement", False),
    ],
)
def test_a_code_of_the_server_is_told_in_words(
    engine: sa.Engine, code: str, kind: type[Exception], words: str, passes: bool
) -> None:
    with engine.connect() as connection:
        error = raised(connection, code)
    found = errors.translate(error, "db.example.org/register")
    assert type(found) is kind or isinstance(found, kind)
    assert words in found.what
    assert found.hint
    assert "db.example.org/register: said by the server" in found.where
    assert not any(raw in str(found) for raw in RAW)
    assert (errors.retry_in(error) is not None) is passes


@pytest.mark.promise("a database error appears as a traceback")
def test_a_page_and_a_program_get_the_words_and_never_the_statement(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        problem = problems.describe(raised(connection, "53100"))
        busy = problems.describe(raised(connection, "57P01"))
    assert (problem.status, problem.kind) == (503, "DatabaseError")
    assert "disk" in problem.detail
    assert problem.where == ""  # the server's own words are for the log
    assert "Retry-After" in busy.headers
    assert not any(raw in str(problem.document()) for raw in RAW)


def test_a_pool_that_is_used_up_is_told_without_a_link(any_database_url: str) -> None:
    engine = sa.create_engine(
        engines.parse_url(any_database_url), pool_size=1, max_overflow=0, pool_timeout=0.1
    )
    with engine.connect(), pytest.raises(sa.exc.TimeoutError) as caught, engine.connect():
        pass
    engine.dispose()
    found = errors.translate(caught.value)
    assert isinstance(found, DatabaseBusyError)
    assert "sqlalche.me" not in str(found)


# What a person sees, with the real thing happening


def alter(url: str, statement: str) -> None:
    parsed = make_url(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.format(database=parsed.database))


@pytest.mark.parametrize(
    ("setting", "words", "remedy"),
    [
        ("default_transaction_read_only = on", "accepts no changes", "target_session_attrs"),
    ],
)
def test_a_command_says_what_the_server_does_not_allow(
    cli: CommandLine, database_url: str, setting: str, words: str, remedy: str
) -> None:
    alter(database_url, f"ALTER DATABASE {{database}} SET {setting}")
    done = cli("register:add", "geo")
    assert done.exit_code == 1
    assert words in done.stderr
    assert remedy in done.stderr
    assert not any(raw in done.stderr for raw in RAW)


def test_a_statement_that_takes_too_long_is_told(cli: CommandLine, database_url: str) -> None:
    alter(database_url, "ALTER DATABASE {database} SET statement_timeout = '500ms'")
    with psycopg.connect(database_url) as holder:
        holder.execute("SET statement_timeout = 0")
        holder.execute("LOCK TABLE openregister.registers")
        done = cli("register:add", "geo")
    assert done.exit_code == 1
    assert "took too long" in done.stderr
    assert "statement_timeout" in done.stderr
    assert not any(raw in done.stderr for raw in RAW)


def test_a_lock_that_is_held_is_told(cli: CommandLine, database_url: str) -> None:
    alter(database_url, "ALTER DATABASE {database} SET lock_timeout = '200ms'")
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE openregister.registers")
        done = cli("register:add", "geo")
    assert done.exit_code == 1
    assert "Another session holds a lock" in done.stderr
    assert not any(raw in done.stderr for raw in RAW)


def test_too_many_connections_are_told(cli: CommandLine, database_url: str) -> None:
    url = make_url(database_url)
    role = f"openregister_few_{os.getpid()}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0")
        mine = url.set(username=role).render_as_string(hide_password=False)
        done = cli.having(OPENREGISTER_DATABASE_URL=mine)("register:list")
        connection.execute(f"DROP ROLE {role}")
    assert done.exit_code == 1
    assert "no free connection" in done.stderr
    assert "max_connections" in done.stderr


def test_nobody_at_the_address_is_told(cli: CommandLine) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"postgresql://me:s3cret@127.0.0.1:{unused.getsockname()[1]}/register"
        done = cli.having(OPENREGISTER_DATABASE_URL=url)("register:list", "--output", "json")
    assert done.exit_code == 1
    assert "Nothing accepts connections" in done.stderr + done.stdout
    assert "s3cret" not in done.stderr + done.stdout


@pytest.fixture
def tiny_disk() -> Iterator[Path]:
    """A directory on a file system of a few megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system; the code of a full disk is tested")
    path = Path(tempfile.mkdtemp(prefix="openregister-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", path], check=True)
    shutil.chown(path, postgresql.account() or os.geteuid())
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)
        path.rmdir()


@pytest.mark.promise("a database error appears as a traceback")
@pytest.mark.promise("the disk is full, memory ran out, the server is read-only")
def test_a_full_disk_is_a_failed_run_that_says_so(
    installed_server: DatabaseServer, tmp_path: Path, tiny_disk: Path
) -> None:
    space = f"tiny_{os.getpid()}"
    with installed_server.migrated_database() as url:
        alter(url, f"CREATE TABLESPACE {space} LOCATION '{tiny_disk}'")
        alter(url, f"ALTER TABLE openregister.objects SET TABLESPACE {space}")
        cli = CommandLine(
            tmp_path,
            {"OPENREGISTER_DATABASE_URL": url, "OPENREGISTER_DATA_DIR": str(tmp_path / "data")},
        )
        big = tmp_path / "big.csv"
        lines = [f"{i},{os.urandom(600).hex()}" for i in range(6000)]
        big.write_text("\n".join(["code,text", *lines]))
        cli("register:add", "geo").ok()
        schema = '{"type": "object", "properties": {"code": {"type": "string"}}}'
        cli("schema:add", "town", "--register", "geo", "--file", "-", stdin=schema).ok()
        cli(
            *("source:add", "towns", "--type", "files", "--register", "geo", "--schema", "town"),
            *("--set", f"path={big}", "--key", "code", "--map", "code=code", "--map", "text=text"),
            "--no-test",
        ).ok()
        done = cli("source:run", "towns")
        assert done.exit_code == 1
        assert "The disk of the database server is full" in done.stderr
        assert not any(raw in done.stderr for raw in RAW)
        (run,) = cli.json("source:runs", "towns")
        assert run["state"] == "failed"
        assert "disk" in run["message"]
    with psycopg.connect(installed_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP TABLESPACE {space}")


# What passes by itself


ROWS = [{"code": f"{i:04}", "name": "x", "size": i} for i in range(2500)]


@pytest.mark.promise("a restart of the database ends every sync")
@pytest.mark.promise(
    "a connection is cut; the server restarts, is starting up or has no free connection"
)
def test_a_batch_whose_connection_was_ended_is_done_again(bench: Bench) -> None:
    bench.define()
    bench.write(ROWS)
    ended: list[int] = []

    def end_it(*_: Any) -> None:
        if not ended:  # once, after the first batch: the lanes' connections are open
            with bench.app.engine.connect() as connection:
                ended.append(
                    connection.scalar(
                        sa.text(
                            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                        )
                    )
                )

    run = running.run(bench.app, "places", Request(), observe=end_it).run
    assert ended[0] >= 1
    assert run.state is RunState.DONE
    assert figures(run) == {"read": 2500, "created": 2500}
    assert len(bench.objects()) == 2500


@pytest.mark.promise("a deadlock, a lock timeout, rows that somebody else changed")
def test_a_batch_that_met_a_deadlock_or_a_lock_is_done_again(bench: Bench) -> None:
    bench.define()
    bench.write(ROWS[:5])
    bench.sync()
    url = bench.app.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    alter(url, "ALTER DATABASE {database} SET lock_timeout = '300ms'")
    bench.app.engine.dispose()
    bench.write([{**row, "name": "y"} for row in ROWS[:5]])
    with psycopg.connect(url) as holder:
        holder.execute("SELECT FROM openregister.objects WHERE source_key = '0003' FOR UPDATE")
        threading.Timer(0.6, holder.rollback).start()
        run = bench.sync()
    assert (run.state, run.counters.updated) == (RunState.DONE, 5)


@pytest.mark.promise("a restart of the database ends every sync")
@pytest.mark.promise(
    "a connection is cut; the server restarts, is starting up or has no free connection"
)
def test_a_database_that_stays_away_ends_the_run_with_the_reason(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "PAUSES", (0.01, 0.01))
    bench.define()
    bench.write(ROWS[:3])
    with bench.app.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION public.cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER cut BEFORE INSERT ON openregister.objects"
            " FOR EACH ROW EXECUTE FUNCTION public.cut()"
        )
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        bench.sync()
    assert time.monotonic() - began < 20
    message = bench.scalar("SELECT message FROM openregister.runs")
    assert "an administrator ended the connection" in message
    assert not any(raw in message for raw in RAW)


@pytest.mark.promise("the connection breaks during a commit")
def test_a_batch_whose_commit_was_cut_off_is_left_to_the_next_run(bench: Bench) -> None:
    bench.define()
    bench.write(ROWS[:3])
    with bench.app.engine.begin() as connection:
        connection.exec_driver_sql("CREATE SEQUENCE public.commits")  # no rollback sets it back
        connection.exec_driver_sql(
            "CREATE FUNCTION public.cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM nextval('public.commits');"
            " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
        )
        connection.exec_driver_sql(
            "CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON openregister.objects"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.cut()"
        )
    with pytest.raises(psycopg.OperationalError):
        bench.sync()
    assert bench.scalar("SELECT last_value FROM public.commits") == 1
    assert bench.scalar("SELECT state FROM openregister.runs") == "failed"
    with bench.app.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER cut ON openregister.objects")
    assert figures(bench.sync()) == {"read": 3, "created": 3}


def test_an_unreachable_server_is_one_kind_of_error_everywhere(any_server: DatabaseServer) -> None:
    engine = engines.create(any_server.url("openregister_test_of_nobody"))
    with pytest.raises(DatabaseUnreachableError, match="does not exist"):
        engines.check_server(engine)
