"""The database connector on PostgreSQL, MariaDB and SQLite: equal rows are equal objects."""
# ruff: noqa: S608  (statements of made-up tables)

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.database import DatabaseConnector
from connectors.databases.settings import DatabaseConfig
from connectors.sdk import ConfigurationError, Context, End, Limits, Row
from connectors.sdk.config import parse
from connectors.sdk.testing import ConnectorContract, read_all, rows_of
from tests.servers import databases
from tests.servers.databases import SourceDatabase

DIALECTS = ("postgresql", "mariadb", "sqlite")

COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("bigint", "bigint", "bigint"),
    "name": ("text", "varchar(200)", "text"),
    "code": ("char(6)", "char(6)", "char(6)"),
    "price": ("numeric(30,12)", "decimal(30,12)", "numeric(30,12)"),
    "ratio": ("double precision", "double", "double"),
    "active": ("boolean", "boolean", "boolean"),
    "born": ("date", "date", "date"),
    "seen_at": ("timestamp", "datetime(6)", "datetime"),
    "changed_at": ("timestamptz", "timestamp(6) null", "timestamptz"),
    "opens": ("time", "time(3)", "time"),
    "photo": ("bytea", "blob", "blob"),
    "extra": ("jsonb", "json", "json"),
    "mood": ("mood", "enum('good','bad')", "text"),
}
BYTES = {
    "postgresql": "'\\x00ff10'::bytea",
    "mariadb": "x'00ff10'",
    "sqlite": "x'00ff10'",
}
ROWS = (
    """1, 'Zoë | tab\there', 'AB', 12.50, 0.1, true, '1999-12-31', '2024-02-29 12:00:00.5',
       '2024-06-01 10:00:00', '08:30:00', {bytes}, '{{"a": [1, 2.50, null]}}', 'good'""",
    """9223372036854775807, 'line one\nline two', 'C', 100, 1e10, false, '0999-01-01',
       '2024-02-29 00:00:00', '2024-06-01 10:00:00.123456', '23:59:59.125', {bytes}, '[]',
       'bad'""",
    """-3, '', 'D''E', -0.000001, -2.5e-10, true, '2024-01-01', '1970-01-01 00:00:01',
       '1999-01-01 00:00:00', '00:00:00', {bytes}, '"text"', 'good'""",
    """4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL""",
)
OBJECTS: list[dict[str, Any]] = [
    {
        "id": 1,
        "name": "Zoë | tab\there",
        "code": "AB",
        "price": 12.5,
        "ratio": 0.1,
        "active": True,
        "born": "1999-12-31",
        "seen_at": "2024-02-29T12:00:00.5",
        "changed_at": "2024-06-01T10:00:00Z",
        "opens": "08:30:00",
        "photo": "AP8Q",
        "extra": {"a": [1, 2.5, None]},
        "mood": "good",
    },
    {
        "id": 9223372036854775807,
        "name": "line one\nline two",
        "code": "C",
        "price": 100,
        "ratio": 10000000000,
        "active": False,
        "born": "0999-01-01",
        "seen_at": "2024-02-29T00:00:00",
        "changed_at": "2024-06-01T10:00:00.123456Z",
        "opens": "23:59:59.125",
        "photo": "AP8Q",
        "extra": [],
        "mood": "bad",
    },
    {
        "id": -3,
        "name": "",
        "code": "D'E",
        "price": Decimal("-0.000001"),
        "ratio": Decimal("-0.00000000025"),
        "active": True,
        "born": "2024-01-01",
        "seen_at": "1970-01-01T00:00:01",
        "changed_at": "1999-01-01T00:00:00Z",
        "opens": "00:00:00",
        "photo": "AP8Q",
        "extra": "text",
        "mood": "good",
    },
    {"id": 4, **dict.fromkeys(list(COLUMNS)[1:])},
]


