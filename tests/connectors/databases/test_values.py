"""Values of every column type as JSON: exact, or refused with the row's position."""
# ruff: noqa: S608  (statements of made-up tables)

from __future__ import annotations

import datetime
import math
import struct
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from connectors.database import DatabaseConnector
from connectors.databases import alchemy, convert, lines
from connectors.databases.settings import DatabaseConfig
from connectors.sdk import Batch, RowDecodeError, RowProblem, canonical
from connectors.sdk.config import parse
from connectors.sdk.testing import read_all
from tests.servers import databases
from tests.servers.databases import SourceDatabase

Made = tuple[Any, ...]


def batches(document: dict[str, Any]) -> list[Batch]:
    return read_all(DatabaseConnector(parse(DatabaseConfig, document)))


def decoded(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(row.data) for batch in batches(document) for row in batch]


def problem(document: dict[str, Any]) -> RowProblem:
    (batch, _) = batches(document)
    with pytest.raises(RowDecodeError) as caught:
        batch.row(0)
    return caught.value.problem


@pytest.fixture
def postgres(empty_database_url: str) -> Iterator[SourceDatabase]:
    with databases.postgres(empty_database_url) as found:
        yield found


# PostgreSQL


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true", True),
        ("(-9223372036854775808)::int8", -(2**63)),
        ("32767::int2", 32767),
        ("'12345678901234567890.123456789'::numeric", Decimal("12345678901234567890.123456789")),
        ("1.50::numeric(10,2)", 1.5),
        ("100::numeric(10,2)", 100),
        ("1e400::numeric", 10**400),
        ("0.1::float4", 0.1),
        ("0.1::float8 + 0.2", 0.30000000000000004),
        ("'$1,234.50'::money", 1234.5),
        ("'ab '::char(5)", "ab"),
        ("E'tab\\tnewline\\nback\\\\slash'", "tab\tnewline\nback\\slash"),
        ("'\\N'", "\\N"),
        ("''", ""),
        ("'2024-02-29'::date", "2024-02-29"),
        ("'2024-02-29 12:00:00.120'::timestamp", "2024-02-29T12:00:00.12"),
        ("'2024-02-29 12:00:00+02'::timestamptz", "2024-02-29T10:00:00Z"),
        ("'12:30'::time", "12:30:00"),
        ("'12:30+05:30'::timetz", "12:30:00+05:30"),
        ("'12:30+00'::timetz", "12:30:00Z"),
        ("'1 year 2 mons 3 days 04:05:06.7'::interval", "P1Y2M3DT4H5M6.7S"),
        ("'0'::interval", "PT0S"),
        ("'-1 day'::interval", "P-1D"),
        ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("'\\x00ff'::bytea", "AP8="),
        ("'{\"b\": 1.0, \"a\": 12345678901234567890.1}'::json",
         {"a": Decimal("12345678901234567890.1"), "b": 1}),
        ("'[1e2, \"\\\\\"]'::jsonb", [100, "\\"]),
        ("ARRAY[1, NULL, 3]", [1, None, 3]),
        ("ARRAY[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
        ("'{}'::int[]", []),
        ("'[5:6]={7,8}'::int[]", [7, 8]),
        ("ARRAY['a,b', 'NULL', NULL, '', '{x}', E'q\"\\\\', ' s ']",
         ["a,b", "NULL", None, "", "{x}", 'q"\\', " s "]),
        ("ARRAY['2024-01-01 00:00Z'::timestamptz]", ["2024-01-01T00:00:00Z"]),
        ("ARRAY['{\"a\": 1.50}'::jsonb]", [{"a": 1.5}]),
        ("ARRAY['\\x01'::bytea]", ["AQ=="]),
        ("'192.168.0.0/24'::cidr", "192.168.0.0/24"),
        ("int4range(1, 5)", "[1,5)"),
        ("'101'::bit(3)", "101"),
        ("NULL::int", None),
    ],
)  # fmt: skip
def test_a_value_of_postgres_is_exact_json(
    postgres: SourceDatabase, expression: str, expected: Any
) -> None:
    (row,) = decoded(postgres.source(query=f"SELECT {expression} AS value"))
    assert row == {"value": expected}
    assert type(row["value"]) is type(expected)


