"""Change detection inside the database: what changed is found, the rest stays where it is."""
# ruff: noqa: S608  (statements of made-up tables)

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.database import DatabaseConnector
from connectors.databases import ranges as module
from connectors.databases.settings import DatabaseConfig
from connectors.sdk import Batch, ConfigurationError, Cursor, DataError, End, KeyRange
from connectors.sdk.config import parse
from connectors.sdk.testing import read_all, rows_of
from tests.servers import databases
from tests.servers.databases import SourceDatabase

ROWS = 4000


@pytest.fixture(params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[SourceDatabase]:
    """A table of `ROWS` rows, keyed 10, 20, 30, …"""
    if request.param == "mariadb":
        found: SourceDatabase = request.getfixturevalue("mariadb")
        found.run(
            "CREATE TABLE people (id bigint PRIMARY KEY, name varchar(50), born date,"
            " big bigint, seen datetime(6), note varchar(20) COLLATE utf8mb4_general_ci)",
            "INSERT INTO people SELECT seq * 10, CONCAT('n', seq), '2000-01-01', 1,"
            f" '2024-01-01', 'a' FROM seq_1_to_{ROWS}",
        )
        yield found
    else:
        with databases.postgres(request.getfixturevalue("empty_database_url")) as found:
            found.run(
                "CREATE TABLE people (id bigint PRIMARY KEY, name text, born date, big bigint,"
                " seen timestamptz, note text)",
                "INSERT INTO people SELECT n * 10, 'n' || n, '2000-01-01', 1, '2024-01-01', 'a'"
                f" FROM generate_series(1, {ROWS}) n",
            )
            yield found


def reader(database: SourceDatabase, **fields: Any) -> DatabaseConnector:
    document = database.source(table="people", change_detection="pushdown", **fields)
    return DatabaseConnector(parse(DatabaseConfig, document))


def stored(batches: list[Batch]) -> Cursor:
    """The last cursor, as it comes back from the register."""
    cursor = [batch.cursor for batch in batches if batch.cursor][-1]
    loaded: Cursor = json.loads(json.dumps(cursor))
    return loaded


def changed(database: SourceDatabase, cursor: Cursor) -> tuple[set[int], Batch, list[Batch]]:
    batches = read_all(reader(database), cursor)
    ids = {int(str(row.data["id"])) for row in rows_of(batches)}
    return ids, batches[-1], batches


def counts(cursor: Cursor) -> list[int]:
    """Rows in each range of a cursor."""
    parts: Any = cursor["ranges"]
    return [count for _, count, _ in parts]


def inside(covered: list[KeyRange], key: int) -> bool:
    return any(
        (each.low is None or int(each.low) <= key) and (each.high is None or key < int(each.high))
        for each in covered
    )


def test_the_first_read_is_full_and_hands_out_digests(database: SourceDatabase) -> None:
    batches = read_all(reader(database))
    assert sum(map(len, batches)) == ROWS
    assert batches[-1].end is End.FULL
    assert batches[-1].covered == (KeyRange("id", None, None, numeric=True),)
    assert counts(stored(batches)) == [module.SMALLEST] * (ROWS // module.SMALLEST)


def test_an_unchanged_table_moves_no_row(database: SourceDatabase) -> None:
    cursor = stored(read_all(reader(database)))
    batches = read_all(reader(database), cursor)
    assert [(len(batch), batch.end, batch.skipped) for batch in batches] == [
        (0, End.UNCHANGED, ROWS)
    ]


@pytest.mark.parametrize(
    ("statement", "key"),
    [
        ("UPDATE people SET name = 'other' WHERE id = 12340", 12340),
        ("UPDATE people SET note = 'A' WHERE id = 12340", 12340),  # equal by a collation
        ("UPDATE people SET note = 'a ' WHERE id = 12340", 12340),
        ("UPDATE people SET note = NULL WHERE id = 12340", 12340),
        ("UPDATE people SET big = 4294967296 WHERE id = 12340", 12340),  # hashint8 folds halves
        ("UPDATE people SET seen = '2024-01-01 00:00:00.000001' WHERE id = 12340", 12340),
        ("INSERT INTO people VALUES (12345, 'new', NULL, NULL, NULL, NULL)", 12345),
        ("INSERT INTO people VALUES (-5, 'first', NULL, NULL, NULL, NULL)", -5),
        (
            "INSERT INTO people VALUES (9223372036854775807, 'last', NULL, NULL, NULL, NULL)",
            2**63 - 1,
        ),
    ],
)
def test_a_changed_or_new_row_is_read_with_its_range_only(
    database: SourceDatabase, statement: str, key: int
) -> None:
    cursor = stored(read_all(reader(database)))
    database.run(statement)
    ids, last, _ = changed(database, cursor)
    assert key in ids
    assert len(ids) <= module.SMALLEST + 1
    assert last.end is End.INCREMENTAL
    assert last.covered is not None
    assert inside(list(last.covered), key)
    assert last.skipped + len(ids) == database.fetch("SELECT count(*) FROM people")[0][0]


def test_a_deleted_row_is_told_by_a_covered_range_without_it(database: SourceDatabase) -> None:
    cursor = stored(read_all(reader(database)))
    database.run("DELETE FROM people WHERE id = 20010")
    ids, last, _ = changed(database, cursor)
    assert last.covered is not None
    covered = list(last.covered)
    assert inside(covered, 20010)
    assert 20010 not in ids
    everything = {row[0] for row in database.fetch("SELECT id FROM people")}
    assert ids == {key for key in everything if inside(covered, key)}


def test_values_that_swap_between_rows_are_found(database: SourceDatabase) -> None:
    cursor = stored(read_all(reader(database)))
    database.run(
        "UPDATE people SET name = CASE id WHEN 100 THEN 'n11' ELSE 'n10' END WHERE id IN (100, 110)"
    )
    ids, _, _ = changed(database, cursor)
    assert {100, 110} <= ids


def test_values_that_swap_between_rows_of_a_composite_key_are_found(
    empty_database_url: str,
) -> None:
    with databases.postgres(empty_database_url) as database:
        database.run(
            "CREATE TABLE people (a text, b integer, name text, PRIMARY KEY (a, b))",
            "INSERT INTO people SELECT 'x', n, 'n' || n FROM generate_series(1, 100) n",
        )
        cursor = stored(read_all(reader(database)))
        database.run("UPDATE people SET name = 'n' || 20 - b WHERE b IN (9, 11)")
        assert {row.data["b"] for row in rows_of(read_all(reader(database), cursor))} >= {9, 11}


def test_the_next_cursor_is_as_good_as_the_first(database: SourceDatabase) -> None:
    cursor = stored(read_all(reader(database)))
    database.run("UPDATE people SET name = 'x' WHERE id = 30000")
    _, last, batches = changed(database, cursor)
    assert last.end is End.INCREMENTAL
    _, again, _ = changed(database, stored(batches))
    assert again.end is End.UNCHANGED
    _, from_the_old_one, _ = changed(database, cursor)
    assert from_the_old_one.end is End.INCREMENTAL


def test_ranges_that_grow_are_split_and_ranges_that_shrink_are_merged(
    database: SourceDatabase,
) -> None:
    cursor = stored(read_all(reader(database)))
    database.run(
        "INSERT INTO people SELECT id + 100000, name, born, big, seen, note FROM people"
        " WHERE id <= 15000"
    )
    ids, last, batches = changed(database, cursor)
    assert len(ids) < ROWS
    assert last.end is End.INCREMENTAL
    grown = stored(batches)
    assert len(counts(grown)) > len(counts(cursor))
    assert max(counts(grown)) <= 2 * module.SMALLEST
    database.run("DELETE FROM people WHERE id BETWEEN 1000 AND 19990")
    _, last, batches = changed(database, grown)
    shrunk = stored(batches)
    assert len(counts(shrunk)) < len(counts(grown))
    assert changed(database, shrunk)[1].end is End.UNCHANGED


def test_most_rows_changed_means_a_full_read(database: SourceDatabase) -> None:
    cursor = stored(read_all(reader(database)))
    database.run("UPDATE people SET big = 2")
    ids, last, batches = changed(database, cursor)
    assert len(ids) == ROWS
    assert last.end is End.FULL
    assert changed(database, stored(batches))[1].end is End.UNCHANGED


def test_an_emptied_table_and_a_filled_one_are_seen(database: SourceDatabase) -> None:
    cursor = stored(read_all(reader(database)))
    database.run("DELETE FROM people")
    ids, last, batches = changed(database, cursor)
    assert not ids
    assert last.end is not None
    empty = stored(batches)
    database.run("INSERT INTO people VALUES (7, 'x', NULL, NULL, NULL, NULL)")
    ids, _, _ = changed(database, empty)
    assert ids == {7}


def test_a_new_column_means_a_full_read(database: SourceDatabase) -> None:
    cursor = stored(read_all(reader(database)))
    database.run("ALTER TABLE people ADD COLUMN extra integer")
    assert changed(database, cursor)[1].end is End.FULL


def test_many_ranges_scattered_over_the_table_are_read_in_one_go(
    database: SourceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SMALLEST", 20)
    cursor = stored(read_all(reader(database)))
    keys = set(range(200, 10 * ROWS, 600))
    database.run(f"UPDATE people SET big = 3 WHERE id IN ({', '.join(map(str, keys))})")
    ids, last, _ = changed(database, cursor)
    assert last.end is End.INCREMENTAL
    assert last.covered is not None
    assert len(last.covered) > 64
    assert keys <= ids
    assert len(ids) < ROWS // 2


def test_a_damaged_cursor_is_refused(database: SourceDatabase) -> None:
    cursor = stored(read_all(reader(database)))
    parts: Any = cursor["ranges"]
    broken: list[Any] = [[], parts[::-1], [["x", 1, "zz"]], [[None, 1]], "text"]
    for damaged in broken:
        with pytest.raises(DataError):
            read_all(reader(database), {**cursor, "ranges": damaged})


def test_digests_do_not_depend_on_settings_of_the_database(empty_database_url: str) -> None:
    with databases.postgres(empty_database_url) as database:
        database.run(
            "CREATE TABLE people (id integer PRIMARY KEY, at timestamptz, photo bytea, f real)",
            "INSERT INTO people VALUES (1, '2024-06-01 12:00+02', 'ab', 0.1)",
        )
        cursor = stored(read_all(reader(database)))
        name = database.document["database"]
        database.run(
            f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'",
            f"ALTER DATABASE {name} SET datestyle = 'German'",
            f"ALTER DATABASE {name} SET bytea_output = 'escape'",
            f"ALTER DATABASE {name} SET extra_float_digits = -3",
        )
        assert read_all(reader(database), cursor)[-1].end is End.UNCHANGED


@pytest.mark.parametrize("key", ["text", "uuid", "varchar(40)"])
def test_text_and_uuid_keys_are_compared_by_code_point(empty_database_url: str, key: str) -> None:
    with databases.postgres(empty_database_url) as database:
        value = "md5(n::text)::uuid" if key == "uuid" else "chr(65 + n % 60) || 'ß' || n"
        database.run(
            f"CREATE TABLE people (id {key} PRIMARY KEY, note text)",
            f"INSERT INTO people SELECT {value}, 'a' FROM generate_series(1, {ROWS}) n",
        )
        cursor = stored(read_all(reader(database)))
        assert len(counts(cursor)) == ROWS // module.SMALLEST
        ((some,),) = database.fetch("SELECT id::text FROM people OFFSET 777 LIMIT 1")
        database.run(f"UPDATE people SET note = 'b' WHERE id::text = '{some}'")
        batches = read_all(reader(database), cursor)
        ids = {str(row.data["id"]) for row in rows_of(batches)}
        assert batches[-1].covered is not None
        (span,) = batches[-1].covered
        assert not span.numeric
        everything = {row[0] for row in database.fetch("SELECT id::text FROM people")}
        assert some in ids
        assert ids == {
            each
            for each in everything
            if (span.low or "") <= each and (span.high is None or each < span.high)
        }


DIFFERENT = [
    ("bool", "true", "false"),
    ("int2", "1", "-1"),
    ("int4", "0", "1"),
    ("int8", "1", "4294967296"),  # hashint8 folds halves
    ("int8", "-1", "1"),
    ("numeric", "5", "-5"),  # hash_numeric leaves the sign out
    ("numeric", "1", "10000"),  # and only adds the magnitude
    ("numeric", "0.1", "0.01"),
    ("float4", "5", "-5"),
    ("float8", "0.1", "0.10000000000000002"),
    ("text", "'a'", "'A'"),
    ("text", "''", "' '"),
    ("varchar", "'a'", "'a '"),
    ("char(4)", "'a'", "'b'"),
    ("date", "'2024-02-29'", "'2024-03-01'"),
    ("date", "'infinity'", "'-infinity'"),
    ("timestamp", "'2024-01-01'", "'2024-01-01 00:00:00.000001'"),
    ("timestamptz", "'2024-01-01 00:00Z'", "'2024-01-01 01:00Z'"),
    ("time", "'12:00'", "'12:00:01'"),
    ("timetz", "'12:00+01'", "'11:00+00'"),
    ("interval", "'1 month'", "'30 days'"),
    ("uuid", "'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"),
    ("bytea", "'\\x00'", "'\\x0000'"),
    ("jsonb", """'{"a": 1}'""", """'{"a": -1}'"""),
    ("int4[]", "'{1,2}'", "'{2,1}'"),
    ("inet", "'10.0.0.1'", "'10.0.0.1/24'"),
]


@pytest.mark.parametrize("key", ["int4", "int8", "text"])
def test_every_change_of_a_value_is_found(empty_database_url: str, key: str) -> None:
    missed = []
    with databases.postgres(empty_database_url) as database:
        for kind, one, other in DIFFERENT:
            states = [(one, one), (other, other), (one, other), (other, one)]
            states += [("NULL", one), (one, "NULL"), ("NULL", "NULL")]
            database.run(
                "DROP TABLE IF EXISTS people",
                f"CREATE TABLE people (id {key} PRIMARY KEY, a {kind}, b {kind})",
                "INSERT INTO people VALUES ('7', NULL, NULL)",
            )
            seen: list[Any] = []
            for a, b in states:
                database.run(f"UPDATE people SET a = {a}, b = {b}")
                digests = stored(read_all(reader(database)))["ranges"]
                if digests in seen:
                    missed.append((kind, states[seen.index(digests)], (a, b)))
                seen.append(digests)
    assert not missed


def test_a_table_without_a_usable_key_is_read_in_full(empty_database_url: str) -> None:
    with databases.postgres(empty_database_url) as database:
        database.run("CREATE TABLE people (id integer)", "INSERT INTO people VALUES (1)")
        last = read_all(reader(database))[-1]
        assert last.end is End.FULL
        assert last.cursor is None


def test_pushdown_with_a_query_or_a_cursor_column_is_refused() -> None:
    base = {"dialect": "postgresql", "database": "x", "change_detection": "pushdown"}
    for document in ({"query": "SELECT 1"}, {"table": "t", "cursor": "at"}):
        with pytest.raises(ConfigurationError) as caught:
            parse(DatabaseConfig, {**base, **document})
        assert "needs a table" in str(caught.value)
