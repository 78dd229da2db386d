"""Change detection inside the source's database, through the whole product.

A register that is kept in step by compared key ranges ends up exactly as one that reads every row.
"""
# ruff: noqa: S608, S311  (statements of made-up tables, by chance)

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from app.application import Application
from app.registers import registers, schemas
from app.sources import manage
from app.sync import dry_run
from app.sync import run as running
from app.sync.after import held
from app.sync.model import Run
from app.sync.report import RunState
from app.sync.run import Request
from connectors.databases import ranges
from connectors.databases.lines import LineFormat
from connectors.sdk.rows import LineBatch
from tests.integration.bench import figures
from tests.servers import databases
from tests.servers.databases import SourceDatabase

ROWS = 400
SIZE = 20
"""Rows per range."""

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": ["string", "null"], "maxLength": 20}},
}


class Desk:
    """A source that reads table `people` of a database into register `staff`."""

    def __init__(self, app: Application, database: SourceDatabase) -> None:
        self.app = app
        self.database = database
        app.write(registers.add, "staff")
        schemas.add(app, "person", SCHEMA, register="staff", actor="test")

    def define(
        self, mapping: dict[str, Any] | None = None, key: Any = "id", **document: Any
    ) -> None:
        """Add or change the source."""
        target = {
            "target": {"register": "staff", "schema": "person"},
            "mapping": {"key": key, "passthrough": True, **(mapping or {})},
        }
        manage.save(
            self.app,
            {
                "name": "people",
                "type": "database",
                "connection": self.database.source(table="people", change_detection="pushdown"),
                **({} if "targets" in document else target),
                **document,
            },
            test=False,
        )

    def sync(self, **request: Any) -> Run:
        return running.run(self.app, "people", Request(**request)).run

    def keys(self, target: int = 0) -> list[str]:
        """Keys of the live objects."""
        return self.column(
            "SELECT source_key FROM openregister.objects WHERE deleted IS NULL"
            f" AND target = {target} ORDER BY seq"
        )

    def column(self, query: str) -> list[Any]:
        with self.app.engine.connect() as connection:
            return list(connection.scalars(sa.text(query)))

    def scalar(self, query: str) -> Any:
        return self.column(query)[0]

    def execute(self, statement: str) -> None:
        with self.app.engine.begin() as connection:
            connection.execute(sa.text(statement))

    def matches(self) -> bool:
        """Whether a read of everything finds nothing left to do."""
        run = self.sync(full=True)
        return not any(figures(run, "created", "updated", "deleted", "held").values())


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a table of some hundred rows has many."""
    monkeypatch.setattr(ranges, "SMALLEST", SIZE)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every row that a database sends, as it comes."""
    rows: list[bytes] = []
    batch = LineFormat.batch

    def counted(
        self: LineFormat, lines: Sequence[bytes], first: int, total: int | None = None
    ) -> LineBatch:
        rows.extend(lines)
        return batch(self, lines, first, total)

    monkeypatch.setattr(LineFormat, "batch", counted)
    return rows


@pytest.fixture
def postgres(empty_database_url: str) -> Iterator[SourceDatabase]:
    with databases.postgres(empty_database_url) as database:
        yield database


@pytest.fixture(params=["postgresql", "mariadb"])
def desk(request: pytest.FixtureRequest, application: Application) -> Desk:
    """A table of `ROWS` rows, keyed 10, 20, 30, …"""
    if request.param == "mariadb":
        database: SourceDatabase = request.getfixturevalue("mariadb")
        rows = f"SELECT seq * 10, CONCAT('n', seq) FROM seq_1_to_{ROWS}"
    else:
        database = request.getfixturevalue("postgres")
        rows = f"SELECT n * 10, 'n' || n FROM generate_series(1, {ROWS}) n"
    database.run(
        "CREATE TABLE people (id bigint PRIMARY KEY, name varchar(50))",
        f"INSERT INTO people {rows}",
    )
    return Desk(application, database)


