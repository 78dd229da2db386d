"""What the database connector says when a server, a user or a statement fails."""
# ruff: noqa: S608  (statements of made-up tables)

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connectors.database import DatabaseConnector
from connectors.databases.settings import DatabaseConfig
from connectors.sdk import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    Context,
    DataError,
    Limits,
    MissingError,
    Policy,
    RetriableError,
    TrustError,
    UnreachableError,
)
from connectors.sdk.config import parse
from connectors.sdk.testing import read_all
from tests.servers import databases
from tests.servers.databases import SourceDatabase

SERVERS = ("postgresql", "mariadb")
QUICK = Limits(connect_timeout=2, read_timeout=5, total_timeout=20)


@pytest.fixture
def postgres(empty_database_url: str) -> Iterator[SourceDatabase]:
    with databases.postgres(empty_database_url) as found:
        yield found


@pytest.fixture(params=SERVERS)
def database(request: pytest.FixtureRequest) -> Iterator[SourceDatabase]:
    if request.param == "postgresql":
        with databases.postgres(request.getfixturevalue("empty_database_url")) as found:
            yield found
    else:
        yield request.getfixturevalue("mariadb")


def failure(
    document: dict[str, Any], limits: Limits = QUICK, policy: Policy | None = None
) -> ConnectorError:
    """How a check of this source fails."""
    context = Context(limits=limits, policy=policy or Policy())
    with pytest.raises(ConnectorError) as caught:
        DatabaseConnector(parse(DatabaseConfig, document), context).check()
    assert caught.value.hint
    return caught.value


def user(database: SourceDatabase, rights: str = "") -> dict[str, Any]:
    """A new user with a password and these rights on the table `people`, as document fields."""
    name = f"reader_{database.document['database']}"[-30:]
    if database.document["dialect"] == "postgresql":
        database.run(
            f"CREATE ROLE {name} LOGIN PASSWORD 'canary-secret'",
            *([f"GRANT {rights} ON people TO {name}"] if rights else []),
        )
    else:
        database.run(
            f"CREATE USER {name}@'%' IDENTIFIED BY 'canary-secret'",
            f"GRANT {rights or 'CREATE'} ON people TO {name}@'%'",
        )
    return {"user": name, "password": "canary-secret"}


def drop_user(database: SourceDatabase, fields: dict[str, Any]) -> None:
    if database.document["dialect"] == "postgresql":
        database.run(f"DROP OWNED BY {fields['user']}", f"DROP ROLE {fields['user']}")
    else:
        database.run(f"DROP USER {fields['user']}@'%'")


@pytest.fixture
def people(database: SourceDatabase) -> SourceDatabase:
    database.run(
        "CREATE TABLE people (id integer PRIMARY KEY, name varchar(20))",
        "INSERT INTO people VALUES (1, 'one'), (2, 'two')",
    )
    return database


# Reaching the server


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_an_unknown_host_and_a_closed_port_are_named(dialect: str) -> None:
    base = {"dialect": dialect, "database": "x", "user": "u", "table": "t"}
    unknown = failure({**base, "host": "no-such-host.invalid"})
    assert isinstance(unknown, UnreachableError)
    assert "no-such-host.invalid" in str(unknown)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    refused = failure({**base, "host": "127.0.0.1", "port": port})
    assert isinstance(refused, UnreachableError)
    assert "refused the connection" in str(refused)