def fill(database: SourceDatabase) -> None:
    """The table `things`, with the same rows in every product."""
    dialect = database.document["dialect"]
    place = DIALECTS.index(dialect)
    columns = ", ".join(f"{name} {types[place]}" for name, types in COLUMNS.items())
    before = ["CREATE TYPE mood AS ENUM ('good', 'bad')"] if dialect == "postgresql" else []
    if dialect == "postgresql":
        before.append("SET timezone = 'UTC'")
    elif dialect == "mariadb":
        before.append("SET time_zone = '+00:00'")
    database.run(
        *before,
        f"CREATE TABLE things ({columns}, PRIMARY KEY (id))",
        *(f"INSERT INTO things VALUES ({row.format(bytes=BYTES[dialect])})" for row in ROWS),
    )


def connector(document: dict[str, Any], context: Context | None = None) -> DatabaseConnector:
    return DatabaseConnector(parse(DatabaseConfig, document), context)


def rows(document: dict[str, Any]) -> list[Row]:
    return rows_of(read_all(connector(document)))


def data(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(row.data) for row in rows(document)]


@pytest.fixture(params=DIALECTS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SourceDatabase]:
    """An empty database of each product."""
    if request.param == "sqlite":
        with databases.sqlite(tmp_path) as found:
            yield found
    elif request.param == "mariadb":
        yield request.getfixturevalue("mariadb")
    else:
        with databases.postgres(request.getfixturevalue("empty_database_url")) as found:
            yield found


