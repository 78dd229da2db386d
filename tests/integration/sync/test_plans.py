"""A plan is applied only while it is still what would happen."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from app.errors import PlanChangedError
from app.registers import edit_objects, find
from app.sync import dry_run, runs
from app.sync.model import Run
from app.sync.report import RunState
from app.sync.run import Request
from tests.integration.bench import Bench, figures
from tests.servers.http_api import HttpApi, always

ROWS = [{"code": str(n), "name": f"Place {n}"} for n in range(5)]


@pytest.fixture
def api() -> Iterator[HttpApi]:
    with HttpApi() as server:
        yield server


def _plan(bench: Bench) -> str:
    return dry_run.dry_run(bench.app, "places", Request()).hash


def _apply(bench: Bench, plan: str) -> Run:
    return dry_run.apply(bench.app, "places", Request(), plan).run


def _refused(bench: Bench, plan: str) -> None:
    before = bench.objects()
    with pytest.raises(PlanChangedError, match=f"since plan {plan}"):
        _apply(bench, plan)
    assert bench.objects() == before
    (last,) = bench.app.read(runs.history, limit=1)
    assert last.state is RunState.CANCELLED


def test_a_plan_that_still_holds_is_carried_out(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.write(ROWS)
    assert figures(_apply(bench, _plan(bench))) == {"read": 5, "created": 5}
    bench.write([{**ROWS[0], "name": "New"}, *ROWS[2:]])
    plan = _plan(bench)
    assert _plan(bench) == plan
    assert figures(_apply(bench, plan)) == {"read": 4, "updated": 1, "unchanged": 3, "deleted": 1}


def test_a_plan_is_refused_when_the_source_has_changed(bench: Bench) -> None:
    bench.define()
    bench.write(ROWS)
    plan = _plan(bench)
    bench.write([*ROWS[:4], {**ROWS[4], "name": "Other"}])
    _refused(bench, plan)
    assert bench.scalar("SELECT failures FROM openregister.sources") == 0


def test_a_plan_is_refused_when_the_register_has_changed(bench: Bench) -> None:
    bench.define(local_fields=["note"], on_missing="delete")
    bench.write(ROWS)
    bench.sync()
    bench.write([{**ROWS[0], "name": "New"}, *ROWS[2:]])
    plan = _plan(bench)
    for key in ("0", "1"):  # one that would be updated, one that would be deleted
        keyed = find.query(bench.app, source="places", given=[("@self.key", key)])
        found = find.find(bench.app, keyed, limit=1)[0]
        edit_objects.patch(bench.app, found.uuid, {"note": key}, actor="bob")
        _refused(bench, plan)
        plan = _plan(bench)
    assert figures(_apply(bench, plan))["deleted"] == 1


def test_a_plan_is_refused_when_the_mapping_has_changed(bench: Bench) -> None:
    bench.define()
    bench.write(ROWS)
    plan = _plan(bench)
    bench.define({"casts": {"name": "string"}})
    _refused(bench, plan)


def test_other_objects_missing_is_another_plan(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.write(ROWS)
    bench.sync()
    bench.write(ROWS[1:])
    plan = _plan(bench)
    bench.write(ROWS[:4])
    _refused(bench, plan)


def test_what_was_compared_is_what_is_written_though_the_source_changes_meanwhile(
    bench: Bench, api: HttpApi
) -> None:
    """The rows differ at every read after the plan was made and found to hold still."""
    bench.define(
        type="rest",
        connection={"url": api.url, "endpoint": "/places", "pagination": "none"},
        on_missing="delete",
    )
    later = always([{"code": "0", "name": "Changed"}, {"code": "new", "name": "New"}])
    api.on("/places", [always(ROWS), always(ROWS), later])
    plan = _plan(bench)
    run = _apply(bench, plan)
    assert figures(run) == {"read": 5, "created": 5}
    assert [data["name"] for data in bench.objects().values()] == [row["name"] for row in ROWS]
    assert len(api.calls) == 2  # once for the plan, once to apply it
    api.on("/places", always(ROWS))
    assert figures(bench.sync()) == {"read": 5, "unchanged": 5}


def test_a_spooled_read_is_the_read_of_a_run_with_bad_rows_and_repeated_keys(bench: Bench) -> None:
    rows = [*ROWS, {"code": "1", "name": "Again"}, {"code": "9", "size": "many"}, {"name": "x"}]

    def write() -> None:
        lines = [*map(json.dumps, rows), "{not json", "", json.dumps({"code": "n", "name": 1.0})]
        bench.path.write_text("\n".join(lines))

    bench.define(batch_size=2)
    write()
    plan = dry_run.dry_run(bench.app, "places", Request())
    applied = _apply(bench, plan.hash)
    assert applied.counters == plan.counters
    assert applied.state is RunState.PARTIAL
    known = bench.objects()
    quarantined = "SELECT count(*) FROM openregister.quarantine"
    held_back = bench.scalar(quarantined)
    again = bench.sync(full=True)
    assert (again.counters.created, again.counters.updated) == (0, 0)
    assert again.counters.errors == applied.counters.errors
    assert bench.objects() == known
    assert bench.scalar(quarantined) == held_back
