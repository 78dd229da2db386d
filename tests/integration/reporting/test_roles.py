"""Who reads the SQL views: real login roles that see them, and nothing beside them."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.engine import make_url

from app.application import Application, assemble
from app.database import engine as engines
from app.database.embedded.server import EmbeddedServer
from app.errors import DatabaseError, NotFoundError, UsageError
from app.operations import reporting
from app.operations import upgrade as upgrades
from app.registers import edit_objects, registers, schemas
from app.reporting import views
from app.reporting.views import READER
from app.settings import Settings

TOWN: dict[str, Any] = {"type": "object", "properties": {"code": {"type": "string"}}}
DENIED = psycopg.errors.InsufficientPrivilege
_numbers = itertools.count(1)


@pytest.fixture
def app(any_engine: sa.Engine, tmp_path: Path) -> Application:
    return _application(any_engine, tmp_path)


@pytest.fixture
def role(app: Application) -> Iterator[Callable[[], str]]:
    """Makes login roles, which go with the test: roles belong to the whole server."""
    made: list[str] = []

    def make() -> str:
        # the connections of these tests are trusted; where they are not, the password is known
        name = f"openregister_test_role_{os.getpid()}_{next(_numbers)}"
        _as_owner(app, sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'reports'"), name)
        made.append(name)
        return name

    yield make
    for name in made:
        _as_owner(app, sql.SQL("DROP OWNED BY {}"), name)
        _as_owner(app, sql.SQL("DROP ROLE {}"), name)


def _application(engine: sa.Engine, path: Path) -> Application:
    app = assemble(Settings(data_dir=path / "data"), engine)
    for register in ("geo", "water"):
        app.write(registers.add, register)
        slug = {"geo": "town", "water": "river"}[register]
        schemas.add(app, slug, TOWN, register=register, actor="test")
        edit_objects.create(app, register, slug, {"code": f"in {register}"}, actor="test")
    return app


def _as_owner(app: Application, statement: sql.SQL, *names: str) -> None:
    with _connect(app.engine.url.render_as_string(hide_password=False)) as connection:
        connection.execute(statement.format(*map(sql.Identifier, names)))


@contextmanager
def _connect(url: str) -> Iterator[psycopg.Connection]:
    dsn = url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@contextmanager
def _session(app: Application, role: str) -> Iterator[psycopg.Connection]:
    """A connection of that role: it has signed in, and can become nobody else."""
    url = app.engine.url.set(username=role, password="reports")
    with _connect(url.render_as_string(hide_password=False)) as connection:
        yield connection


def _readable(connection: psycopg.Connection) -> set[tuple[str, str]]:
    """Every relation of ours that the session may do anything with, by the server's own rules."""
    rows = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname LIKE 'openregister%' AND CASE WHEN c.relkind IN ('r', 'v', 'p', 'm', 'f')"
        " THEN has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES,"
        " TRIGGER') OR has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')"
        " WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'USAGE, SELECT, UPDATE')"
        " ELSE false END"
    )
    return {(str(schema), str(name)) for schema, name in rows.fetchall()}


def _views(*names: str) -> set[tuple[str, str]]:
    return {("openregister_reporting", name) for name in names}


EVERY = (*views.FIXED, "geo__town", "water__river")


def test_a_reader_reads_every_view_and_nothing_else(
    app: Application, role: Callable[[], str]
) -> None:
    name = role()
    with _session(app, name) as session:
        assert _readable(session) == set()
        with pytest.raises(DENIED):
            session.execute("SELECT * FROM openregister_reporting.objects")
    granted = reporting.grant(app, name)
    assert {*granted.views} == {*EVERY}
    with _session(app, name) as session:
        assert _readable(session) == _views(*EVERY)
        for view in EVERY:
            session.execute(
                sql.SQL("SELECT * FROM {}").format(sql.Identifier("openregister_reporting", view))
            )
        row = session.execute("SELECT code FROM openregister_reporting.geo__town").fetchone()
        assert row == ("in geo",)
        tables = [*sa.inspect(app.engine).get_table_names(schema="openregister")]
        assert "users" in tables
        for table in tables:
            with pytest.raises(DENIED):
                session.execute(
                    sql.SQL("SELECT * FROM {}").format(sql.Identifier("openregister", table))
                )
        for statement in (
            "INSERT INTO openregister_reporting.jobs (id) VALUES (1)",
            "UPDATE openregister_reporting.geo__town SET code = 'mine'",
            "DELETE FROM openregister_reporting.objects",
            "CREATE TABLE openregister_reporting.mine (id int)",
            "CREATE VIEW openregister_reporting.mine AS SELECT 1",
            "CREATE OR REPLACE VIEW openregister_reporting.geo__town AS SELECT 1",
            "DROP VIEW openregister_reporting.geo__town",
            f"SET ROLE {app.engine.url.username}",
            "SELECT * FROM pg_authid",
            "SELECT openregister.reporting_date('1')",
        ):
            with pytest.raises((DENIED, psycopg.errors.ObjectNotInPrerequisiteState)):
                session.execute(statement)