def test_types_of_ones_own_are_read_by_what_they_are_made_of(postgres: SourceDatabase) -> None:
    postgres.run(
        "CREATE TYPE mood AS ENUM ('good', 'very bad')",
        "CREATE DOMAIN price AS numeric(9,2) CHECK (value >= 0)",
        "CREATE TABLE t (id int, m mood, ms mood[], p price, ps price[])",
        "INSERT INTO t VALUES (1, 'very bad', '{good,\"very bad\"}', 1.50, '{2.50,3}')",
    )
    assert decoded(postgres.source(table="t")) == [
        {"id": 1, "m": "very bad", "ms": ["good", "very bad"], "p": 1.5, "ps": [2.5, 3]}
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "'NaN'::numeric",
        "'Infinity'::float8",
        "'-Infinity'::float4",
        "'NaN'::float8",
        "'infinity'::date",
        "'-infinity'::timestamptz",
        "'0044-03-15 BC'::date",
        "'20000-01-01'::timestamp",
        "'24:00'::time",
        "ARRAY['infinity'::timestamp]",
    ],
)
def test_what_json_cannot_carry_is_refused_with_the_position_of_its_row(
    postgres: SourceDatabase, expression: str
) -> None:
    postgres.run(
        f"CREATE TABLE t AS SELECT 7 AS id, {expression} AS value",
        "ALTER TABLE t ADD PRIMARY KEY (id)",
    )
    found = problem(postgres.source(table="t"))
    assert found.position == "t, row 1, id 7"
    assert [error.path for error in found.errors] == ["value"]
    assert found.errors[0].message


def test_a_bad_row_leaves_its_neighbours_alone(postgres: SourceDatabase) -> None:
    postgres.run(
        "CREATE TABLE t AS SELECT n AS id, 1 / (n - 2)::float8 AS v FROM generate_series(3, 4) n"
    )
    postgres.run("INSERT INTO t VALUES (2, 'NaN')")
    (batch, _) = batches(postgres.source(table="t"))
    assert [batch.row(index).data["v"] for index in (0, 1)] == [1, 0.5]
    with pytest.raises(RowDecodeError):
        batch.row(2)


def test_the_text_of_a_row_does_not_depend_on_settings(postgres: SourceDatabase) -> None:
    postgres.run(
        "CREATE TABLE t AS SELECT 1 AS id, now() AS at, '1 day'::interval AS span,"
        " '\\x00'::bytea AS photo, 0.1::float4 AS small, 2.5::money AS price"
    )
    before = [batch.raw() for batch in batches(postgres.source(table="t"))]
    name = postgres.document["database"]
    for setting in (
        "timezone = 'Asia/Tokyo'",
        "datestyle = 'German'",
        "intervalstyle = 'sql_standard'",
        "bytea_output = 'escape'",
        "extra_float_digits = -5",
    ):
        postgres.run(f"ALTER DATABASE {name} SET {setting}")
    assert [batch.raw() for batch in batches(postgres.source(table="t"))] == before


def test_another_name_or_type_of_a_column_is_another_layout(postgres: SourceDatabase) -> None:
    layouts = {
        batches(postgres.source(query=f"SELECT {query}"))[0].layout
        for query in ("1 AS a, 2 AS b", "1 AS b, 2 AS a", "1::int8 AS a, 2 AS b", "1 AS a")
    }
    assert len(layouts) == 4


naive = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31))
text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
cells = (
    text,
    st.integers(-(2**63), 2**63 - 1),
    st.decimals(
        allow_nan=False, allow_infinity=False, places=10, min_value=-(10**20), max_value=10**20
    ),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.dates(),
    naive,
    naive.map(lambda moment: moment.replace(tzinfo=datetime.UTC)),
    st.times(),
    st.binary(max_size=20),
    st.uuids(),
    st.lists(st.none() | text, max_size=4),
    st.lists(st.integers(-100, 100), max_size=4),
    st.booleans(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | text,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
        max_leaves=5,
    ),
)
TYPES = (
    "text", "int8", "numeric", "float8", "float4", "date", "timestamp", "timestamptz", "time",
    "bytea", "uuid", "text[]", "int4[]", "bool", "jsonb",
)  # fmt: skip


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows=st.lists(st.tuples(*(st.none() | each for each in cells)), max_size=20))
def test_lines_are_decoded_to_what_psycopg_makes_of_the_same_rows(
    postgres: SourceDatabase, rows: list[Made]
) -> None:
    names = [f"c{number}" for number in range(len(TYPES))]
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, TYPES, strict=True))
    with psycopg.connect(**_conninfo(postgres)) as connection:
        connection.execute(f"DROP TABLE IF EXISTS t; CREATE TABLE t (n serial, {columns})")
        places = ", ".join(["%s"] * len(names))
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO t ({', '.join(names)}) VALUES ({places})",
                [(*row[:-1], None if row[-1] is None else Jsonb(row[-1])) for row in rows],
            )
        connection.commit()
        connection.execute("SET timezone = 'UTC'")
        expected = [
            {
                name: None if item is None else alchemy.value(item)
                for name, item in zip(names, row, strict=True)
            }
            for row in connection.execute(f"SELECT {', '.join(names)} FROM t ORDER BY n")
        ]
    for row in expected:  # psycopg widens a float4 to the double behind it
        if row["c4"] is not None:
            row["c4"] = convert.single(repr(float(row["c4"])))  # type: ignore[arg-type]
    found = decoded(postgres.source(query=f"SELECT {', '.join(names)} FROM t ORDER BY n"))
    assert canonical.dumps(found) == canonical.dumps(canonical.value(expected))