@pytest.fixture
def text_desk(application: Application, postgres: SourceDatabase) -> Desk:
    """Text keys in every order but that of a language: cases, blanks, accents, wildcards."""
    postgres.run(
        "CREATE TABLE people (id text PRIMARY KEY, name text)",
        "INSERT INTO people SELECT k || n, 'n' || n FROM generate_series(1, 40) n,"
        " unnest(ARRAY['A', 'a', 'Z', 'é', 'É', '%', '_', ' x', '😀', '日本', 'ß.']) k",
    )
    return Desk(application, postgres)


@pytest.fixture
def pair_desk(application: Application, postgres: SourceDatabase) -> Desk:
    """A composite key: number and text."""
    postgres.run(
        "CREATE TABLE people (id integer, kind text, name text, PRIMARY KEY (id, kind))",
        f"INSERT INTO people SELECT n, k, 'n' || n FROM generate_series(1, {ROWS // 2}) n,"
        " unnest(ARRAY['a', 'b']) k",
    )
    return Desk(application, postgres)


def test_an_unchanged_table_moves_no_row_and_counts_all(desk: Desk, sent: list[bytes]) -> None:
    desk.define(on_missing="delete")
    first = desk.sync()
    assert figures(first) == {"read": ROWS, "created": ROWS}
    assert (first.complete, first.full) == (True, True)
    assert len(sent) == ROWS
    sent.clear()
    again = desk.sync()
    assert figures(again) == {"read": ROWS, "unchanged": ROWS}
    assert (again.state, again.complete, again.full) == (RunState.DONE, True, False)
    assert "no changes since the last sync" in (again.message or "")
    assert figures(desk.sync()) == {"read": ROWS, "unchanged": ROWS}
    assert sent == []
    assert figures(desk.sync(full=True)) == {"read": ROWS, "unchanged": ROWS}
    assert len(sent) == ROWS


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE people SET name = 'other' WHERE id = 1230", {"updated": 1}),
        ("INSERT INTO people VALUES (1235, 'new')", {"created": 1}),
        ("INSERT INTO people VALUES (-9223372036854775807, 'new')", {"created": 1}),
        ("INSERT INTO people VALUES (9223372036854775807, 'new')", {"created": 1}),
        ("DELETE FROM people WHERE id = 1230", {"deleted": 1}),
        ("DELETE FROM people WHERE id IN (10, 4000)", {"deleted": 2}),
        ("UPDATE people SET id = 1235 WHERE id = 1230", {"created": 1, "deleted": 1}),
        ("UPDATE people SET id = -5 WHERE id = 1230", {"created": 1, "deleted": 1}),
    ],
)
def test_a_change_in_one_range_is_found_exactly(
    desk: Desk, sent: list[bytes], statement: str, expected: dict[str, int]
) -> None:
    desk.define(on_missing="delete")
    desk.sync()
    desk.database.run(statement)
    sent.clear()
    run = desk.sync()
    assert len(sent) <= 2 * SIZE  # two ranges at the most
    rows = desk.database.fetch("SELECT id FROM people")
    found = figures(run)
    assert found.pop("read") == len(rows)
    assert found.pop("unchanged") == len(rows) - sum(
        count for name, count in expected.items() if name != "deleted"
    )
    assert found == expected
    assert (run.state, run.complete, run.full) == (RunState.DONE, True, False)
    assert sorted(map(int, desk.keys())) == sorted(key for (key,) in rows)
    assert figures(desk.sync()) == {"read": len(rows), "unchanged": len(rows)}
    assert desk.matches()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_register_follows_whatever_happens_to_numbers(desk: Desk, seed: int) -> None:
    chance = random.Random(seed)
    desk.define(on_missing="delete", delete_guard=1.0)
    desk.sync()
    for turn in range(4):
        start = chance.randrange(-100, 4000)
        desk.database.run(
            f"DELETE FROM people WHERE id BETWEEN {start} AND {start + chance.randrange(600)}",
            f"UPDATE people SET name = 't{turn}' WHERE id = {chance.randrange(1, 400) * 10}",
            f"INSERT INTO people VALUES ({-turn - 1}, 'new'), ({4001 + turn}, NULL)",
        )
        run = desk.sync()
        rows = dict(desk.database.fetch("SELECT id, name FROM people"))
        assert run.counters.read == len(rows)
        assert data_of(desk) == {str(key): name for key, name in rows.items()}
    assert desk.matches()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_register_follows_whatever_happens_to_texts(text_desk: Desk, seed: int) -> None:
    chance = random.Random(seed)
    desk = text_desk
    desk.define(on_missing="delete", delete_guard=1.0)
    desk.sync()
    for turn in range(4):
        keys = [key for (key,) in desk.database.fetch("SELECT id FROM people ORDER BY id")]
        gone, changed = chance.choice(keys), chance.choice(keys)
        low, high = sorted(chance.sample(keys, 2))
        desk.database.run(
            f"DELETE FROM people WHERE id = '{gone}' OR (id > '{low}' AND id < '{high}'"
            f" AND name = 'n{turn}')",
            f"UPDATE people SET name = 't{turn}' WHERE id = '{changed}'",
            f"INSERT INTO people VALUES ('{gone.swapcase()}{turn}', 'new'), ('Ÿ{turn}', 'new')",
        )
        run = desk.sync()
        rows = dict(desk.database.fetch("SELECT id, name FROM people"))
        assert run.counters.read == len(rows)
        assert data_of(desk) == rows
    assert desk.matches()