@pytest.mark.parametrize("dialect", SERVERS)
def test_a_server_that_never_answers_is_given_up(dialect: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        document = {
            "dialect": dialect,
            "host": "127.0.0.1",
            "port": silent.getsockname()[1],
            "database": "x",
            "user": "u",
            "table": "t",
            "timeout": 1,
        }
        error = failure(document, Limits(connect_timeout=1, read_timeout=1))
    assert isinstance(error, UnreachableError)


@pytest.mark.parametrize("dialect", SERVERS)
def test_a_server_of_something_else_is_no_database(dialect: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        document = {
            "dialect": dialect,
            "host": "127.0.0.1",
            "port": server.getsockname()[1],
            "database": "x",
            "user": "u",
            "table": "t",
            "tls": {"mode": "off"},
        }
        error = failure(document)
        thread.join()
    assert isinstance(error, ConnectorError)


@pytest.mark.parametrize("dialect", SERVERS)
def test_an_address_that_the_policy_forbids_is_not_dialled(dialect: str) -> None:
    document = {"dialect": dialect, "host": "127.0.0.1", "database": "x", "table": "t"}
    error = failure(document, policy=Policy(allow_address=lambda host, ip: False))
    assert isinstance(error, AccessDeniedError)


def test_a_local_socket_needs_a_policy_without_limits() -> None:
    document = {"dialect": "postgresql", "host": "/tmp", "database": "x", "table": "t"}
    error = failure(document, policy=Policy(allow_address=lambda host, ip: True))
    assert "local socket" in str(error)


def test_a_missing_driver_is_answered_with_the_install_command() -> None:
    try:
        import oracledb  # noqa: F401
    except ImportError:
        error = failure({"dialect": "oracle", "host": "x", "database": "x", "table": "t"})
        assert "pip install 'openregister[oracle]'" in str(error)


# Getting in


def test_a_wrong_password_is_an_authentication_error(mariadb: SourceDatabase) -> None:
    mariadb.run("CREATE TABLE people (id integer PRIMARY KEY)")
    fields = user(mariadb, "SELECT")
    try:
        document = mariadb.source(**{**fields, "password": "wrong-canary"}, table="people")
        error = failure(document)
    finally:
        drop_user(mariadb, fields)
    assert isinstance(error, AuthenticationError)
    assert "wrong-canary" not in str(error)


def test_postgres_wants_the_right_password_and_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with databases.postgres_with_passwords(tmp_path) as database:
        database.run(
            "CREATE TABLE people (id integer PRIMARY KEY)",
            "INSERT INTO people VALUES (1)",
        )
        fields = user(database, "SELECT")
        read_all(
            DatabaseConnector(parse(DatabaseConfig, database.source(**fields, table="people")))
        )
        for password in ("wrong-canary", ""):
            # a password that the account of this process has must not be tried
            monkeypatch.setenv("PGPASSWORD", "canary-secret")
            document = database.source(user=fields["user"], password=password, table="people")
            error = failure(document)
            assert isinstance(error, AuthenticationError)
            assert "canary" not in str(error)


def test_an_unknown_user_or_database_is_named(people: SourceDatabase) -> None:
    error = failure(people.source(table="people", database="no_such_database"))
    assert isinstance(error, MissingError)
    assert "no_such_database" in str(error)
    error = failure(people.source(table="people", user="no_such_user", password="canary"))
    assert isinstance(error, AuthenticationError)


def test_a_user_without_rights_is_denied(people: SourceDatabase) -> None:
    fields = user(people)
    try:
        error = failure(people.source(**fields, table="people"))
    finally:
        drop_user(people, fields)
    assert isinstance(error, (AccessDeniedError, MissingError))
    assert "canary-secret" not in str(error)


def test_a_user_who_may_only_read_raises_no_warning(people: SourceDatabase) -> None:
    fields = user(people, "SELECT")
    try:
        connector = DatabaseConnector(
            parse(DatabaseConfig, people.source(**fields, table="people"))
        )
        assert not connector.check().warnings
    finally:
        drop_user(people, fields)
    owner = DatabaseConnector(parse(DatabaseConfig, people.source(table="people")))
    assert any(warning.endswith("is enough") for warning in owner.check().warnings)


def test_tls_that_the_server_does_not_offer_is_an_error_when_required(
    mariadb: SourceDatabase,
) -> None:
    assert mariadb.fetch("SELECT @@have_ssl") == [("DISABLED",)]
    error = failure(mariadb.source(table="people", tls={"mode": "require"}))
    assert isinstance(error, TrustError)
    assert "does not offer TLS" in str(error)


# Tables and queries


def test_a_table_that_is_not_there_suggests_the_ones_that_look_like_it(
    people: SourceDatabase,
) -> None:
    error = failure(people.source(table="peple"))
    assert isinstance(error, MissingError)
    assert "Did you mean people?" in str(error)
    error = failure(people.source(table="PEOPLE_"))
    assert "people" in str(error)


def test_a_cursor_column_that_is_not_there_suggests_another(people: SourceDatabase) -> None:
    error = failure(people.source(table="people", cursor="nam"))
    assert isinstance(error, MissingError)
    assert "Did you mean name?" in str(error)


def test_a_faulty_query_is_shown_with_its_place(postgres: SourceDatabase) -> None:
    postgres.run("CREATE TABLE people (id integer)")
    error = failure(postgres.source(query="SELECT id,\n  nam FROM people"))
    assert isinstance(error, ConfigurationError)
    assert "line 2, column 3" in str(error)
    assert 'column "nam" does not exist' in str(error)


@pytest.mark.promise("a query that writes")
@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM people",
        "SELECT 1; DELETE FROM people",
        "SELECT 1) AS q; DELETE FROM people; SELECT * FROM (SELECT 1",
        "WITH gone AS (DELETE FROM people RETURNING id) SELECT * FROM gone",
        "INSERT INTO people VALUES (3, 'three') RETURNING id",
        "SELECT 1) TO PROGRAM 'touch /tmp/openregister-was-here' --",
        "/* SELECT */ UPDATE people SET name = ''",
        "EXPLAIN SELECT 1",
        "SHOW search_path",
        "SELECT 1 INTO OUTFILE '/tmp/openregister-was-here'",
        "CREATE TABLE other (id integer)",
        "",
    ],
)
def test_nothing_but_one_select_is_ever_run(people: SourceDatabase, query: str) -> None:
    before = people.fetch("SELECT count(*), max(name) FROM people")
    with pytest.raises(ConnectorError):
        read_all(DatabaseConnector(parse(DatabaseConfig, people.source(query=query))))
    assert people.fetch("SELECT count(*), max(name) FROM people") == before
    assert not Path("/tmp/openregister-was-here").exists()