def test_new_changed_and_refreshed_views_are_the_readers_too(
    app: Application, role: Callable[[], str]
) -> None:
    name = role()
    reporting.grant(app, name)
    schemas.add(app, "lake", TOWN, register="water", actor="test")
    schemas.update(app, "town", document={"type": "object"}, actor="test", force=True)
    with _session(app, name) as session:
        assert _readable(session) == _views(*EVERY, "water__lake")
    _as_owner(app, sql.SQL("REVOKE ALL ON openregister_reporting.runs FROM {}"), READER)
    with _session(app, name) as session:
        assert _readable(session) == _views(*EVERY, "water__lake") - _views("runs")
    assert not reporting.refresh(app).role_created
    with _session(app, name) as session:
        assert _readable(session) == _views(*EVERY, "water__lake")


def test_a_grant_can_be_repeated_and_taken_back(app: Application, role: Callable[[], str]) -> None:
    name = role()
    for _ in range(2):
        reporting.grant(app, name)
    reporting.revoke(app, name)
    with _session(app, name) as session:
        assert _readable(session) == set()


def test_a_role_of_one_register_reads_its_views_alone(
    app: Application, role: Callable[[], str]
) -> None:
    name, other = role(), role()
    assert list(reporting.grant(app, name, register="water").views) == ["water__river"]
    reporting.grant(app, other, register="geo")
    with _session(app, name) as session:
        assert _readable(session) == _views("water__river")
        with pytest.raises(DENIED):
            session.execute("SELECT * FROM openregister_reporting.geo__town")
    # what comes later is theirs as well, also where the view is made anew
    schemas.add(app, "lake", TOWN, register="water", actor="test")
    schemas.update(app, "river", document={"type": "object"}, actor="test", force=True)
    with _session(app, name) as session:
        assert _readable(session) == _views("water__river", "water__lake")
    reporting.revoke(app, name, register="water")
    with _session(app, name) as session:
        assert _readable(session) == set()
        with pytest.raises(DENIED):
            session.execute("SELECT * FROM openregister_reporting.water__river")
    with _session(app, other) as session:
        assert _readable(session) == _views("geo__town")


def test_a_function_of_the_readers_own_does_not_see_the_rows_of_other_registers(
    app: Application, role: Callable[[], str]
) -> None:
    app.write(registers.add, "sea")
    app.write(schemas.link, "river", register="sea")
    edit_objects.create(app, "sea", "river", {"code": "secret of the sea"}, actor="test")
    name = role()
    reporting.grant(app, name, register="water")
    with _session(app, name) as session:
        seen: list[str] = []
        session.add_notice_handler(lambda notice: seen.append(notice.message_primary or ""))
        session.execute(
            "CREATE FUNCTION pg_temp.spy(value text) RETURNS boolean COST 0.0000001"
            " LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', value; RETURN true; END $$"
        )
        session.execute("SELECT * FROM openregister_reporting.water__river WHERE pg_temp.spy(code)")
    assert seen == ["in water"]


def test_rights_that_an_administrator_gave_survive_a_changed_schema(
    app: Application, role: Callable[[], str]
) -> None:
    name = role()
    _as_owner(app, sql.SQL("GRANT USAGE ON SCHEMA openregister_reporting TO {}"), name)
    _as_owner(
        app,
        sql.SQL("GRANT SELECT ON openregister_reporting.geo__town TO {} WITH GRANT OPTION"),
        name,
    )
    schemas.update(app, "town", document={"type": "object"}, actor="test", force=True)
    with _session(app, name) as session:
        assert _readable(session) == _views("geo__town")
        session.execute("GRANT SELECT ON openregister_reporting.geo__town TO PUBLIC")


def test_a_role_or_register_that_is_not_there_is_named(app: Application) -> None:
    with pytest.raises(NotFoundError, match="no role 'nobody-there'"):
        reporting.grant(app, "nobody-there")
    with pytest.raises(NotFoundError, match="'nowhere'"):
        reporting.grant(app, "nobody-there", register="nowhere")
    with pytest.raises(UsageError, match="already reads"):
        reporting.grant(app, READER)


def test_a_role_with_an_odd_name_is_only_a_name(app: Application, role: Callable[[], str]) -> None:
    odd = f'openregister_test_"; DROP ROLE x; --{os.getpid()}'
    _as_owner(app, sql.SQL("CREATE ROLE {}"), odd)
    try:
        reporting.grant(app, odd)
        reporting.grant(app, odd, register="geo")
        with app.engine.connect() as connection:
            granted = sa.text("SELECT role FROM openregister.reporting_grants")
            assert connection.scalars(granted).all() == [odd]
        reporting.revoke(app, odd, register="geo")
        reporting.revoke(app, odd)
    finally:
        _as_owner(app, sql.SQL("DROP ROLE {}"), odd)


SECRET = "CANARY"


