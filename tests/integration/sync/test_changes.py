"""What a sync creates, updates, leaves alone and rejects, and that every row is accounted for."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import ConfigurationError
from app.sync.report import RunState
from tests.integration.bench import Bench, figures

ROWS: list[dict[str, Any]] = [
    {"code": f"{n:03}", "name": f"Place {n}", "size": n} for n in range(25)
]


def test_first_run_creates_second_changes_nothing_third_updates_what_moved(bench: Bench) -> None:
    bench.define()
    bench.write(ROWS)
    assert figures(bench.sync()) == {"read": 25, "created": 25}
    assert bench.objects()["007"] == {"code": "007", "name": "Place 7", "size": 7}

    bench.write(ROWS)
    assert figures(bench.sync()) == {"read": 25, "unchanged": 25}

    bench.write([{**row, "name": "New"} if row["code"] == "003" else row for row in ROWS])
    assert figures(bench.sync()) == {"read": 25, "updated": 1, "unchanged": 24}
    assert bench.objects()["003"]["name"] == "New"
    assert bench.scalar("SELECT max(version) FROM openregister.objects") == 2
    diff = bench.scalar("SELECT diff FROM openregister.audit_trails WHERE action = 'update'")
    assert diff == {"name": {"old": "Place 3", "new": "New"}}


def test_batches_are_transactions_of_the_size_the_source_asks_for(bench: Bench) -> None:
    bench.define(batch_size=10)
    bench.write(ROWS)
    bench.sync()
    moments = bench.scalar("SELECT count(DISTINCT created) FROM openregister.objects")
    assert moments == 3


def test_an_unchanged_run_writes_no_row_but_its_own(bench: Bench) -> None:
    bench.define(batch_size=10)
    bench.write(ROWS)
    bench.sync()
    before = _written(bench)
    bench.write(ROWS)
    bench.sync()
    assert _written(bench) == before


def _written(bench: Bench) -> list[tuple[int, ...]]:
    """Insert, update and delete counters of the tables an unchanged run must leave alone."""
    return [
        (
            bench.scalar(f"SELECT count(*) FROM openregister.{table}"),  # noqa: S608
            # xmin of the newest row version: any write would raise it
            bench.scalar(f"SELECT max(xmin::text::bigint) FROM openregister.{table}")  # noqa: S608
            or 0,
        )
        for table in ("objects", "audit_trails", "quarantine", "chains")
    ]


def test_now_in_a_template_changes_nothing_on_a_second_run(bench: Bench) -> None:
    bench.define({"fields": {"code": "code", "name": "{{ now() }}"}, "passthrough": False})
    bench.write(ROWS)
    assert figures(bench.sync()) == {"read": 25, "created": 25}
    bench.write(ROWS)
    assert figures(bench.sync()) == {"read": 25, "unchanged": 25}


def test_a_raw_change_that_the_mapping_ignores_is_no_update(bench: Bench) -> None:
    bench.define({"fields": {"code": "code", "name": "name"}, "passthrough": False})
    bench.write([{**row, "seen": 1} for row in ROWS])
    bench.sync()
    bench.write([{**row, "seen": 2} for row in ROWS])
    assert figures(bench.sync()) == {"read": 25, "unchanged": 25}
    assert bench.scalar("SELECT count(*) FROM openregister.audit_trails") == 25


def test_a_changed_mapping_sees_every_row_again_even_of_an_unchanged_file(bench: Bench) -> None:
    bench.define()
    bench.write(ROWS)
    bench.sync()
    bench.define({"fields": {"name": "{{ name | upper }}"}})
    assert figures(bench.sync()) == {"read": 25, "updated": 25}


@pytest.mark.promise("a missing key or one bad row ends the run")
def test_bad_rows_go_to_quarantine_with_position_stage_and_field(bench: Bench) -> None:
    bench.define()
    bench.write([*ROWS[:3], {"code": "x", "name": "y", "size": "many"}, {"name": "keyless"}])
    run = bench.sync()
    assert run.state is RunState.PARTIAL
    assert figures(run) == {"read": 5, "created": 3, "errors": 2}
    assert bench.scalar("SELECT position FROM openregister.quarantine WHERE source_key = 'x'") == (
        "file places.ndjson, line 4"
    )
    kinds = bench.scalar("SELECT array_agg(stage ORDER BY position) FROM openregister.quarantine")
    assert kinds == ["coerce", "key"]
    path = bench.scalar(
        "SELECT errors->0->>'path' FROM openregister.quarantine WHERE source_key = 'x'"
    )
    assert path == "size"


def test_a_row_that_syncs_later_leaves_the_quarantine_by_itself(bench: Bench) -> None:
    bench.define()
    bench.write([{"code": "x", "name": "y", "size": "many"}, {"name": "keyless"}])
    bench.sync()
    assert bench.scalar("SELECT count(*) FROM openregister.quarantine") == 2
    bench.write([{"code": "x", "name": "y", "size": 1}])
    bench.sync()
    assert bench.scalar("SELECT count(*) FROM openregister.quarantine") == 0


def test_a_bad_row_is_one_line_in_quarantine_however_often_it_comes(bench: Bench) -> None:
    bench.define()
    for _ in range(3):
        bench.write([*ROWS, {"code": "x", "name": "y", "size": "many"}])
        assert figures(bench.sync(), "errors") == {"errors": 1}
    assert bench.scalar("SELECT count(*) FROM openregister.quarantine") == 1


def test_of_a_repeated_key_in_one_batch_the_last_row_wins(bench: Bench) -> None:
    bench.define()
    bench.write(
        [{"code": "a", "name": "first"}, {"code": "b", "name": "b"}, {"code": "a", "name": "last"}]
    )
    assert figures(bench.sync()) == {"read": 3, "created": 2, "duplicate": 1}
    assert bench.objects()["a"]["name"] == "last"


@pytest.mark.promise("a missing key or one bad row ends the run")
def test_of_a_repeated_key_across_batches_the_last_row_wins_and_a_rerun_changes_nothing(
    bench: Bench,
) -> None:
    rows = [*ROWS, {"code": "003", "name": "last"}]
    bench.define(batch_size=5)
    bench.write(rows)
    assert figures(bench.sync()) == {"read": 26, "created": 25, "duplicate": 1}
    assert bench.objects()["003"]["name"] == "last"
    bench.write(rows)
    assert figures(bench.sync()) == {"read": 26, "unchanged": 25, "duplicate": 1}
    assert bench.objects()["003"]["name"] == "last"


def test_a_key_that_no_longer_repeats_takes_the_row_that_is_left(bench: Bench) -> None:
    bench.define(batch_size=5)
    bench.write([*ROWS, {"code": "003", "name": "last"}])
    bench.sync()
    bench.write(ROWS)
    assert figures(bench.sync()) == {"read": 25, "updated": 1, "unchanged": 24}
    assert bench.objects()["003"]["name"] == "Place 3"


def test_a_filtered_row_does_not_hide_an_earlier_one_of_its_key(bench: Bench) -> None:
    bench.define({"filter": "size > 0"})
    bench.write([{"code": "a", "name": "good", "size": 1}, {"code": "a", "name": "no", "size": 0}])
    assert figures(bench.sync()) == {"read": 2, "created": 1, "filtered": 1}
    assert bench.objects()["a"]["name"] == "good"


def test_a_filter_that_matches_nothing_is_said_loudly(bench: Bench) -> None:
    bench.define({"filter": "population > 5"})
    bench.write(ROWS)
    run = bench.sync()
    assert figures(run) == {"read": 25, "filtered": 25}
    assert "0 of 25 rows match the filter" in run.warnings[0]
    assert "code, name, size" in run.warnings[0]


def test_without_a_key_every_run_creates_and_warns(bench: Bench) -> None:
    bench.define({"key": []})
    for _ in range(2):
        bench.write(ROWS)
        run = bench.sync()
        assert figures(run) == {"read": 25, "created": 25}
        assert "EVERY RUN CREATES" in run.warnings[0]
    assert bench.scalar("SELECT count(*) FROM openregister.objects") == 50


def test_a_composite_key_names_the_object(bench: Bench) -> None:
    bench.define({"key": ["code", "size"]})
    bench.write([{"code": "a", "name": "x", "size": 1}, {"code": "a", "name": "y", "size": 2}])
    assert figures(bench.sync()) == {"read": 2, "created": 2}
    bench.write([{"code": "a", "name": "x", "size": 1}, {"code": "a", "name": "z", "size": 2}])
    assert figures(bench.sync()) == {"read": 2, "unchanged": 1, "updated": 1}


@pytest.mark.parametrize("key", ["a\x1eb", "a\x1fb", "a,b", "ü'\"\\ \u2028"])
def test_any_text_may_be_a_key(bench: Bench, key: str) -> None:
    bench.define()
    bench.write([{"code": key, "name": "x"}])
    assert figures(bench.sync()) == {"read": 1, "created": 1}
    bench.write([{"code": key, "name": "x"}, {"code": "z", "name": "y"}])
    assert figures(bench.sync()) == {"read": 2, "created": 1, "unchanged": 1}


def test_what_postgresql_cannot_store_is_a_bad_row_and_not_a_failed_run(bench: Bench) -> None:
    bench.define()
    bench.write([*ROWS, {"code": "x", "name": "a\0b"}, {"code": "y\0", "name": "z"}])
    run = bench.sync()
    assert figures(run) == {"read": 27, "created": 25, "errors": 2}
    assert bench.scalar("SELECT count(*) FROM openregister.quarantine") == 2


def test_a_limited_run_stops_there_and_proves_nothing(bench: Bench) -> None:
    bench.define(on_missing="delete", batch_size=10)
    bench.write(ROWS)
    bench.sync()
    bench.write(ROWS[:5] + ROWS[20:])
    run = bench.sync(limit=7)
    assert figures(run) == {"read": 7, "unchanged": 7}
    assert not run.complete
    assert len(bench.objects()) == 25


def test_a_hopeless_run_stops_early_and_fails(bench: Bench) -> None:
    bench.define(batch_size=500)
    bench.write({"code": str(n), "name": "x", "size": "?"} for n in range(3000))
    run = bench.sync()
    assert run.state is RunState.FAILED
    assert 1000 <= run.counters.errors < 3000
    assert "nothing was deleted" in (run.message or "")


def test_lanes_give_the_same_result_as_one_writer(bench: Bench) -> None:
    rows = [{"code": str(n % 1500), "name": f"v{n}"} for n in range(3000)]
    bench.define(batch_size=100, lanes=3)
    bench.write(rows)
    assert figures(bench.sync()) == {"read": 3000, "created": 1500, "duplicate": 1500}
    assert bench.objects() == {
        str(n): {"code": str(n), "name": f"v{n + 1500}"} for n in range(1500)
    }
    bench.write(rows)
    assert figures(bench.sync()) == {"read": 3000, "unchanged": 1500, "duplicate": 1500}
    assert bench.scalar("SELECT count(*) FROM openregister.chains") == 3


def test_deleting_needs_a_key(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="needs a key"):
        bench.define({"key": []}, on_missing="delete")