@pytest.mark.promise("a query that writes")
@pytest.mark.parametrize(
    ("dialect", "query"),
    [
        ("postgresql", "SELECT '\\'; DELETE FROM people; --'"),  # there, a backslash is itself
        ("postgresql", "SELECT nextval('numbers')"),
        (
            "postgresql",
            "SELECT set_config('transaction_read_only', 'off', true), nextval('numbers')",
        ),
        ("mariadb", "SELECT 1 /*! INTO OUTFILE '/tmp/openregister-was-here' */"),
        ("mariadb", "SELECT 1 # '\n; DELETE FROM people; -- '"),
    ],
)
def test_what_only_one_dialect_would_run_is_not_run_there(
    people: SourceDatabase, dialect: str, query: str
) -> None:
    if people.document["dialect"] != dialect:
        return
    if dialect == "postgresql":
        people.run("CREATE SEQUENCE numbers")
    with pytest.raises(ConnectorError):
        read_all(DatabaseConnector(parse(DatabaseConfig, people.source(query=query))))
    assert people.fetch("SELECT count(*) FROM people") == [(2,)]
    assert not Path("/tmp/openregister-was-here").exists()


def test_a_semicolon_in_text_or_comment_is_no_second_statement(people: SourceDatabase) -> None:
    query = "SELECT ';' AS a, 'it''s; so' AS b /* ; */ FROM people -- ; done\n;"
    rows = [
        row.data
        for batch in read_all(DatabaseConnector(parse(DatabaseConfig, people.source(query=query))))
        for row in batch
    ]
    assert rows == [{"a": ";", "b": "it's; so"}] * 2


def test_columns_of_one_name_are_refused(people: SourceDatabase) -> None:
    error = failure(people.source(query="SELECT id, name AS id FROM people"))
    assert isinstance(error, ConfigurationError)
    assert "id" in str(error)


# While reading


def test_a_statement_that_takes_too_long_is_stopped(people: SourceDatabase) -> None:
    slow = "pg_sleep(30)::text" if people.document["dialect"] == "postgresql" else "SLEEP(30)"
    source = people.source(query=f"SELECT id, {slow} AS slow FROM people", timeout=0.5)
    with pytest.raises(RetriableError) as caught:
        read_all(DatabaseConnector(parse(DatabaseConfig, source)))
    assert "timeout" in str(caught.value)


