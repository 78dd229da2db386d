"""Tables, types and cursors of the kind that public bug reports are about.

Each line of `READS` and `CURSORS` has its reference; what is expected is ours.
"""
# ruff: noqa: S608  (statements of made-up tables)

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.database import DatabaseConnector
from connectors.databases.moments import Clock, less
from connectors.databases.settings import DatabaseConfig
from connectors.sdk import ConfigurationError, DataError, End, RowDecodeError
from connectors.sdk.config import parse
from connectors.sdk.testing import read_all
from tests.servers import databases
from tests.servers.databases import SourceDatabase

PG, MARIA, LITE = "postgresql", "mariadb", "sqlite"


@pytest.fixture
def open_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Opens an empty database of a product."""
    made: list[Any] = []

    def open_one(dialect: str) -> SourceDatabase:
        if dialect == MARIA:
            found: SourceDatabase = request.getfixturevalue("mariadb")
            return found
        manager = (
            databases.sqlite(tmp_path)
            if dialect == LITE
            else databases.postgres(request.getfixturevalue("empty_database_url"))
        )
        made.append(manager)
        return manager.__enter__()

    yield open_one
    for manager in made:
        manager.__exit__(None, None, None)


def connector(document: dict[str, Any]) -> DatabaseConnector:
    return DatabaseConnector(parse(DatabaseConfig, document))


def read(document: dict[str, Any], cursor: Any = None) -> tuple[list[Any], Any]:
    """The rows, of a rejected one its message, and the last batch."""
    found: list[Any] = []
    batches = read_all(connector(document), cursor)
    for batch in batches:
        for index in range(len(batch)):
            try:
                found.append(dict(batch.row(index).data))
            except RowDecodeError as error:
                found.append(str(error))
    return found, batches[-1]


READS: list[Any] = [
    pytest.param(
        LITE,
        ["CREATE VIRTUAL TABLE t USING fts5(title, body)", "INSERT INTO t VALUES ('a', 'b')"],
        {"table": "t"},
        [{"title": "a", "body": "b"}],
        id="FTS5 table (sqlite.org/fts5.html)",
    ),
    pytest.param(
        LITE,
        ["CREATE VIRTUAL TABLE t USING fts5(title)", "INSERT INTO t VALUES ('a b'), ('c')"],
        {"query": "SELECT rowid AS id, title FROM t WHERE t MATCH 'b'"},
        [{"id": 1, "title": "a b"}],
        id="FTS5 query with MATCH (sqlite.org/fts5.html)",
    ),
    pytest.param(
        LITE,
        ["CREATE VIRTUAL TABLE t USING rtree(id, low, high)", "INSERT INTO t VALUES (1, 2, 3)"],
        {"table": "t"},
        [{"id": 1, "low": 2, "high": 3}],
        id="R*Tree table (sqlite.org/rtree.html)",
    ),
    pytest.param(
        LITE,
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
            "INSERT INTO t VALUES (1, CAST(x'5A6FEB' AS TEXT)), (2, 'ok')",
        ],
        {"table": "t"},
        ["t, row 1, id 1: name: The text is not UTF-8", {"id": 2, "name": "ok"}],
        id="text that is not UTF-8 (github.com/coleifer/sqlite-web/issues/160)",
    ),
    pytest.param(
        LITE,
        [
            "CREATE TABLE t (name TEXT PRIMARY KEY) WITHOUT ROWID",
            "INSERT INTO t VALUES (CAST(x'FF' AS TEXT)), ('ok')",
        ],
        {"table": "t"},
        [{"name": "ok"}, "t, row 2, name \ufffd: name: The text is not UTF-8"],
        id="key that is not UTF-8, WITHOUT ROWID (sqlite.org/withoutrowid.html)",
    ),
    pytest.param(
        LITE,
        [
            (
                "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, b INT AS (a + 1) VIRTUAL,"
                " c INT AS (a * 2) STORED)"
            ),
            "INSERT INTO t (id, a) VALUES (1, 5)",
        ],
        {"table": "t"},
        [{"id": 1, "a": 5, "b": 6, "c": 10}],
        id="generated columns (sqlite.org/gencol.html)",
    ),
    pytest.param(
        LITE,
        [
            "CREATE TABLE t (id BLOB PRIMARY KEY, at DATETIME, n REAL)",
            "INSERT INTO t VALUES (x'00FF', '0000-00-00 00:00:00', 9e999)",
        ],
        {"table": "t"},
        ["t, row 1, id AP8=: n: inf is not a JSON number"],
        id="BLOB key, zero date as text, infinite REAL (sqlite.org/floatingpoint.html)",
    ),
    pytest.param(
        MARIA,
        [
            "CREATE TABLE t (id INT PRIMARY KEY, x INT) WITH SYSTEM VERSIONING",
            "INSERT INTO t VALUES (1, 10)",
            "UPDATE t SET x = 11",
        ],
        {"table": "t"},
        [{"id": 1, "x": 11}],
        id="system-versioned table (github.com/dbtrail/dbtrail/issues/1272)",
    ),
    pytest.param(
        MARIA,
        [
            (
                "CREATE TABLE t (id INT, x INT,"
                " s TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE,"
                " e TIMESTAMP(6) GENERATED ALWAYS AS ROW END INVISIBLE,"
                " PERIOD FOR SYSTEM_TIME(s, e),"
                " PRIMARY KEY (id)) WITH SYSTEM VERSIONING"
            ),
            "INSERT INTO t (id, x) VALUES (1, 10)",
        ],
        {"table": "t"},
        [{"id": 1, "x": 10}],
        id="versioned, columns named (github.com/dbtrail/dbtrail/issues/1266)",
    ),
    pytest.param(
        MARIA,
        [
            "CREATE TABLE t (id INT INVISIBLE AUTO_INCREMENT PRIMARY KEY, x INT)",
            "INSERT INTO t (x) VALUES (10)",
        ],
        {"table": "t"},
        [{"id": 1, "x": 10}],
        id="invisible key (mariadb.com/kb/en/invisible-columns)",
    ),
    pytest.param(
        MARIA,
        [
            "SET SESSION sql_mode = ''",
            "CREATE TABLE t (id BIGINT UNSIGNED PRIMARY KEY, d DATE, y YEAR, z INT ZEROFILL)",
            (
                "INSERT INTO t VALUES (18446744073709551615, '0000-00-00', 2024, 7),"
                " (1, '2024-02-29', 1901, 8)"
            ),
        ],
        {"table": "t"},
        [
            {"id": 1, "d": "2024-02-29", "y": 1901, "z": 8},
            "t, row 2, id 18446744073709551615: d: 0000-00-00 is not a date in the years 1 to 9999",
        ],
        id="unsigned bigint, zero date, zerofill (github.com/datazip-inc/olake/issues/570)",
    ),
    pytest.param(
        MARIA,
        [
            (
                "CREATE TABLE t (id VARBINARY(4) PRIMARY KEY, g INT AS (LENGTH(id)) VIRTUAL,"
                " b BIT(9), e ENUM('x', 'y'), s SET('p', 'q'))"
            ),
            "INSERT INTO t (id, b, e, s) VALUES (x'00FF0A09', b'100000001', 'y', 'p,q')",
        ],
        {"table": "t"},
        [{"id": "AP8KCQ==", "g": 4, "b": 257, "e": "y", "s": "p,q"}],
        id="binary key, generated column, BIT, ENUM, SET (mariadb.com/kb/en/bit)",
    ),
    pytest.param(
        MARIA,
        [
            "CREATE TABLE t (id INT PRIMARY KEY, name TEXT) PARTITION BY HASH (id) PARTITIONS 3",
            "INSERT INTO t VALUES (1, 'a'), (2, 'b')",
            "CREATE VIEW v AS SELECT name FROM t ORDER BY id",
        ],
        {"table": "v"},
        [{"name": "a"}, {"name": "b"}],
        id="view without key over a partitioned table (mariadb.com/kb/en/partitioning-overview)",
    ),
    pytest.param(
        PG,
        [
            "CREATE TABLE t (id int PRIMARY KEY, n numeric)",
            "INSERT INTO t VALUES (1, 'Infinity'), (2, '-Infinity'), (3, 'NaN'), (4, 1.5)",
        ],
        {"table": "t"},
        [
            "t, row 1, id 1: n: Infinity is not a JSON number",
            "t, row 2, id 2: n: -Infinity is not a JSON number",
            "t, row 3, id 3: n: NaN is not a JSON number",
            {"id": 4, "n": 1.5},
        ],
        id="infinite numeric (github.com/singer-io/tap-postgres/pull/20)",
    ),
    pytest.param(
        PG,
        [
            "CREATE TABLE t (id int PRIMARY KEY, f float8, a numeric[])",
            "INSERT INTO t VALUES (1, 'NaN', '{1}'), (2, 1, '{1,NaN}'), (3, 0.1, '{{1,NULL}}')",
        ],
        {"table": "t"},
        [
            "t, row 1, id 1: f: nan is not a JSON number",
            "t, row 2, id 2: a: NaN is not a JSON number",
            {"id": 3, "f": 0.1, "a": [[1, None]]},
        ],
        id="NaN in double and array (github.com/estuary/connectors/pull/1812)",
    ),
    pytest.param(
        PG,
        [
            "CREATE TABLE t (id int PRIMARY KEY, d date, at timestamptz)",
            (
                "INSERT INTO t VALUES (1, 'infinity', now()), (2, '0044-03-15 BC', now()),"
                " (3, '10000-01-01', now()), (4, '9999-12-31', '2024-02-29 23:59:59.999999+14')"
            ),
        ],
        {"table": "t"},
        [
            "t, row 1, id 1: d: infinity is not a date that JSON can represent",
            "t, row 2, id 2: d: 0044-03-15 BC is not a date in the years 1 to 9999",
            "t, row 3, id 3: d: 10000-01-01 is not a date in the years 1 to 9999",
            {"id": 4, "d": "9999-12-31", "at": "2024-02-29T09:59:59.999999Z"},
        ],
        id="dates at the edges (github.com/transferwise/pipelinewise-tap-postgres/pull/62)",
    ),
    pytest.param(
        PG,
        [
            (
                "CREATE TABLE t (id int, day date, n int GENERATED ALWAYS AS (id * 2) STORED,"
                " PRIMARY KEY (id, day)) PARTITION BY RANGE (day)"
            ),
            "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
            "CREATE TABLE t2 PARTITION OF t DEFAULT",
            "INSERT INTO t VALUES (1, '2024-06-01'), (2, '1999-01-01')",
        ],
        {"table": "t"},
        [
            {"id": 1, "day": "2024-06-01", "n": 2},
            {"id": 2, "day": "1999-01-01", "n": 4},
        ],
        id="partitioned, generated column (postgresql.org/docs/current/ddl-partitioning.html)",
    ),
    pytest.param(
        PG,
        [
            "CREATE TYPE mood AS ENUM ('good', 'very bad')",
            "CREATE DOMAIN amount AS numeric CHECK (value <> 3)",
            "CREATE TABLE t (m mood, ms mood[], k bytea PRIMARY KEY, p amount)",
            "INSERT INTO t VALUES ('very bad', '{good}', '\\x00ff', 'NaN')",
        ],
        {"table": "t"},
        ["t, row 1, k \\x00ff: p: NaN is not a JSON number"],
        id="enums, bytea key, NaN in a domain (github.com/PeerDB-io/peerdb/issues/554)",
    ),
    pytest.param(
        PG,
        [
            "CREATE TABLE base (id int PRIMARY KEY)",
            "CREATE TABLE t (extra text) INHERITS (base)",
            "INSERT INTO base VALUES (1)",
            "INSERT INTO t VALUES (2, 'x')",
            "CREATE MATERIALIZED VIEW v AS SELECT id FROM base ORDER BY id",
        ],
        {"table": "v"},
        [{"id": 1}, {"id": 2}],
        id="inheritance, materialized view (postgresql.org/docs/current/tutorial-inheritance)",
    ),
]


@pytest.mark.parametrize(("dialect", "statements", "what", "expected"), READS)
def test_a_table_of_that_kind_is_read(
    open_database: Any, dialect: str, statements: list[str], what: dict[str, Any], expected: Any
) -> None:
    database = open_database(dialect)
    database.run(*statements)
    found, last = read(database.source(**what))
    assert sorted(map(str, found)) == sorted(map(str, expected))
    assert last.end is End.FULL


def test_the_key_of_a_versioned_table_is_its_own(open_database: Any) -> None:
    database = open_database(MARIA)
    database.run(
        "CREATE TABLE t (id INT PRIMARY KEY, x INT) WITH SYSTEM VERSIONING",
        "INSERT INTO t VALUES (1, 10), (2, 20)",
        "DELETE FROM t WHERE id = 2",
    )
    source = connector(database.source(table="t"))
    assert tuple(source.default_key()) == ("id",)
    assert source.check().facts["primary_key"] == ["id"]


# Cursors


def values(*items: str) -> list[str]:
    return [f"INSERT INTO t VALUES ({number}, {item})" for number, item in enumerate(items, 1)]


CURSORS: list[Any] = [
    # dialect, type, values before, lag, values after, ids of the second read
    pytest.param(
        MARIA, "float", ["0.1", "0.7"], 0, ["0.7", "0.8"], [2, 3, 4],
        id="FLOAT is not its text (github.com/jalendport/craft-preparse/issues/39)",
    ),
    pytest.param(
        MARIA, "float", ["16777216", "1e30"], 0, ["1e30"], [2, 3],
        id="FLOAT of large numbers (mariadb.com/kb/en/float)",
    ),
    pytest.param(
        MARIA, "double", ["0.1", "0.30000000000000004"], 0, ["0.4"], [2, 3],
        id="DOUBLE with 17 digits (mariadb.com/kb/en/double)",
    ),
    pytest.param(
        MARIA, "enum('z','a')", ["'z'", "'a'"], 0, ["'a'"], [2, 3],
        id="ENUM is ordered by number (mariadb.com/kb/en/enum)",
    ),
    pytest.param(
        MARIA, "varbinary(8)", ["x'01'", "x'FF00'"], 0, ["x'FF01'"], [2, 3],
        id="binary versions such as rowversion (mariadb.com/kb/en/varbinary)",
    ),
    pytest.param(
        MARIA, "varchar(20) collate utf8mb4_general_ci", ["'a'", "'B'"], 0, ["'b'"], [2, 3],
        id="case-insensitive collation (mariadb.com/kb/en/character-set-and-collation-overview)",
    ),
    pytest.param(
        MARIA, "bigint unsigned", ["1", "18446744073709551614"], 5, ["18446744073709551615"],
        [2, 3], id="unsigned bigint (mariadb.com/kb/en/bigint)",
    ),
    pytest.param(
        MARIA, "date", ["'0001-01-03'", "NULL"], 10, ["'0001-01-01'"], [1, 2, 3],
        id="a lag beyond the first day (mariadb.com/kb/en/date_sub)",
    ),
    pytest.param(
        PG, "int", [*map(str, range(995, 1005))], 0, ["1005"], [10, 11],
        id="999 and 1000, sorted as text (postgresql.org/docs/current/queries-order)",
    ),
    pytest.param(
        PG, "smallint", ["-32768", "-32767"], 9, ["-32768"], [1, 2, 3],
        id="a lag below the smallest smallint (postgresql.org/docs/current/datatype-numeric.html)",
    ),
    pytest.param(
        PG, "real", ["0.1", "0.7"], 0, ["0.7"], [2, 3],
        id="real (postgresql.org/docs/current/datatype-numeric.html)",
    ),
    pytest.param(
        PG, "numeric(9,2)", ["1.00", "2.50", "'NaN'"], "0.001", ["2.50"], [2, 3, 4],
        id="a lag finer than the column, NaN (postgresql.org/docs/current/datatype-numeric)",
    ),
    pytest.param(
        PG, "timestamp(0)", ["'2024-01-01 00:00:00'", "'2024-01-01 00:00:01'", "'infinity'"], "0.6",
        ["'2024-01-01 00:00:01'"], [2, 3, 4],
        id="a lag finer than timestamp(0), infinity (github.com/PostHog/posthog/pull/63976)",
    ),
    pytest.param(
        PG, "date", ["'0044-03-15 BC'", "'0043-01-01 BC'"], 0, ["'0043-01-01 BC'"], [2, 3],
        id="years before Christ (github.com/jeremyevans/sequel/issues/1532)",
    ),
    pytest.param(
        PG, "money", ["1", "2.50"], 1, ["3"], [2, 3],
        id="money (postgresql.org/docs/current/datatype-money.html)",
    ),
    pytest.param(
        PG, "text", ["'20231231'", "'20231232'"], 1, ["'20231233'"], [1, 2, 3],
        id="numbers as text that look like dates (docs.python.org/3/library/datetime.html)",
    ),
    pytest.param(
        LITE, "text", ["'20231231'", "'20231232'"], 1, ["'20231233'"], [1, 2, 3],
        id="the same in SQLite (docs.python.org/3/library/datetime.html)",
    ),
    pytest.param(
        LITE, "", ["1", "'n/a'", "7"], 0, ["8"], [2, 3, 4],
        id="a text among numbers (sqlite.org/datatype3.html, sort order)",
    ),
    pytest.param(
        LITE, "datetime", ["'2024-01-01T10:00:00+02:00'", "'2024-01-02T10:00:00+02:00'"], 60,
        ["'2024-01-02T09:59:30+02:00'"], [2, 3],
        id="moments with a zone (sqlite.org/lang_datefunc.html)",
    ),
]  # fmt: skip


@pytest.mark.promise("a cursor is compared as text or as a number of another type")
@pytest.mark.parametrize(("dialect", "kind", "before", "lag", "after", "ids"), CURSORS)
def test_a_cursor_is_compared_in_its_own_type(
    open_database: Any,
    dialect: str,
    kind: str,
    before: list[str],
    lag: float,
    after: list[str],
    ids: list[int],
) -> None:
    database = open_database(dialect)
    database.run(f"CREATE TABLE t (id int, at {kind})", *values(*before))
    document = database.source(table="t", cursor="at", lag=lag)
    _, first = read(document)
    assert first.end is End.FULL
    database.run(
        *(f"INSERT INTO t VALUES ({len(before) + n}, {item})" for n, item in enumerate(after, 1))
    )
    found, last = read(document, first.cursor)
    assert last.end is End.INCREMENTAL
    assert len(found) == len(ids)
    read_ids = [row["id"] for row in found if isinstance(row, dict)]
    if len(read_ids) == len(found):  # what JSON cannot carry comes as a message
        assert sorted(read_ids) == ids


FAR = {
    PG: [("timestamptz", "now()"), ("timestamp", "now()"), ("date", "current_date"),
         ("text", "to_char(now(), 'YYYY-MM-DD HH24:MI:SS')")],
    MARIA: [("timestamp(3)", "now(3)"), ("datetime", "now()"), ("date", "curdate()"),
            ("varchar(40)", "date_format(now(), '%Y-%m-%dT%H:%i:%s')")],
    LITE: [("datetime", "datetime('now')"), ("date", "date('now')"),
           ("text", "strftime('%Y-%m-%dT%H:%M:%S', 'now')"),
           ("timestamp", "CAST(strftime('%s', 'now') AS INTEGER)")],
}  # fmt: skip


@pytest.mark.promise("one row dated 2062 stops all later changes")
@pytest.mark.parametrize(
    ("dialect", "kind", "now"), [(d, k, n) for d, kinds in FAR.items() for k, n in kinds]
)
def test_a_row_of_2037_does_not_stop_later_changes(
    open_database: Any, dialect: str, kind: str, now: str
) -> None:
    """One row in the future moves MAX past all that follows: chio-labs/sqlbuild, pull 464."""
    database = open_database(dialect)
    far = "2037-01-01" if kind == "date" else "2037-01-01T00:00:00"
    far = f"'{far}'" if not (dialect == LITE and kind == "timestamp") else "2900000000"
    database.run(
        f"CREATE TABLE t (id int, at {kind})",
        f"INSERT INTO t VALUES (1, {now}), (2, {far})",
    )
    document = database.source(table="t", cursor="at")
    _, first = read(document)
    assert "in the future" in first.warnings[0]
    assert first.cursor is not None
    assert "2037" not in first.cursor["value"]
    checked = connector(document).check()
    assert any("in the future" in warning for warning in checked.warnings)
    database.run(f"INSERT INTO t VALUES (3, {now})")
    found, last = read(document, first.cursor)
    assert last.end is End.INCREMENTAL
    assert {row["id"] for row in found} >= {2, 3}


@pytest.mark.promise("one row dated 2062 stops all later changes")
def test_a_cursor_that_was_stored_beyond_the_present_is_given_up(open_database: Any) -> None:
    database = open_database(PG)
    database.run("CREATE TABLE t (id int, at date)", "INSERT INTO t VALUES (1, '2024-01-01')")
    document = database.source(table="t", cursor="at")
    found, last = read(document, {"column": "at", "value": "2062-01-01"})
    assert (len(found), last.end) == (1, End.FULL)
    assert last.cursor == {"column": "at", "value": "2024-01-01"}
    assert "everything was read" in last.warnings[0]


@pytest.mark.promise("a cursor is compared as text or as a number of another type")
@pytest.mark.parametrize("dialect", [PG, MARIA, LITE])
def test_numbers_as_text_that_outgrow_their_width_are_read_whole(
    open_database: Any, dialect: str
) -> None:
    database = open_database(dialect)
    database.run(
        "CREATE TABLE t (id int, at varchar(20))",
        "INSERT INTO t VALUES (1, '998'), (2, '999'), (3, '1000')",
    )
    found, last = read(database.source(table="t", cursor="at"))
    assert (len(found), last.end, last.cursor) == (3, End.FULL, None)
    assert "character by character" in last.warnings[0]


@pytest.mark.parametrize(
    ("dialect", "kind", "value"),
    [
        (PG, "text", "'abc'"),
        (PG, "time", "'10:00'"),
        (PG, "boolean", "true"),
        (PG, "bytea", "'\\x01'"),
        (MARIA, "varchar(9)", "'abc'"),
        (MARIA, "time", "'10:00'"),
        (MARIA, "varbinary(9)", "x'01'"),
        (LITE, "text", "'abc'"),
    ],
)
def test_a_lag_on_what_is_no_number_or_time_is_refused_in_words(
    open_database: Any, dialect: str, kind: str, value: str
) -> None:
    database = open_database(dialect)
    database.run(f"CREATE TABLE t (id int, at {kind})", f"INSERT INTO t VALUES (1, {value})")
    document = database.source(table="t", cursor="at", lag=5)
    _, first = read(document)
    with pytest.raises(ConfigurationError, match="A lag needs a number or a time, and at"):
        read(document, first.cursor)


@pytest.mark.parametrize("kind", ["json", "xid", "point", "xml"])
def test_a_type_without_an_order_is_refused_as_a_cursor(open_database: Any, kind: str) -> None:
    database = open_database(PG)
    database.run(f"CREATE TABLE t (id int, at {kind})")
    with pytest.raises(ConfigurationError, match=f"has no order for {kind}"):
        read(database.source(table="t", cursor="at"))


# What must not look complete


@pytest.mark.promise("a limit of the server looks like the end of a table")
def test_a_limit_of_the_server_does_not_end_a_table(open_database: Any) -> None:
    database = open_database(MARIA)
    database.run(
        "CREATE TABLE t (id int)",
        "INSERT INTO t VALUES (1), (2), (3)",
        "SET GLOBAL sql_select_limit = 2",
    )
    try:
        found, _ = read(database.source(table="t"))
    finally:
        database.run("SET GLOBAL sql_select_limit = DEFAULT")
    assert len(found) == 3


@pytest.mark.promise("a limit of the server looks like the end of a table")
@pytest.mark.parametrize("limit", [100, 4000])
def test_a_result_that_the_server_broke_off_is_not_complete(open_database: Any, limit: int) -> None:
    database = open_database(MARIA)
    database.run(
        "CREATE TABLE t (id int)",
        "INSERT INTO t SELECT seq FROM seq_1_to_5000",
    )
    with pytest.raises(DataError, match="truncated the result"):
        read(database.source(query=f"SELECT id FROM t LIMIT ROWS EXAMINED {limit}"))


# Rights


RIGHTS = [
    ("", "GRANT SELECT ON t TO {role}", None),
    ("SUPERUSER", "", "is a superuser"),
    ("REPLICATION", "GRANT SELECT ON t TO {role}", "has REPLICATION"),
    ("", "GRANT SELECT, UPDATE ON t TO {role}", "can change this table"),
    ("", "GRANT SELECT ON t TO {role}; GRANT INSERT ON other TO {role}", "can change 1 table of"),
    ("", "GRANT SELECT ON t TO {role}; GRANT pg_write_server_files TO {role}", "pg_write_server"),
    ("CREATEROLE", "GRANT SELECT ON t TO {role}", "can create roles"),
]


@pytest.mark.parametrize(("attribute", "grants", "warning"), RIGHTS)
def test_rights_of_a_postgres_role_that_a_source_does_not_need_are_warned_about(
    open_database: Any, attribute: str, grants: str, warning: str | None
) -> None:
    database = open_database(PG)
    role = f"{database.document['database']}_rights"
    database.run("CREATE TABLE t (id int)", "CREATE TABLE other (id int)")
    database.run(f"DROP ROLE IF EXISTS {role}", f"CREATE ROLE {role} LOGIN {attribute}")
    try:
        if grants:
            database.run(grants.format(role=role))
        checked = connector({**database.source(table="t"), "user": role}).check()
        told = [text for text in checked.warnings if role in text]
        assert told == [] if warning is None else warning in told[0]
    finally:
        database.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize("what", [{"table": "t"}, {"query": "SELECT id FROM t"}])
def test_rows_hidden_by_a_policy_are_warned_about_in_tables_and_queries(
    open_database: Any, what: dict[str, Any]
) -> None:
    database = open_database(PG)
    role = f"{database.document['database']}_policy"
    database.run(
        "CREATE TABLE t (id int)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        f"DROP ROLE IF EXISTS {role}",
        f"CREATE ROLE {role} LOGIN",
        f"GRANT SELECT ON t TO {role}",
    )
    try:
        checked = connector({**database.source(**what), "user": role}).check()
        assert any("Row-level security hides rows" in text for text in checked.warnings)
    finally:
        database.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("grant", "warning"),
    [
        ("SELECT ON {database}.*", None),
        ("SELECT, INSERT ON {database}.*", "can change data"),
        ("SELECT, FILE ON *.*", "can change the server (FILE)"),
        ("SELECT, SUPER ON *.*", "can change the server (SUPER)"),
        ("SELECT, REPLICATION SLAVE ON *.*", "can change the server (REPLICATION SLAVE)"),
        ("SELECT, REPLICATION CLIENT ON *.*", None),
    ],
)
def test_rights_of_a_mariadb_user_that_a_source_does_not_need_are_warned_about(
    open_database: Any, grant: str, warning: str | None
) -> None:
    database = open_database(MARIA)
    what = grant.format(database=database.document["database"])
    user = f"{database.document['database']}_reader"
    database.run(
        "CREATE TABLE t (id int)",
        f"CREATE USER {user} IDENTIFIED BY 'x'",
        f"GRANT {what} TO {user}",
    )
    document = {**database.source(table="t"), "user": user, "password": "x"}
    try:
        told = [text for text in connector(document).check().warnings if user in text]
        assert told == [] if warning is None else warning in told[0]
    finally:
        database.run(f"DROP USER {user}")


# Texts that are moments


NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-27 11:59:59", None),
        ("2026-11-27T12:00:01", "2026-11-27T12:00:00.000000"),
        ("2026-11-27T12:00:01Z", "2026-11-27T12:00:00.000000Z"),
        ("2026-11-27T13:30:00+02:00", None),
        ("2026-11-27T14:30:00+02:00", "2026-11-27T14:00:00.000000+02:00"),
        ("2026-11-27", None),
        ("2026-11-28", "2026-11-27"),
        ("10000-01-01", "2026-11-27"),
        ("0044-03-15 BC", None),
        ("20991231", None),
        ("version 2", None),
    ],
)
def test_a_moment_beyond_the_present_is_told_from_what_is_none(
    value: str, expected: str | None
) -> None:
    assert Clock(NOW, NOW).present(value) == expected


@pytest.mark.parametrize(
    ("text", "lag", "expected"),
    [
        ("20231231", "1", "20231230"),
        ("1000", "5", "0995"),
        ("3", "5", "0"),
        ("2024-03-01", "1", "2024-02-29"),
        ("2024-03-01T00:00:10Z", "20", "2024-02-29T23:59:50Z"),
        ("2024-03-01 00:00:10", "0.5", "2024-03-01 00:00:09.500000"),
        ("0001-01-01", "5", ""),
        ("abc", "5", None),
    ],
)
def test_a_text_less_a_lag_keeps_its_form(text: str, lag: str, expected: str | None) -> None:
    assert less(text, Decimal(lag)) == expected
