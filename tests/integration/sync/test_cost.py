"""What a sync costs, counted and never timed: statements, probes, rows written, memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from app.sync.postgres import missing
from app.sync.postgres import statements as object_sql
from tests.integration.bench import Bench, figures

Plan = dict[str, Any]


def rows(count: int, name: str = "Place") -> Iterator[dict[str, Any]]:
    """Places 0 to `count`."""
    return ({"code": str(n), "name": f"{name} {n}", "size": n} for n in range(count))


@contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Counts what goes to the database through the writer's connections, and lets it through."""
    sent: Counter[str] = Counter()
    execute, copy = psycopg.Connection.execute, psycopg.Cursor.copy

    def counted_execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent[str(query)] += 1
        return execute(self, query, *args, **kwargs)

    def counted_copy(self: Any, statement: Any, *args: Any, **kwargs: Any) -> Any:
        sent[str(statement)] += 1
        return copy(self, statement, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", counted_execute)
        patch.setattr(psycopg.Cursor, "copy", counted_copy)
        yield sent


def test_a_batch_takes_as_many_statements_however_long_it_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write([{"code": "x", "name": "The source is not empty"}])
    bench.define()
    bench.sync()
    counts = []
    for batch_size in (50, 500):
        bench.define(batch_size=batch_size, lanes=1)
        with statements(monkeypatch) as sent:
            for name in ("Place", "Place", "Town"):  # created, unchanged, updated
                bench.write(
                    {**row, "code": f"{batch_size}-{row['code']}"}
                    for row in rows(4 * batch_size, name)
                )
                bench.sync()
        counts.append(sent)
    short, long = counts
    assert short[object_sql.FIND] == short[object_sql.PROGRESS] == 12
    assert short == long


def test_nothing_is_looked_up_in_an_empty_source(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.define(batch_size=100)
    bench.write(rows(1000))
    with statements(monkeypatch) as sent:
        assert figures(bench.sync()) == {"read": 1000, "created": 1000}
    assert sent[object_sql.FIND] == 0
    assert sent[object_sql.COPY_OBJECTS] == 10


def test_a_key_that_comes_again_in_a_first_load_is_found(bench: Bench) -> None:
    bench.define(batch_size=100, lanes=1)
    bench.write([*rows(500), {"code": "7", "name": "Again"}, *rows(3, "Third")])
    assert figures(bench.sync()) == {"read": 504, "created": 500, "duplicate": 4}
    assert bench.objects()["7"] == {"code": "7", "name": "Again"}
    assert bench.objects()["2"]["name"] == "Third 2"


def test_missing_objects_are_not_looked_for_when_the_totals_agree(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.define(batch_size=100, on_missing="delete")
    bench.write(rows(1000))
    bench.sync()
    with statements(monkeypatch) as sent:
        bench.write(rows(1000))
        assert figures(bench.sync()) == {"read": 1000, "unchanged": 1000}
    assert sent[object_sql.COPY_LIVE] == 0
    with statements(monkeypatch) as sent:
        bench.write(rows(990))
        assert figures(bench.sync()) == {"read": 990, "unchanged": 990, "deleted": 10}
    assert sent[object_sql.COPY_LIVE] == 1


def test_the_totals_are_asked_for_once_and_while_rows_still_come(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    live_totals = missing.live_totals

    def noted(*arguments: Any) -> tuple[int, int]:
        asked.append(threading.current_thread().name.partition("_")[0])
        return live_totals(*arguments)

    monkeypatch.setattr(missing, "live_totals", noted)
    bench.define(batch_size=100, on_missing="delete")
    for count, threads in ((1000, ["totals"]), (1000, ["totals"]), (90, ["MainThread"])):
        asked.clear()
        bench.write(rows(count))
        bench.sync(full=True)
        assert asked == threads
    bench.define(batch_size=100, on_missing="keep")
    asked.clear()
    bench.write(rows(500))
    bench.sync()
    assert asked == []


def test_an_unchanged_run_writes_no_more_for_more_rows(bench: Bench) -> None:
    """Rows inserted, updated and deleted in this whole database, as the server counts them."""
    written = []
    for count in (500, 5000):
        bench.define(batch_size=count // 5)
        bench.write(rows(count))
        bench.sync()
        before = _tuples(bench)
        bench.write(rows(count))
        assert figures(bench.sync()) == {"read": count, "unchanged": count}
        written.append(_tuples(bench) - before)
    assert written[0] == written[1] < 40


def _tuples(bench: Bench) -> int:
    with bench.app.engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_stat_force_next_flush()"))
    bench.app.engine.dispose()  # a session that ends reports what it did
    deadline = 100
    last = -1
    while deadline:
        with bench.app.engine.connect() as connection:
            connection.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
            found = int(
                connection.scalar(
                    sa.text(
                        "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
                        " WHERE schemaname = 'openregister'"
                    )
                )
                or 0
            )
            sessions = connection.scalar(
                sa.text(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        if found == last and not sessions:
            return found
        last = found
        deadline -= 1
        with bench.app.engine.connect() as connection:
            connection.execute(sa.text("SELECT pg_sleep(0.05)"))
        bench.app.engine.dispose()
    raise AssertionError("The server's counters do not settle")


def _nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _lookup(bench: Bench, keys: list[str], *, analyzed: bool) -> list[Plan]:
    """What a lookup of these keys does with the table of objects."""
    url = bench.app.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    wanted = {
        "keys": "\x1e".join(keys),
        "hashes": ",".join(["0" * 32] * len(keys)),
        "first": keys[0],
        "last": keys[-1],
        "count": len(keys),
        "source": 1,
        "target": 0,
        "run": 99,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(object_sql.BEGIN)
        if analyzed:
            connection.execute("ANALYZE openregister.objects")
        explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {object_sql.FIND}"
        row = connection.execute(explain, wanted).fetchone()
    assert row is not None
    touching = [n for n in _nodes(row[0][0]["Plan"]) if n.get("Relation Name") == "objects"]
    assert {n["Node Type"] for n in touching} <= {"Index Scan", "Index Only Scan"}
    assert sum(n.get("Rows Removed by Filter", 0) for n in touching) == 0
    return touching


def _loops(touching: list[Plan], index: str) -> int:
    return sum(int(n["Actual Loops"]) for n in touching if n["Index Name"] == index)


@pytest.mark.parametrize("held", [0, 3000])
@pytest.mark.parametrize("analyzed", [True, False])
def test_a_lookup_is_one_probe_of_the_unique_index_per_key(
    bench: Bench, held: int, analyzed: bool
) -> None:
    """Whatever the planner knows of the table: nothing yet, that it is empty, or how full it is.

    The first and the last key are probed once more, to see whether the others lie between them.
    """
    bench.define()
    bench.write(rows(held))
    bench.sync()
    keys = [str(n) for n in range(1998, -1, -2)]
    touching = _lookup(bench, keys, analyzed=analyzed)
    probes = _loops(touching, "uq_objects_source_key")
    assert len(keys) <= probes <= len(keys) + 2
    assert len(touching) == 4


@pytest.mark.parametrize("analyzed", [True, False])
def test_rows_in_the_order_of_the_last_time_are_found_without_a_probe_for_each(
    bench: Bench, analyzed: bool
) -> None:
    bench.define(batch_size=500, lanes=1)  # two write at once, so that their UUIDs may mix
    bench.write(rows(3000))
    bench.sync()
    touching = _lookup(bench, [str(n) for n in range(1000, 2000)], analyzed=analyzed)
    assert _loops(touching, "uq_objects_source_key") == 2
    (near,) = [n for n in touching if n["Index Name"] == "pk_objects"]
    assert (near["Actual Loops"], near["Actual Rows"]) == (1, 1000)


def test_rows_in_another_order_and_between_new_ones_are_found_all_the_same(bench: Bench) -> None:
    bench.define(batch_size=100, on_missing="delete")
    held = list(rows(1000))
    bench.write(held)
    bench.sync()
    fresh = [{"code": f"new-{n}", "name": "New", "size": n} for n in range(1000)]
    for order in (held[::-1], held[::2] + held[1::2], held[500:] + held[:500]):
        bench.write(order)
        assert figures(bench.sync()) == {"read": 1000, "unchanged": 1000}
    bench.write([row for pair in zip(held, fresh, strict=True) for row in pair])
    assert figures(bench.sync()) == {"read": 2000, "created": 1000, "unchanged": 1000}
    bench.write([*fresh[::-1], *held[:990], {"code": "995", "name": "Moved", "size": 995}])
    report = {"read": 1991, "unchanged": 1990, "updated": 1, "deleted": 9}
    assert figures(bench.sync()) == report


@pytest.mark.promise("memory grows with the data")
def test_memory_stays_flat(bench: Bench) -> None:
    """Four times the rows, the same memory: first load, unchanged, and with deletions."""
    bench.define(on_missing="delete")
    peaks = []
    for count in (15_000, 60_000):
        bench.write(rows(count))
        first = _run(bench)
        bench.write(rows(count))
        again = _run(bench)
        assert again["unchanged"] == count
        peaks.append((first["peak_memory"], again["peak_memory"]))
    for small, large in zip(*peaks, strict=True):
        assert large < small * 1.15


def test_the_memory_of_a_run_is_its_own(bench: Bench) -> None:
    bench.define()
    bench.write(rows(10))
    ballast = bytearray(b"x" * 600_000_000)
    del ballast
    peak = bench.sync().peak_memory
    assert peak is not None
    assert peak < 600_000_000


def _run(bench: Bench) -> dict[str, Any]:
    """One run in a process of its own, for its memory."""
    url = bench.app.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, "-m", "cli", "source:run", "places", "--output", "json"],
        env={
            **os.environ,
            "OPENREGISTER_DATABASE_URL": url,
            "OPENREGISTER_DATA_DIR": str(bench.app.settings.data_dir),
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=110,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report
