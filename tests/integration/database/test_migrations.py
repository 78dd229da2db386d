"""The migrations make exactly the tables of the models, together and one by one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import migrations
from app.database import engine as engines
from app.database import migrate, revision, tables
from app.database.revision import State
from app.errors import DatabaseError, NewerDatabaseError, NotMigratedError
from jobs import tables as job_tables

# What makes a table what it is, as the server itself spells it.
_CATALOG = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               a.attidentity, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum),
               a.attnum
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'openregister'::regnamespace AND c.relkind = 'r'
          AND a.attnum > 0 AND NOT a.attisdropped
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'openregister'::regnamespace
    """,
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'openregister'
    """,
    "storage": """
        SELECT relname, reloptions::text FROM pg_class
        WHERE relnamespace = 'openregister'::regnamespace AND relkind = 'r'
    """,
    "sequences": """
        SELECT sequencename, data_type::text, start_value, increment_by, cache_size, cycle
        FROM pg_sequences WHERE schemaname = 'openregister'
    """,
}


def _catalog(engine: sa.Engine) -> dict[str, set[tuple[object, ...]]]:
    with engine.connect() as connection:
        found = {
            kind: {tuple(row) for row in connection.execute(sa.text(query))}
            for kind, query in _CATALOG.items()
        }
    return {
        kind: {row for row in rows if not str(row[0]).endswith("alembic_version")}
        for kind, rows in found.items()
    }


@contextmanager
def _engine(url: str) -> Iterator[sa.Engine]:
    engine = engines.create(url)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def empty(any_server) -> Iterator[sa.Engine]:
    with any_server.empty_database() as url, _engine(url) as engine:
        yield engine


def test_migrations_and_models_make_the_same_tables(empty, any_engine):
    with empty.begin() as connection:
        connection.execute(sa.schema.CreateSchema(tables.SCHEMA))
        tables.metadata.create_all(connection)
        job_tables.metadata.create_all(connection)
    migrated, modelled = _catalog(any_engine), _catalog(empty)
    assert migrated["columns"]
    for kind in _CATALOG:
        assert migrated[kind] == modelled[kind], kind


def test_alembic_finds_nothing_to_migrate(any_engine):
    with any_engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "compare_server_default": True,
                "version_table_schema": tables.SCHEMA,
            },
        )
        both: Any = [tables.metadata, job_tables.metadata]  # a list is fine, the hints lag
        assert compare_metadata(context, both) == []


def test_migrations_go_down_and_up_again(any_engine):
    before = _catalog(any_engine)
    migrate.downgrade(any_engine)
    assert not any(_catalog(any_engine).values())
    with any_engine.connect() as connection:
        assert revision.revision(connection).state is State.EMPTY
    migrate.upgrade(any_engine)
    assert _catalog(any_engine) == before


def test_upgrade_is_safe_to_repeat(empty):
    assert migrate.upgrade(empty).state is State.EMPTY
    assert migrate.upgrade(empty).state is State.CURRENT
    revision.require_current(empty)


def test_one_of_several_concurrent_upgrades_does_the_work(empty_database_url):
    script = (
        "import sys\n"
        "from app.database import engine, migrate\n"
        "print(migrate.upgrade(engine.create(sys.argv[1])).state)"
    )
    command = [sys.executable, "-c", script, empty_database_url]
    upgrades = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    found = sorted(upgrade.communicate(timeout=60)[0].strip() for upgrade in upgrades)
    assert [upgrade.returncode for upgrade in upgrades] == [0] * 4
    assert found == ["current", "current", "current", "empty"]


def test_a_failing_upgrade_leaves_the_database_as_it_was(empty):
    with empty.begin() as connection:
        connection.execute(sa.schema.CreateSchema(tables.SCHEMA))
        connection.execute(sa.text("CREATE TABLE openregister.job_runs (in_the_way int)"))
    with pytest.raises(DatabaseError, match=r"already exists.*Nothing was changed"):
        migrate.upgrade(empty)
    assert {row[0] for row in _catalog(empty)["columns"]} == {"job_runs"}


def test_a_database_without_tables_names_the_upgrade_command(empty):
    with pytest.raises(NotMigratedError, match="openregister upgrade"):
        revision.require_current(empty)


def test_a_database_of_a_newer_version_is_left_alone(any_engine):
    with any_engine.begin() as connection:
        connection.execute(sa.text("UPDATE openregister.alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerDatabaseError, match="9999"):
        revision.require_current(any_engine)
    with pytest.raises(NewerDatabaseError, match="9999"):
        migrate.upgrade(any_engine)


def test_a_database_that_is_behind_is_refused_until_it_is_upgraded(any_engine, next_version):
    with pytest.raises(NotMigratedError, match=f"this software needs {next_version}"):
        revision.require_current(any_engine)
    assert migrate.upgrade(any_engine).pending == (next_version,)
    revision.require_current(any_engine)
    assert sa.inspect(any_engine).has_table("next", schema="openregister")


@pytest.fixture
def next_version(tmp_path, monkeypatch) -> str:
    """The software with one migration more; its number."""
    line = revision.known()
    number = f"{int(line[-1]) + 1:04}"
    scripts = tmp_path / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, scripts)
    (scripts / "versions" / f"{number}_next.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = '{number}', '{line[-1]}'\n"
        "def upgrade(): op.execute('CREATE TABLE openregister.next (id int)')\n"
    )
    monkeypatch.setattr(migrate, "_SCRIPTS", scripts)
    monkeypatch.setattr(revision, "known", lambda: (*line, number))
    return number


def test_the_names_of_the_migrations_are_their_order():
    line = ScriptDirectory.from_config(migrate.config()).walk_revisions()
    assert revision.known() == tuple(reversed([script.revision for script in line]))