def test_an_error_among_the_rows_comes_after_those_before_it_and_is_told_once(
    empty_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows = 3 * Limits().batch_size
    query = f"SELECT n, 1 / ({rows} + 5 - n) AS x FROM generate_series(1, 10 * {rows}) n"
    with databases.postgres(empty_database_url) as database:
        config = parse(DatabaseConfig, database.source(query=query))
        seen: list[int] = []
        with pytest.raises(DataError, match="division by zero"):
            seen.extend(map(len, DatabaseConnector(config).read()))
    assert sum(seen) == rows
    assert not caplog.records


def test_a_backend_killed_in_the_middle_of_a_read_is_retriable(people: SourceDatabase) -> None:
    dialect = people.document["dialect"]
    if dialect == "postgresql":
        people.run(
            "INSERT INTO people SELECT n, repeat('x', 20) FROM generate_series(10, 500000) n"
        )
    else:
        people.run("INSERT INTO people SELECT seq, REPEAT('x', 20) FROM seq_10_to_500000")
    connector = DatabaseConnector(parse(DatabaseConfig, people.source(table="people")))
    with closing(connector.read()) as batches:  # type: ignore[type-var]
        next(batches)
        if dialect == "postgresql":
            people.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'openregister'"
            )
        else:
            ((mine,),) = people.fetch(
                "SELECT id FROM information_schema.processlist"
                f" WHERE db = '{people.document['database']}' AND command = 'Query'"
                " AND id <> CONNECTION_ID()"
            )
            people.run(f"KILL {mine}")
        with pytest.raises(RetriableError):
            list(batches)


def test_rows_that_change_during_a_read_are_those_of_its_beginning(
    people: SourceDatabase,
) -> None:
    connector = DatabaseConnector(
        parse(DatabaseConfig, people.source(table="people", fetch_size=1))
    )
    with closing(connector.read()) as batches:  # type: ignore[type-var]
        names = [next(batches).row(0).data["name"]]
        people.run("UPDATE people SET name = 'new'")
        names += [row.data["name"] for batch in batches for row in batch]
    assert names == ["one", "two"]


# SQLite


def test_a_file_that_is_not_there_suggests_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "people.sqlite").touch()
    error = failure({"dialect": "sqlite", "database": str(tmp_path / "peple.sqlite"), "table": "t"})
    assert isinstance(error, MissingError)
    assert "people.sqlite" in str(error)


def test_a_file_that_is_no_database_is_a_data_error(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    path.write_text("id,name\n" * 500)
    error = failure({"dialect": "sqlite", "database": str(path), "table": "t"})
    assert isinstance(error, DataError)


def test_a_file_outside_the_allowed_directories_is_denied(tmp_path: Path) -> None:
    document = {"dialect": "sqlite", "database": "/etc/passwd", "table": "t"}
    error = failure(document, policy=Policy(roots=(tmp_path,)))
    assert isinstance(error, AccessDeniedError)


@pytest.mark.promise("a query that writes")
@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM people",
        "SELECT 1; DELETE FROM people",
        "ATTACH '/tmp/other.sqlite' AS other",
        "SELECT * FROM pragma_database_list",
        "WITH x AS (SELECT 1) DELETE FROM people",
    ],
)
def test_a_sqlite_file_is_only_ever_read(tmp_path: Path, query: str) -> None:
    with databases.sqlite(tmp_path) as found:
        found.run("CREATE TABLE people (id integer)", "INSERT INTO people VALUES (1)")
        with pytest.raises(ConnectorError):
            read_all(DatabaseConnector(parse(DatabaseConfig, found.source(query=query))))
        assert found.fetch("SELECT * FROM people") == [(1,)]


def test_a_slow_sqlite_query_is_stopped(tmp_path: Path) -> None:
    with databases.sqlite(tmp_path) as found:
        found.run("CREATE TABLE people (id integer)")
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        source = found.source(query=f"{endless} SELECT max(i) AS m FROM n", timeout=0.3)
        with pytest.raises(RetriableError):
            read_all(DatabaseConnector(parse(DatabaseConfig, source)))