def test_no_view_has_a_column_for_what_is_secret(app: Application, role: Callable[[], str]) -> None:
    """A secret in every place of the tables that is or may hold one; the reader looks for it."""
    places = (
        """INSERT INTO openregister.sources
            (name, type, connection, secrets, options, cursor, cursor_fingerprint, profile)
            VALUES ('s', 'rest', '{"url": "CANARY"}', 'CANARY', '{"x": "CANARY"}',
                    '{"x": "CANARY"}', 'CANARY', '{"x": "CANARY"}')""",
        """INSERT INTO openregister.source_state SELECT id, 'token', 'CANARY'
            FROM openregister.sources""",
        """INSERT INTO openregister.runs (source_id, trigger, actor, cursor_before, cursor_after,
                                           host, pid, lease_until)
            SELECT id, 'manual', 'test', '"CANARY"', '"CANARY"', 'h', 1, now()
            FROM openregister.sources""",
        """INSERT INTO openregister.quarantine
            (source_id, identity, run_id, position, stage, errors, raw)
            SELECT id, 'CANARY', 1, 'row 1', 'map',
                   '[{"path": "a", "message": "is wrong", "value": "CANARY"}, "CANARY"]',
                   '{"password": "CANARY"}'
            FROM openregister.sources""",
        """INSERT INTO openregister.jobs (handler, arguments)
            VALUES ('deliver', '{"url": "CANARY"}')""",
        """INSERT INTO openregister.job_runs (job_id, handler, host, pid, result)
            VALUES (1, 'deliver', 'h', 1, '"CANARY"')""",
        """INSERT INTO openregister.settings VALUES ('alerts.webhook', '"CANARY"')""",
        """INSERT INTO openregister.users (name, role, password_hash)
            VALUES ('ann', 'admin', 'CANARY')""",
        """INSERT INTO openregister.app_passwords (user_id, name, token_hash)
            SELECT id, 'laptop', 'CANARY' FROM openregister.users""",
    )
    with app.engine.begin() as connection:
        for statement in places:
            connection.execution_options(no_parameters=True).exec_driver_sql(statement)
    name = role()
    reporting.grant(app, name)
    with _session(app, name) as session:
        for view in EVERY:
            rows = session.execute(
                sql.SQL("SELECT to_jsonb(v)::text FROM {} v").format(
                    sql.Identifier("openregister_reporting", view)
                )
            ).fetchall()
            assert SECRET not in str(rows), view
            assert rows or view == "audit", view
        found = session.execute("SELECT errors FROM openregister_reporting.quarantine").fetchone()
        assert found == ([{"path": "a", "message": "is wrong"}],)


@pytest.fixture
def own_server(embedded_data_dir: Path) -> Iterator[str]:
    """A server of its own, on which nobody has made the role of readers yet."""
    with EmbeddedServer(embedded_data_dir, {"fsync": "off"}) as url:
        yield url


def test_a_database_user_that_may_not_create_roles_is_told_what_to_do(
    own_server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _connect(own_server) as admin:
        admin.execute("CREATE ROLE register LOGIN")
        admin.execute("CREATE ROLE analyst LOGIN")
        admin.execute("CREATE DATABASE register OWNER register")
    url = make_url(own_server).set(username="register", database="register")
    engine = engines.create(url.render_as_string(hide_password=False))
    try:
        upgrades.upgrade(engine)
        assert "openregister reporting:refresh" in caplog.text
        app = _application(engine, tmp_path)
        for action in (reporting.refresh, lambda app: reporting.grant(app, "analyst")):
            with pytest.raises(DatabaseError, match=f"{READER} cannot be set up") as caught:
                action(app)
            assert f"CREATE ROLE {READER} NOLOGIN" in caught.value.hint
        # a register of its own needs no role but the reader's
        reporting.grant(app, "analyst", register="geo")
        with _session(app, "analyst") as session:
            assert _readable(session) == _views("geo__town")
        reporting.revoke(app, "analyst", register="geo")
        with _connect(own_server) as admin:
            admin.execute(f"CREATE ROLE {READER} NOLOGIN")
        assert not reporting.refresh(app).role_created
        with pytest.raises(DatabaseError, match="lacks the privilege") as caught:
            reporting.grant(app, "analyst")
        assert f'GRANT "{READER}" TO "analyst"' in caught.value.hint
        with _connect(own_server) as admin:
            admin.execute(f"GRANT {READER} TO analyst")
        with _session(app, "analyst") as session:
            assert _readable(session) == _views(*EVERY)
    finally:
        engine.dispose()


def test_databases_of_one_server_make_the_role_at_the_same_time(own_server: str) -> None:
    names = [f"register_{n}" for n in range(4)]
    with _connect(own_server) as admin:
        for name in names:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    script = (
        "import sys\n"
        "from app.database import engine; from app.operations import upgrade as upgrades\n"
        "upgrades.upgrade(engine.create(sys.argv[1]))"
    )
    upgrades = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                script,
                make_url(own_server).set(database=name).render_as_string(hide_password=False),
            ]
        )
        for name in names
    ]
    assert [upgrade.wait(60) for upgrade in upgrades] == [0] * len(names)
    for name in names:
        url = make_url(own_server).set(database=name).render_as_string(hide_password=False)
        with _connect(url) as admin:
            admin.execute(f"SET ROLE {READER}")
            assert _readable(admin) == _views(*views.FIXED)