def data_of(desk: Desk) -> dict[str, Any]:
    """Names by key, as the register has them."""
    with desk.app.engine.connect() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT source_key, data->>'name' AS name FROM openregister.objects"
                " WHERE deleted IS NULL"
            )
        )
        return {row.source_key: row.name for row in rows}


@pytest.mark.parametrize("key", [["id", "kind"], ["kind", "id"]])
def test_composite_keys_are_deleted_by_the_part_that_was_compared(
    pair_desk: Desk, sent: list[bytes], key: list[str]
) -> None:
    desk = pair_desk
    desk.define(key=key, on_missing="delete")
    desk.sync()
    desk.database.run("DELETE FROM people WHERE id = 77 AND kind = 'b'")
    sent.clear()
    assert figures(desk.sync()) == {"read": ROWS - 1, "unchanged": ROWS - 1, "deleted": 1}
    assert len(sent) <= 2 * SIZE
    expected = {"a\x1f77", "b\x1f77"} if key[0] == "kind" else {"77\x1fa", "77\x1fb"}
    assert expected & set(desk.keys()) == {next(each for each in expected if "a" in each)}
    assert desk.matches()


def test_a_key_that_holds_the_separator_is_left_to_the_next_full_read(pair_desk: Desk) -> None:
    desk = pair_desk
    desk.database.run("INSERT INTO people VALUES (77, E'odd\\x1fone', 'x'), (77, 'z', 'x')")
    desk.define(key=["id", "kind"], on_missing="delete")
    desk.sync()
    desk.database.run("DELETE FROM people WHERE id = 77 AND name = 'x'")
    assert figures(desk.sync(), "deleted") == {"deleted": 1}
    assert figures(desk.sync(full=True), "deleted") == {"deleted": 1}


def test_a_mass_deletion_is_held_and_found_again_until_it_is_approved(desk: Desk) -> None:
    desk.define(on_missing="delete")
    desk.sync()
    desk.database.run("DELETE FROM people WHERE id <= 1500")
    for _ in range(2):
        run = desk.sync()
        assert run.state is RunState.HELD
        assert figures(run) == {"read": 250, "unchanged": 250, "held": 150}
        assert "150 of 400 objects" in (run.message or "")
    desk.database.run("UPDATE people SET name = 'x' WHERE id = 4000")
    desk.database.run("INSERT INTO people VALUES (1500, 'n150')")
    run = desk.sync()
    assert figures(run) == {"read": 251, "unchanged": 250, "updated": 1, "held": 149}
    assert len(held.held(desk.app, "people")) == 149
    assert held.approve(desk.app, "people", ceiling=149, actor="test").counters.deleted == 149
    assert len(desk.keys()) == 251
    for _ in range(2):
        assert figures(desk.sync()) == {"read": 251, "unchanged": 251}
    assert desk.matches()