class TestDatabaseContract(ConnectorContract):
    connector_class = DatabaseConnector

    @pytest.fixture(params=["table", "query", "cursor"])
    def connection(
        self, request: pytest.FixtureRequest, database: SourceDatabase
    ) -> dict[str, Any]:
        fill(database)
        if request.param == "query":
            return database.source(query="SELECT * FROM things ORDER BY id;")
        if request.param == "cursor":
            return database.source(table="things", cursor="changed_at", lag=60)
        return database.source(table="things")

    @pytest.fixture(params=DIALECTS)
    def unreachable(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        if request.param == "sqlite":
            return {"dialect": "sqlite", "database": "/nonexistent/file.sqlite", "table": "t"}
        return {
            "dialect": request.param,
            "host": "127.0.0.1",
            "port": 9,
            "database": "x",
            "user": "someone",
            "password": "canary-secret",
            "table": "things",
        }


def test_the_same_rows_give_the_same_objects(database: SourceDatabase) -> None:
    fill(database)
    found = {row["id"]: row for row in data(database.source(table="things"))}
    assert found == {row["id"]: row for row in OBJECTS}


def test_a_query_gives_the_same_objects_as_its_table(database: SourceDatabase) -> None:
    fill(database)
    if database.document["dialect"] == "mariadb":
        # JSON is LONGTEXT there, and a query does not tell
        columns = ", ".join(name for name in COLUMNS if name != "extra")
        expected = [{k: v for k, v in row.items() if k != "extra"} for row in OBJECTS]
    else:
        columns, expected = "*", OBJECTS
    found = data(database.source(query=f"-- all\nSELECT {columns} FROM things -- end"))
    assert {row["id"]: row for row in found} == {row["id"]: row for row in expected}


def test_rows_come_in_batches_of_the_fetch_size(database: SourceDatabase) -> None:
    fill(database)
    batches = read_all(connector(database.source(table="things", fetch_size=3)))
    assert [len(batch) for batch in batches] == [3, 1, 0]
    assert batches[-1].end is End.FULL


def test_a_read_that_is_cancelled_stops_without_an_end(database: SourceDatabase) -> None:
    fill(database)
    context = Context(limits=Limits(batch_size=1), cancelled=lambda: True)
    batches = read_all(connector(database.source(table="things"), context))
    assert [batch.end for batch in batches] == [None]


def test_the_primary_key_is_proposed_in_its_own_order(database: SourceDatabase) -> None:
    database.run(
        "CREATE TABLE parts (a integer, b varchar(9), c integer, PRIMARY KEY (b, a))",
        "INSERT INTO parts VALUES (1, 'x', 2)",
    )
    reader = connector(database.source(table="parts"))
    assert tuple(reader.default_key()) == ("b", "a")
    assert read_all(reader)[0].keys(["b", "a"]) == ["x\x1f1"]


def test_a_query_proposes_no_key(database: SourceDatabase) -> None:
    assert tuple(connector(database.source(query="SELECT 1 AS id")).default_key()) == ()


def test_check_tells_version_columns_and_rows(database: SourceDatabase) -> None:
    fill(database)
    result = connector(database.source(table="things")).check()
    product = {"postgresql": "PostgreSQL", "mariadb": "MariaDB", "sqlite": "SQLite"}
    assert str(result.facts["server"]).startswith(product[database.document["dialect"]])
    assert {fact.name for fact in result.fields} == set(COLUMNS)
    assert result.row_estimate is not None
    assert result.facts["primary_key"] == ["id"]


def test_names_with_blanks_quotes_and_percents_are_read(database: SourceDatabase) -> None:
    quote = "`" if database.document["dialect"] == "mariadb" else '"'
    table, column = f"{quote}odd \" %s '{quote}", f"{quote}a{{b}} %d{quote}"
    if quote == '"':
        table = table.replace('" %s', '"" %s')
    database.run(f"CREATE TABLE {table} ({column} integer)", f"INSERT INTO {table} VALUES (7)")
    assert data(database.source(table="odd \" %s '")) == [{"a{b} %d": 7}]


def test_schema_and_query_both_given_or_neither_is_refused() -> None:
    base = {"dialect": "postgresql", "database": "x"}
    for document in (base, {**base, "table": "t", "query": "SELECT 1"}):
        with pytest.raises(ConfigurationError) as caught:
            parse(DatabaseConfig, document)
        assert "either a table or a query" in str(caught.value)


# Cursors


def change(database: SourceDatabase, *values: str) -> None:
    database.run(*(f"INSERT INTO log VALUES {value}" for value in values))


@pytest.mark.promise("rows at the boundary of a cursor are missed")
@pytest.mark.parametrize(
    ("type_name", "lag", "low", "mid", "high"),
    [
        ("bigint", 5, "9007199254740991", "9007199254740995", "9007199254740999"),
        ("numeric(20,3)", 0.5, "1.5", "2.25", "2.5"),
        (
            "timestamp",
            30,
            "'2024-01-01 00:00:00'",
            "'2024-01-01 00:00:40'",
            "'2024-01-01 00:01:00'",
        ),
        ("date", 1, "'2024-02-27'", "'2024-02-29'", "'2024-03-01'"),
        ("varchar(20)", 0, "'a'", "'c'", "'c'"),
    ],
)
def test_a_cursor_column_reads_from_the_highest_value_less_the_lag(
    database: SourceDatabase, type_name: str, lag: float, low: str, mid: str, high: str
) -> None:
    if database.document["dialect"] == "mariadb" and type_name == "timestamp":
        type_name = "datetime(3)"
    database.run(f"CREATE TABLE log (id integer, at {type_name})")
    source = connector(database.source(table="log", cursor="at", lag=lag))
    change(database, f"(1, {low})", f"(2, {mid})", f"(3, {high})")
    first = read_all(source)
    assert first[-1].end is End.FULL
    second = read_all(source, first[-1].cursor)
    assert second[-1].end is End.INCREMENTAL
    assert sorted(row.data["id"] for row in rows_of(second)) == [2, 3]  # type: ignore[type-var]
    change(database, "(4, NULL)")
    third = read_all(source, second[-1].cursor)
    assert sorted(row.data["id"] for row in rows_of(third)) == [2, 3, 4]  # type: ignore[type-var]


def test_a_cursor_of_an_empty_table_is_no_cursor(database: SourceDatabase) -> None:
    database.run("CREATE TABLE log (id integer, at integer)")
    source = connector(database.source(table="log", cursor="at"))
    assert read_all(source)[-1].cursor is None
    change(database, "(1, 5)")
    last = read_all(source)[-1]
    assert last.cursor is not None
    database.run("DELETE FROM log")
    emptied = read_all(source, last.cursor)[-1]
    assert emptied.cursor == last.cursor


def test_a_cursor_of_another_column_starts_anew(database: SourceDatabase) -> None:
    fill(database)
    old = read_all(connector(database.source(table="things", cursor="id")))[-1].cursor
    again = read_all(connector(database.source(table="things", cursor="changed_at")), old)
    assert again[-1].end is End.FULL
