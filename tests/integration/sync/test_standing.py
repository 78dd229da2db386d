"""What stands from earlier runs is part of every run's result: rejected rows, held deletions."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.operations import health, status
from app.operations.health import Health
from app.registers import schemas
from app.sources import manage
from app.sources import store as source_store
from app.sync import dry_run
from app.sync.after import held, rejects, replay
from app.sync.after import undo as undoing
from app.sync.model import Run
from app.sync.report import RunState
from app.sync.run import Request
from connectors.sdk.rows import End, Proof, Row, RowBatch
from tests.integration.bench import Bench, figures

BAD: list[dict[str, Any]] = [{"code": f"{n:03}", "name": "x" * 41} for n in range(300)]
GOOD: list[dict[str, Any]] = [{"code": f"{n:03}", "name": f"Place {n}"} for n in range(300)]


def unchanged(bench: Bench) -> Run:
    """The next run of a file that is as it was."""
    run = bench.sync()
    assert (run.counters.read, run.complete_because) == (0, Proof.NOT_MODIFIED)
    return run


def part(*rows: dict[str, Any], deleted: bool = False) -> RowBatch:
    """What an incremental read hands out."""
    made = [Row(row, f"row {n}", deleted) for n, row in enumerate(rows, 1)]
    return RowBatch(rows=made, end=End.INCREMENTAL, because=Proof.END_OF_DATA)


@pytest.mark.promise("the next run forgets rejected rows")
@pytest.mark.promise(
    "a rejected row stays part of every result until it is good, gone at a complete read, "
    "filtered out or deleted"
)
def test_rows_that_stay_rejected_are_part_of_a_run_that_reads_nothing(bench: Bench) -> None:
    bench.define()
    bench.write(BAD)
    first = bench.sync()
    assert (first.state, first.counters.errors, first.rejected_before) == (
        RunState.PARTIAL,
        300,
        0,
    )
    assert "0 of 300 rows match the mapping and the schema" in (first.message or "")
    again = unchanged(bench)
    assert (again.state, again.counters.errors, again.rejected_before) == (
        RunState.PARTIAL,
        0,
        300,
    )
    assert again.state.exit_code == 3
    with bench.app.engine.connect() as connection:
        source = source_store.get(connection, "places")
    assert (source.last_run_state, source.rejected, source.last_sync) == ("partial", 300, None)


@pytest.mark.promise(
    "a rejected row stays part of every result until it is good, gone at a complete read, "
    "filtered out or deleted"
)
def test_they_count_until_the_row_is_good(bench: Bench) -> None:
    bench.define()
    bench.write([BAD[0], *GOOD[1:]])
    assert bench.sync().state is RunState.PARTIAL
    assert unchanged(bench).rejected_before == 1
    bench.write(GOOD)
    run = bench.sync()
    assert (run.state, run.rejected_before) == (RunState.DONE, 0)


@pytest.mark.promise(
    "a rejected row stays part of every result until it is good, gone at a complete read, "
    "filtered out or deleted"
)
def test_they_count_until_the_row_is_gone_from_a_full_read(bench: Bench) -> None:
    bench.define()
    bench.write([BAD[0], *GOOD[1:]])
    bench.sync()
    bench.write(GOOD[1:])
    run = bench.sync()
    assert (run.state, run.rejected_before) == (RunState.DONE, 0)


@pytest.mark.parametrize(
    "batch",
    [
        part(GOOD[0]),
        part({**GOOD[0], "name": "closed"}),  # the filter lets it through no more
        part(BAD[0], deleted=True),
    ],
    ids=["good", "filtered", "deleted"],
)
def test_an_incremental_read_takes_a_row_out_of_quarantine(bench: Bench, batch: RowBatch) -> None:
    bench.define({"filter": "name != 'closed'"})
    bench.play(part(BAD[0], GOOD[1]))
    run = bench.play(part())
    assert (run.state, run.rejected_before, run.counters.read) == (RunState.PARTIAL, 1, 0)
    run = bench.play(batch)
    assert (run.state, run.rejected_before) == (RunState.DONE, 0)


def test_a_row_that_becomes_again_what_its_object_is_leaves_the_quarantine(bench: Bench) -> None:
    bench.define()
    bench.play(part(GOOD[0], GOOD[1]))
    assert bench.play(part(BAD[0])).state is RunState.PARTIAL
    run = bench.play(part(GOOD[0]))
    assert (figures(run), run.state) == ({"read": 1, "unchanged": 1}, RunState.DONE)


def test_a_row_that_waited_for_a_later_one_of_its_key_leaves_the_quarantine(bench: Bench) -> None:
    bench.define()
    twice = RowBatch(rows=[Row(GOOD[0], "row 1")])
    bench.play(twice, part({**GOOD[0], "name": "Again"}))
    assert bench.play(part(BAD[0])).state is RunState.PARTIAL
    run = bench.play(part({**GOOD[0], "name": "Third"}))
    assert (run.state, run.rejected_before) == (RunState.DONE, 0)


@pytest.mark.promise(
    "a rejected row stays part of every result until it is good, gone at a complete read, "
    "filtered out or deleted"
)
def test_a_retry_counts_what_it_could_not_replay(bench: Bench) -> None:
    bench.define()
    bench.write([BAD[0], *GOOD[1:3]])
    with bench.path.open("a") as file:
        file.write("{not json\n")
    bench.sync()
    document = {"type": "object", "properties": {"code": {"type": "string"}}}
    schemas.update(bench.app, "place", document=document, actor="test")
    run = replay.retry_errors(bench.app, "places", Request()).run
    assert (figures(run), run.state, run.rejected_before) == (
        {"read": 1, "created": 1},
        RunState.PARTIAL,
        1,
    )


@pytest.mark.promise(
    "a rejected row stays part of every result until it is good, gone at a complete read, "
    "filtered out or deleted"
)
def test_an_approval_and_an_undo_do_not_look_better_than_the_source_is(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.write([BAD[0], *GOOD[1:]])
    bench.sync()
    bench.write([BAD[0], *GOOD[200:]])
    assert bench.sync().state is RunState.HELD
    run = held.approve(bench.app, "places", ceiling=199, actor="test")
    assert (run.state, run.counters.deleted, run.rejected_before) == (RunState.PARTIAL, 199, 1)
    undone = undoing.undo(bench.app, run.id, actor="test")
    assert undone.run is not None
    assert (undone.restored, undone.run.state) == (199, RunState.PARTIAL)


def test_an_undo_that_leaves_objects_as_they_are_is_partial(bench: Bench) -> None:
    bench.define()
    bench.write(GOOD[:2])
    run = bench.sync()
    bench.write([{**GOOD[0], "name": "Newer"}, GOOD[1]])
    bench.sync()
    undone = undoing.undo(bench.app, run.id, actor="test")
    assert undone.run is not None
    assert (undone.skipped, undone.deleted, undone.run.state) == (1, 1, RunState.PARTIAL)


@pytest.mark.promise("held deletions keep every run `held`")
def test_deletions_that_wait_keep_every_run_held(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.write(GOOD)
    bench.sync()
    bench.write(GOOD[200:])
    assert bench.sync().state is RunState.HELD
    run = unchanged(bench)
    assert (run.state, run.counters.held) == (RunState.HELD, 0)
    assert "200 deletions wait for approval" in (run.message or "")
    assert dry_run.dry_run(bench.app, "places", Request()).state is RunState.HELD
    held.approve(bench.app, "places", ceiling=200, actor="test")
    assert unchanged(bench).state is RunState.DONE


@pytest.mark.promise("held deletions keep every run `held`")
def test_an_object_that_is_met_again_unchanged_waits_no_longer(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.write(GOOD)
    bench.sync()
    bench.write(GOOD[200:])
    bench.sync()
    bench.play(part(GOOD[0]))
    assert held.approve(bench.app, "places", ceiling=200, actor="test").counters.deleted == 199
    assert "000" in bench.objects()


@pytest.mark.promise("a filter or mapping that matches no rows counts as success")
def test_a_filter_that_matches_none_of_many_rows_is_no_success(bench: Bench) -> None:
    bench.define({"filter": "name == 'typing error'"})
    bench.write(GOOD)
    for _ in range(2):  # an unchanged file is read again, and says it again
        run = bench.sync()
        assert (run.state, run.counters.filtered) == (RunState.PARTIAL, 300)
        assert "0 of 300 rows match the filter" in (run.message or "")
    plan = dry_run.dry_run(bench.app, "places", Request())
    assert (plan.state, plan.without_changes()) == (RunState.PARTIAL, "No object would change")
    bench.define({"filter": "name != 'typing error'"})
    assert bench.sync().state is RunState.DONE
    assert unchanged(bench).state is RunState.DONE


def test_a_filter_may_match_none_of_a_few_or_of_those_that_changed(bench: Bench) -> None:
    bench.define({"filter": "name != 'closed'"})
    bench.play(RowBatch(rows=[Row(row, "") for row in GOOD], end=End.FULL, because=Proof.TOTAL,
                        cursor={"since": 1}))  # fmt: skip
    closed = [{**row, "name": "closed"} for row in GOOD[:50]]
    assert bench.play(part(*closed)).state is RunState.DONE
    bench.write(closed[:9])
    assert bench.sync(full=True).state is RunState.DONE


@pytest.mark.promise("a filter or mapping that matches no rows counts as success")
def test_a_target_that_takes_no_row_is_named(bench: Bench) -> None:
    schemas.add(bench.app, "other", {"type": "object"}, register="geo", actor="test")
    mapping = {"key": "code", "passthrough": True}
    targets = [
        {"target": "place", "mapping": mapping},
        {"target": "other", "mapping": {**mapping, "filter": "name == 'x'"}},
    ]
    document = [
        {"register": "geo", "schema": one["target"], "mapping": one["mapping"]} for one in targets
    ]
    manage.save(
        bench.app,
        {
            "name": "places",
            "type": "files",
            "connection": {"path": str(bench.path), "format": "ndjson"},
            "targets": document,
        },
        test=False,
    )
    bench.write(GOOD)
    run = bench.sync()
    assert (run.state, run.counters.created) == (RunState.PARTIAL, 300)
    assert (run.message or "").startswith("geo/other: 0 of 300 rows match the filter")


def test_a_dry_run_says_what_stays_rejected(bench: Bench) -> None:
    bench.define()
    bench.write(BAD)
    plan = dry_run.dry_run(bench.app, "places", Request())
    assert (plan.counters.errors, plan.rejected_before) == (300, 0)
    assert plan.without_changes() == "300 rows would be rejected"
    bench.sync()
    plan = dry_run.dry_run(bench.app, "places", Request())
    assert (plan.counters.errors, plan.rejected_before, plan.state) == (0, 300, RunState.PARTIAL)
    assert plan.without_changes() == "300 rows stay rejected"
    plan = dry_run.dry_run(bench.app, "places", Request(full=True))
    assert (plan.counters.errors, plan.rejected_before) == (300, 0)
    bench.write(GOOD)
    plan = dry_run.dry_run(bench.app, "places", Request())
    assert (plan.rejected_before, plan.state) == (0, RunState.DONE)


@pytest.mark.promise("a run with `--limit` is not a sync")
def test_a_limited_run_makes_a_source_neither_fresh_nor_well(bench: Bench) -> None:
    bench.define(fresh_within="1 hour")
    bench.sync()  # the file is not there
    bench.write(GOOD)
    run = bench.sync(limit=5)
    assert (run.state, run.complete, run.counters.read) == (RunState.DONE, False, 5)
    assert run.message == "Stopped after 5 rows, as requested; the rest was not read"
    with bench.app.engine.connect() as connection:
        source = source_store.get(connection, "places")
    assert (source.failures, source.last_sync, status.fresh(source)) == (1, None, False)


@pytest.mark.promise("the next run forgets rejected rows")
def test_health_and_freshness_tell_of_rejected_rows(bench: Bench) -> None:
    def check(name: str) -> Any:
        found = {one.name: one for one in health.of_database(bench.app.engine)}
        return found[name]

    bench.define(fresh_within="1 hour")
    bench.write([BAD[0], *GOOD[1:]])
    bench.sync()
    assert check("rejected").state is Health.WARNING
    assert check("rejected").subjects == ["places"]
    assert "1 of places" in check("rejected").message
    assert check("freshness").state is Health.OK
    with bench.app.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE openregister.quarantine SET first_seen = now() - interval '2 hours'")
        )
    unchanged(bench)
    assert "1 row has been rejected, the first since" in check("freshness").message
    assert bench.app.read(status.sources)[0].fresh is False
    bench.write(GOOD)
    bench.sync()
    assert (check("rejected").state, check("freshness").state) == (Health.OK, Health.OK)


KEYS = ["a", "b", "c"]
WORLDS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["good", "bad", "closed"]))
STEPS = st.lists(
    st.tuples(WORLDS, st.sampled_from(["full", "part", "unproven", "nothing"])), max_size=8
)


@pytest.mark.promise("the next run forgets rejected rows")
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_a_run_is_done_only_when_no_row_is_rejected(
    bench: Bench, steps: list[tuple[dict[str, str], str]]
) -> None:
    """Whatever is read in which way: the quarantine is what was last seen to be bad."""
    bench.define({"filter": "name != 'closed'"}, full_every="1 second")
    names = {"good": "fine", "bad": "x" * 41, "closed": "closed"}
    bad = {row["key"] for row in rejects.rows(bench.app, "places")}
    for world, how in steps:
        rows = [Row({"code": key, "name": names[kind]}, key) for key, kind in world.items()]
        if how == "nothing":
            run = bench.play(RowBatch(end=End.UNCHANGED, because=Proof.NOT_MODIFIED))
        elif how == "full":
            bad = set()
            run = bench.play(RowBatch(rows=rows, end=End.FULL, because=Proof.TOTAL), full=True)
        elif how == "part":
            run = bench.play(RowBatch(rows=rows, end=End.INCREMENTAL, because=Proof.TOTAL))
        else:
            run = bench.play(RowBatch(rows=rows, end=End.UNPROVEN, doubt="none"), full=True)
        if how != "nothing":
            bad = (bad - world.keys()) | {key for key, kind in world.items() if kind == "bad"}
        assert {row["key"] for row in rejects.rows(bench.app, "places")} == bad
        assert run.counters.errors + run.rejected_before == len(bad)
        assert run.state is (RunState.PARTIAL if bad else RunState.DONE)
