"""The reporting views over large tables: a lookup by key never reads a whole table.

Two hundred thousand objects and as many audit entries, made in the database itself: enough for
the planner to choose differently where an index is not in reach.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from app.application import assemble
from app.database import engine as engines
from app.operations import reporting
from app.registers import registers, schemas
from app.settings import Settings
from tests.conftest import DatabaseServer

ROWS = 200_000
LARGE = {"objects", "audit_trails", "runs", "quarantine"}
TOWN: dict[str, Any] = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "inhabitants": {"type": "integer"}},
}
FILL = (
    # one source has most of it, as it is in practice
    """
    INSERT INTO openregister.sources (name, type, connection)
    SELECT 'source-' || n, 'files', '{}' FROM generate_series(1, 40) AS n
    """,
    """
    INSERT INTO openregister.runs
        (source_id, trigger, actor, state, host, pid, lease_until, started, finished)
    SELECT 1 + n % 40, 'cron', 'cron', 'done', 'h', 1, now(), now(), now()
    FROM generate_series(1, :rows) AS n
    """,
    r"""
    INSERT INTO openregister.objects
        (uuid, register_id, schema_id, source_id, source_key, data_hash, data)
    SELECT lpad(to_hex(n), 32, '0')::uuid, r.id, k.id, 1 + n % 40 * (n % 3 / 2), 'key-' || n,
           '\x00', jsonb_build_object('code', 'code-' || n, 'inhabitants', n)
    FROM generate_series(1, :rows) AS n, openregister.registers r, openregister.schemas k
    """,
    r"""
    INSERT INTO openregister.chains (source_id, lane, source_name, head)
    SELECT n, 0, 'source-' || n, '\x00' FROM generate_series(1, 40) AS n
    """,
    r"""
    INSERT INTO openregister.audit_trails
        (chain_id, position, run_id, created, object_uuid, version, action, actor,
         data_hash, prev_hash, hash)
    SELECT 1 + n % 40, n, n / 100, now() - (:rows - n) * interval '1 minute',
           lpad(to_hex(n), 32, '0')::uuid, 1, 'create', 'cron', '\x00', '\x00', '\x00'
    FROM generate_series(1, :rows) AS n
    """,
    """
    INSERT INTO openregister.quarantine (source_id, identity, run_id, position, stage, errors)
    SELECT 1 + n % 40, n::text, 1, 'row ' || n, 'map', '[]' FROM generate_series(1, :rows / 4) AS n
    """,
)


@pytest.fixture(scope="module")
def engine(
    embedded_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sa.Engine]:
    with embedded_server.migrated_database() as url:
        engine = engines.create(url)
        app = assemble(Settings(data_dir=tmp_path_factory.mktemp("plans")), engine)
        app.write(registers.add, "geo")
        schemas.add(app, "town", TOWN, register="geo", actor="test")
        with engine.begin() as connection:
            # what checks and counts row by row is not what is looked at here
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for statement in FILL:
                connection.execute(sa.text(statement), {"rows": ROWS})
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
        yield engine
        engine.dispose()


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _read_whole(engine: sa.Engine, query: str) -> set[str]:
    """The large tables that the query reads from end to end."""
    with engine.connect() as connection:
        plain = connection.execution_options(no_parameters=True)
        plain.exec_driver_sql("SET LOCAL search_path = openregister_reporting")
        ((plan,),) = plain.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {query}")
    return {
        node["Relation Name"]
        for node in _nodes(plan[0]["Plan"])
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE
    }


UUID = "'00000000-0000-0000-0000-00000000abcd'"
LOOKUPS = {
    "an object": f"objects WHERE uuid = {UUID}",
    "an object by key": "objects WHERE source = 'source-1' AND target = 0 AND key = 'key-77'",
    "an object by key, of whatever target": "objects WHERE source = 'source-1' AND key = 'key-77'",
    "an object of a small source": "objects WHERE source = 'source-7' AND key = 'key-77'",
    "a typed object": f"geo__town WHERE _uuid = {UUID}",
    "a typed object by key": "geo__town WHERE _source = 'source-1' AND _key = 'key-77'",
    "a history": f"audit WHERE object_uuid = {UUID} ORDER BY version",
    "what a run changed": "audit WHERE run_id = 77",
    "what changed in the last hour": "audit WHERE created > now() - interval '1 hour'",
    "a run": "runs WHERE id = 77",
    "the runs of a source": "runs WHERE source = 'source-7'",
    "its latest runs": "runs WHERE source = 'source-7' ORDER BY id DESC LIMIT 20",
    "rejected rows of a source": "quarantine WHERE source = 'source-7' AND key = 'x'",
    "objects of some entries": "audit a JOIN geo__town t"
    " ON t._uuid = a.object_uuid WHERE a.run_id = 77",
}


def _found_whole(engine: sa.Engine, lookup: str) -> set[str]:
    return _read_whole(engine, " ".join(["SELECT * FROM", LOOKUPS[lookup]]))


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_a_lookup_by_key_reads_no_large_table_whole(engine: sa.Engine, lookup: str) -> None:
    assert _found_whole(engine, lookup) == set()


def test_a_role_of_one_register_finds_an_object_by_key_as_well(engine: sa.Engine) -> None:
    app = assemble(Settings(), engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE openregister_test_plans")
    try:
        reporting.grant(app, "openregister_test_plans", register="geo")
        for name in ("a typed object", "a typed object by key"):
            assert _found_whole(engine, name) == set(), name
        reporting.revoke(app, "openregister_test_plans", register="geo")
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY openregister_test_plans")
            connection.exec_driver_sql("DROP ROLE openregister_test_plans")


def test_a_query_without_a_key_is_seen_to_read_a_table_whole(engine: sa.Engine) -> None:
    query = "SELECT max(inhabitants) FROM geo__town WHERE code <> 'x'"
    assert _read_whole(engine, query) == {"objects"}
    assert _read_whole(engine, "SELECT * FROM runs") == {"runs"}


def test_columns_that_are_not_asked_for_cost_nothing(engine: sa.Engine) -> None:
    """Their expressions and joins are not even part of the plan."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "EXPLAIN VERBOSE SELECT count(*) FROM openregister_reporting.geo__town"
        )
        plan = "\n".join(row[0] for row in rows)
    assert "reporting_" not in plan
    assert "jsonb_typeof" not in plan
    assert "sources" not in plan
