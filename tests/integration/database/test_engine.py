"""What an engine promises of its sessions, and what it says of a server that will not do."""

from __future__ import annotations

import socket
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSON, JSONB

from app.database import engine as engines
from app.errors import DatabaseUnreachableError, DatabaseVersionError


def test_sessions_are_in_utc_under_our_name_whatever_the_url_says(any_database_url):
    joint = "&" if "?" in any_database_url else "?"
    engine = engines.create(
        f"{any_database_url}{joint}options=-c%20statement_timeout%3D5s", application_name="mine"
    )
    with engine.connect() as connection:
        row = connection.execute(
            sa.text(
                "SELECT current_setting('timezone'), current_setting('application_name'),"
                " current_setting('statement_timeout'), now()"
            )
        ).one()
    engine.dispose()
    assert tuple(row)[:3] == ("UTC", "mine", "5s")
    assert row[3].utcoffset().total_seconds() == 0


@pytest.mark.parametrize("kind", [JSON, JSONB])
@pytest.mark.parametrize(
    "value",
    [
        {"n": Decimal("12345678901234567890.12345678901234567891")},
        {"n": 2**70, "m": -(2**63), "f": 0.1, "t": "1e5 and 12345678901234567890"},
        {"text": "é\u2028😀", "none": None, "list": [1, [True, {}]]},
    ],
)
def test_json_comes_back_digit_by_digit(any_engine, kind, value):
    with any_engine.connect() as connection:
        stored = connection.scalar(sa.select(sa.cast(sa.literal(value, kind), kind)))
    assert stored == value
    assert kind is JSONB or repr(stored) == repr(value)


def test_json_columns_keep_the_order_of_members(any_engine):
    with any_engine.connect() as connection:
        stored = connection.scalar(sa.select(sa.literal({"z": 1, "a": {"y": 1, "b": 2}}, JSON)))
    assert list(stored) == ["z", "a"]
    assert list(stored["a"]) == ["y", "b"]


def test_the_server_is_described(any_engine):
    server = engines.check_server(any_engine)
    assert server.major >= 14
    assert server.version.startswith(str(server.major))
    assert server.database.startswith("openregister_test")


def test_nobody_listening_is_reported_with_the_place_and_without_the_password():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        engine = engines.create(f"postgresql://me:s3cret@127.0.0.1:{port}/register")
        with pytest.raises(DatabaseUnreachableError, match=f"me@127.0.0.1:{port}/reg") as caught:
            engines.check_server(engine)
    assert "s3cret" not in str(caught.value)
    assert "OPENREGISTER_DATABASE_URL" in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_database_that_is_not_there_is_reported(any_server):
    with pytest.raises(DatabaseUnreachableError, match="does not exist"):
        engines.check_server(engines.create(any_server.url("openregister_test_of_nobody")))


def test_something_that_is_no_postgresql_is_reported():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        engine = engines.create(f"postgresql://127.0.0.1:{port}/register?connect_timeout=2")
        with pytest.raises(DatabaseUnreachableError):
            engines.check_server(engine)


def test_a_database_in_another_encoding_is_refused(any_server):
    with any_server.empty_database() as url:
        engine = engines.create(url)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(
                sa.text(
                    "CREATE DATABASE openregister_test_latin1 TEMPLATE template0"
                    " ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
                )
            )
            try:
                latin = engines.create(any_server.url("openregister_test_latin1"))
                with pytest.raises(DatabaseVersionError, match="LATIN1"):
                    engines.check_server(latin)
                latin.dispose()
            finally:
                connection.execute(sa.text("DROP DATABASE openregister_test_latin1"))
        engine.dispose()


def test_a_connection_that_was_cut_is_replaced(any_engine):
    with any_engine.connect() as connection:
        pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
    other = engines.create(any_engine.url)
    with other.connect() as connection:
        connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    other.dispose()
    with any_engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT pg_backend_pid()")) != pid


def test_a_failing_statement_does_not_show_its_values(any_engine):
    with any_engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as caught:
        connection.execute(sa.text("SELECT CAST(:secret AS text), 1/0"), {"secret": "s3cret"})
    assert "s3cret" not in str(caught.value)


@pytest.mark.promise("a request that keeps the database busy")
@pytest.mark.parametrize(
    ("own", "asked", "used"), [("0", 7, "7s"), ("3s", 7, "3s"), ("9s", 0, "9s")]
)
def test_statements_are_limited_unless_something_limits_them_more(
    any_database_url, own, asked, used
):
    joint = "&" if "?" in any_database_url else "?"
    engine = engines.create(f"{any_database_url}{joint}options=-c%20statement_timeout%3D{own}")
    engines.check_server(engine)  # so that the pool has a connection already
    engines.limit_statements(engine, asked)
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SHOW statement_timeout")) == used
    engine.dispose()