def test_rows_that_came_back_are_not_deleted_by_a_late_approval(desk: Desk) -> None:
    desk.define(on_missing="delete")
    desk.sync()
    desk.database.run(
        "CREATE TABLE kept AS SELECT * FROM people WHERE id <= 1500",
        "DELETE FROM people WHERE id <= 1500",
    )
    assert desk.sync().state is RunState.HELD
    desk.database.run("INSERT INTO people SELECT * FROM kept")
    assert figures(desk.sync()) == {"read": ROWS, "unchanged": ROWS}
    assert held.approve(desk.app, "people", ceiling=ROWS, actor="test").counters.deleted == 0
    assert len(desk.keys()) == ROWS


def test_a_full_read_that_holds_deletions_is_followed_by_one_that_does(desk: Desk) -> None:
    desk.define(on_missing="delete")
    desk.sync()
    desk.database.run("DELETE FROM people WHERE id <= 1500")
    for full in (True, False):
        assert figures(desk.sync(full=full), "held") == {"held": 150}


@pytest.mark.promise(
    "a rejected row stays part of every result until it is good, gone at a complete read, "
    "filtered out or deleted"
)
def test_a_bad_row_in_a_range_that_is_as_it_was_stays_in_quarantine(desk: Desk) -> None:
    waiting = "SELECT coalesce(string_agg(source_key, ' '), '') FROM openregister.quarantine"
    desk.define(on_missing="delete")
    desk.database.run(f"UPDATE people SET name = '{'x' * 30}' WHERE id IN (50, 3000, 4000)")
    assert figures(desk.sync(), "read", "errors") == {"read": ROWS, "errors": 3}
    desk.database.run("UPDATE people SET name = 'other' WHERE id = 60")
    assert figures(desk.sync(), "errors", "updated") == {"errors": 1, "updated": 1}
    assert sorted(desk.scalar(waiting).split()) == ["3000", "4000", "50"]
    desk.database.run("UPDATE people SET name = 'good' WHERE id = 50")
    desk.database.run("DELETE FROM people WHERE id = 3000")
    assert figures(desk.sync(), "errors", "created", "deleted") == {
        "errors": 0,
        "created": 1,
        "deleted": 0,
    }
    assert desk.scalar(waiting) == "4000"
    assert figures(desk.sync(full=True), "errors") == {"errors": 1}


def test_a_bad_row_keeps_its_object(desk: Desk) -> None:
    desk.define(on_missing="delete")
    desk.sync()
    desk.database.run(f"UPDATE people SET name = '{'x' * 30}' WHERE id = 50")
    run = desk.sync()
    assert figures(run) == {"read": ROWS, "unchanged": ROWS - 1, "errors": 1}
    assert run.state is RunState.PARTIAL
    assert len(desk.keys()) == ROWS


def test_a_filter_decides_as_in_a_full_read(desk: Desk) -> None:
    desk.define({"filter": "name != 'closed'"}, on_missing="delete")
    desk.database.run("UPDATE people SET name = 'closed' WHERE id IN (100, 3000)")
    assert figures(desk.sync()) == {"read": ROWS, "created": ROWS - 2, "filtered": 2}
    desk.database.run("UPDATE people SET name = 'closed' WHERE id = 110")
    desk.database.run("UPDATE people SET name = 'open' WHERE id = 100")
    run = desk.sync()
    assert figures(run, "created", "deleted", "filtered") == {
        "created": 1,
        "deleted": 1,
        "filtered": 1,
    }
    assert desk.keys().count("110") == 0
    assert desk.matches()


def test_another_mapping_or_schema_has_every_row_read_anew(desk: Desk, sent: list[bytes]) -> None:
    desk.define()
    desk.sync()
    desk.define({"fields": {"label": "name"}})
    sent.clear()
    run = desk.sync()
    assert figures(run) == {"read": ROWS, "updated": ROWS}
    assert len(sent) == ROWS
    assert run.full
    assert figures(desk.sync()) == {"read": ROWS, "unchanged": ROWS}
    schemas.update(desk.app, "person", document={**SCHEMA, "title": "x"}, actor="test")
    assert figures(desk.sync(), "read", "unchanged") == {"read": ROWS, "unchanged": ROWS}
    assert len(sent) == 2 * ROWS