def _conninfo(database: SourceDatabase) -> dict[str, Any]:
    document = database.document
    return {
        "host": document["host"],
        "port": document["port"],
        "user": document["user"],
        "dbname": document["database"],
    }


# MySQL and MariaDB


@pytest.mark.parametrize(
    ("type_name", "value", "expected"),
    [
        ("tinyint(1)", "1", True),
        ("tinyint(1)", "2", 2),
        ("tinyint(4)", "1", 1),
        ("bit(1)", "b'0'", False),
        ("bit(64)", "18446744073709551615", 2**64 - 1),
        ("bigint unsigned", "18446744073709551615", 2**64 - 1),
        ("int(5) zerofill", "7", 7),
        ("decimal(65,30)", "0.000000000000000000000000000001", Decimal("1e-30")),
        ("float", "0.1", 0.1),
        ("float", "16777217", 16777216),
        ("double", "0.1e0 + 0.2e0", 0.30000000000000004),
        ("year", "2024", 2024),
        ("date", "'2024-02-29'", "2024-02-29"),
        ("datetime(3)", "'2024-02-29 12:00:00.120'", "2024-02-29T12:00:00.12"),
        ("timestamp null", "'2024-02-29 12:00:00'", "2024-02-29T12:00:00Z"),
        ("time", "'23:59:59'", "23:59:59"),
        ("char(5)", "'ab'", "ab"),
        ("varchar(9) character set latin1", "'é\t'", "é\t"),
        ("text", "'\\\\N'", "\\N"),
        ("blob", "x'00ff'", "AP8="),
        ("binary(3)", "x'00ff'", "AP8A"),
        ("json", "'{\"a\": 1.50}'", {"a": 1.5}),
        ("enum('a','b')", "'b'", "b"),
        ("set('a','b')", "'a,b'", "a,b"),
        ("point", "ST_GeomFromText('POINT(1 2)')", "POINT(1 2)"),
    ],
)
def test_a_value_of_mariadb_is_exact_json(
    mariadb: SourceDatabase, type_name: str, value: str, expected: Any
) -> None:
    mariadb.run(
        "SET time_zone = '+00:00'",
        f"CREATE TABLE t (id integer, value {type_name}, empty {type_name})",
        f"INSERT INTO t VALUES (1, {value}, NULL)",
    )
    (row,) = decoded(mariadb.source(table="t"))
    assert row == {"id": 1, "value": expected, "empty": None}
    assert type(row["value"]) is type(expected)


def test_booleans_of_mysql_can_stay_numbers(mariadb: SourceDatabase) -> None:
    mariadb.run("CREATE TABLE t (a tinyint(1), b bit(1))", "INSERT INTO t VALUES (1, b'1')")
    (row,) = decoded(mariadb.source(table="t", booleans=False))
    assert row == {"a": 1, "b": 1}
    assert type(row["a"]) is int


@pytest.mark.parametrize(
    ("type_name", "value"),
    [("date", "'0000-00-00'"), ("datetime", "'2024-00-01 00:00:00'"), ("time", "'-12:00:00'")],
)
def test_dates_that_are_none_are_refused_with_their_row(
    mariadb: SourceDatabase, type_name: str, value: str
) -> None:
    mariadb.run(
        "SET sql_mode = ''",
        f"CREATE TABLE t (id integer PRIMARY KEY, value {type_name})",
        f"INSERT INTO t VALUES (7, {value})",
    )
    found = problem(mariadb.source(table="t"))
    assert found.position == "t, row 1, id 7"
    assert found.errors[0].path == "value"