def test_rows_count_once_for_each_target(desk: Desk) -> None:
    targets = [
        {"register": "staff", "schema": "person", "mapping": mapping}
        for mapping in (
            {"key": "id", "passthrough": True},
            {"key": "id", "passthrough": True, "filter": "name == 'n1'"},
        )
    ]
    desk.define(targets=targets, on_missing="delete")
    desk.sync()
    assert figures(desk.sync()) == {"read": 2 * ROWS, "unchanged": 2 * ROWS}
    desk.database.run("DELETE FROM people WHERE id = 10")
    run = desk.sync()
    assert figures(run, "read", "deleted") == {"read": 2 * (ROWS - 1), "deleted": 2}
    assert desk.keys(1) == []
    assert desk.matches()


def test_a_key_that_was_not_compared_deletes_by_full_reads_only(
    desk: Desk, sent: list[bytes]
) -> None:
    desk.define(key="name", on_missing="delete")
    desk.sync()
    desk.database.run("DELETE FROM people WHERE id = 10")
    sent.clear()
    run = desk.sync()
    assert figures(run) == {"read": ROWS - 1, "unchanged": ROWS - 1, "deleted": 1}
    assert run.full
    assert len(sent) == ROWS - 1
    assert any("column id" in warning for warning in run.warnings)
    desk.define(key="name")
    desk.sync()
    sent.clear()
    desk.database.run("DELETE FROM people WHERE id = 20")
    run = desk.sync()
    assert figures(run, "deleted") == {"deleted": 0}
    assert not run.warnings
    assert len(sent) <= SIZE


def test_a_dry_run_says_what_a_run_would_do_and_writes_nothing(desk: Desk) -> None:
    desk.define(on_missing="delete")
    desk.sync()
    desk.database.run("DELETE FROM people WHERE id = 10", "INSERT INTO people VALUES (11, 'x')")
    plan = dry_run.dry_run(desk.app, "people", Request())
    assert (plan.counters.created, plan.counters.deleted) == (1, 1)
    assert len(desk.keys()) == ROWS
    run = dry_run.apply(desk.app, "people", Request(), plan.hash).run
    assert figures(run) == {"read": ROWS, "unchanged": ROWS - 1, "created": 1, "deleted": 1}
    assert desk.matches()


BREAK = """
CREATE FUNCTION public.break() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'broken here';
END $$;
CREATE TRIGGER break BEFORE {point} EXECUTE FUNCTION public.break();
"""

POINTS = {
    "a later batch": "INSERT ON openregister.objects FOR EACH ROW WHEN (NEW.source_key = '3905')",
    "counters of the last batch": "UPDATE ON openregister.runs FOR EACH ROW WHEN (NEW.read >= 401)",
    "quarantine": "DELETE ON openregister.held_deletions FOR EACH STATEMENT",
    "deletions": "UPDATE ON openregister.runs FOR EACH ROW WHEN (NEW.deleted > 0)",
    "the end": "UPDATE ON openregister.runs FOR EACH ROW WHEN (NEW.state IN ('done'))",
}


@pytest.mark.parametrize("point", POINTS)
def test_a_run_that_breaks_off_anywhere_loses_no_change(
    application: Application, postgres: SourceDatabase, point: str
) -> None:
    postgres.run(
        "CREATE TABLE people (id bigint PRIMARY KEY, name text)",
        f"INSERT INTO people SELECT n * 10, 'n' || n FROM generate_series(1, {ROWS}) n",
    )
    desk = Desk(application, postgres)
    desk.define(on_missing="delete", batch_size=10, lanes=2)
    desk.sync()
    postgres.run(
        "DELETE FROM people WHERE id IN (100, 3900)",
        "UPDATE people SET name = 'x' WHERE id IN (110, 3910)",
        "INSERT INTO people VALUES (105, 'new'), (2005, 'new'), (3905, 'new')",
    )
    desk.execute(BREAK.format(point=POINTS[point]))
    with pytest.raises(Exception, match="broken here"):
        desk.sync()
    desk.execute("DROP FUNCTION public.break() CASCADE")
    desk.execute("UPDATE openregister.runs SET lease_until = now() - interval '1 second'")
    desk.sync()
    rows = postgres.fetch("SELECT id FROM people")
    assert sorted(map(int, desk.keys())) == sorted(key for (key,) in rows)
    assert desk.matches()