# SQLite


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        ("integer", "9223372036854775807", 2**63 - 1),
        ("integer", "'not a number'", "not a number"),
        ("boolean", "1", True),
        ("boolean", "5", 5),
        ("real", "2.0", 2),
        ("numeric", "'1.50'", 1.5),
        ("blob", "x'00ff'", "AP8="),
        ("date", "'2024-02-29'", "2024-02-29"),
        ("datetime", "'2024-02-29 12:00:00.500'", "2024-02-29T12:00:00.5"),
        ("datetime", "'2024-02-29T12:00:00+02:00'", "2024-02-29T10:00:00Z"),
        ("datetime", "1709208000", 1709208000),
        ("datetime", "'soon'", "soon"),
        ("timestamptz", "'2024-02-29 12:00:00'", "2024-02-29T12:00:00Z"),
        ("time", "'12:30:00.500'", "12:30:00.5"),
        ("json", "'{\"a\": 1.50}'", {"a": 1.5}),
        ("", "7", 7),
    ],
)
def test_a_value_of_sqlite_is_exact_json(
    tmp_path: Path, declared: str, value: str, expected: Any
) -> None:
    with databases.sqlite(tmp_path) as database:
        database.run(
            f"CREATE TABLE t (id integer, value {declared}, empty {declared})",
            f"INSERT INTO t VALUES (1, {value}, NULL)",
        )
        (row,) = decoded(database.source(table="t"))
    assert row == {"id": 1, "value": expected, "empty": None}
    assert type(row["value"]) is type(expected)


@pytest.mark.parametrize("value", ["9e999", "CAST(x'ff' AS TEXT)"])
def test_what_sqlite_should_not_hold_is_refused_with_its_row(tmp_path: Path, value: str) -> None:
    with databases.sqlite(tmp_path) as database:
        database.run(
            "CREATE TABLE t (id integer PRIMARY KEY, value)", f"INSERT INTO t VALUES (7, {value})"
        )
        found = problem(database.source(table="t"))
    assert found.position == "t, row 1, id 7"


# The conversions by themselves


def decimals(limit: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(-limit, limit, allow_nan=False, allow_infinity=False, places=places)


@given(decimals(10**25, 12) | decimals(1, 20) | st.integers().map(Decimal))
def test_the_quick_way_to_a_number_gives_what_the_exact_way_gives(number: Decimal) -> None:
    if abs(number.adjusted()) > 900:
        return
    plain = f"{number:f}"
    expected = canonical.number(Decimal(plain))
    found = convert.decimal(plain)
    assert (type(found), found) == (type(expected), expected)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_of_32_bits_comes_back_from_its_shortest_name(number: float) -> None:
    found = float(convert.single(repr(number)))
    assert struct.pack("<f", found) == struct.pack("<f", number) or (found == 0 and number == 0)
    assert math.isfinite(found)


@given(st.lists(st.none() | st.text(), min_size=1, max_size=5))
def test_a_line_holds_any_text(values: list[str | None]) -> None:
    escapes = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b"})
    line = "\t".join("\\N" if each is None else each.translate(escapes) for each in values)
    try:
        raw = line.encode()
    except UnicodeEncodeError:  # half a surrogate pair is in no database
        return
    assert lines.split(raw) == values
    assert [lines.cutter(number, None)([raw])[0] for number in range(len(values))] == [
        canonical.key_part(each) for each in values
    ]


@given(st.timedeltas())
def test_a_duration_is_spelled_as_postgres_spells_it(span: datetime.timedelta) -> None:
    spelled = alchemy.duration(span)
    assert spelled.startswith("P")
    assert ("-" in spelled) == (span < datetime.timedelta(0))


def test_values_of_other_drivers_have_a_json_form_or_a_reason() -> None:
    assert alchemy.value(uuid.UUID(int=7)) == "00000000-0000-0000-0000-000000000007"
    assert alchemy.value(datetime.timedelta(days=-1, hours=-2)) == "P-1DT-2H"
    assert alchemy.value([1, None, b"a"]) == [1, None, "YQ=="]
    with pytest.raises(ValueError, match="no JSON form"):
        alchemy.value(object())
