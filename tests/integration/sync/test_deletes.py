"""Objects whose row is gone: only after a proven-complete read, and not too many unasked."""

from __future__ import annotations

import pytest

from app.errors import HeldError
from app.sync.after import held
from app.sync.report import RunState
from tests.integration.bench import Bench, figures

ROWS = [{"code": f"{n:03}", "name": f"Place {n}"} for n in range(100)]


def test_missing_objects_stay_unless_asked_otherwise(bench: Bench) -> None:
    bench.define()
    bench.write(ROWS)
    bench.sync()
    bench.write(ROWS[1:])
    assert figures(bench.sync()) == {"read": 99, "unchanged": 99}
    assert len(bench.objects()) == 100


@pytest.mark.promise("deletions never arrive")
def test_missing_objects_are_deleted_softly_and_come_back(bench: Bench) -> None:
    bench.define(on_missing="delete", batch_size=30)
    bench.write(ROWS)
    bench.sync()
    bench.write(ROWS[5:])
    run = bench.sync()
    assert figures(run) == {"read": 95, "unchanged": 95, "deleted": 5}
    assert run.state is RunState.DONE
    assert bench.scalar("SELECT count(*) FROM openregister.objects WHERE deleted IS NOT NULL") == 5
    bench.write(ROWS)
    assert figures(bench.sync()) == {"read": 100, "unchanged": 95, "updated": 5}
    assert len(bench.objects()) == 100
    actions = [action for action, key in bench.audit() if key == "000"]
    assert actions == ["create", "delete", "restore"]


@pytest.mark.promise("a failed or empty read empties the target")
def test_a_mass_deletion_is_held_until_approved_by_count(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.write(ROWS)
    bench.sync()
    bench.write(ROWS[60:])
    run = bench.sync()
    assert run.state is RunState.HELD
    assert figures(run) == {"read": 40, "unchanged": 40, "held": 60}
    assert "60 of 100 objects" in (run.message or "")
    assert len(bench.objects()) == 100
    assert len(held.held(bench.app, "places")) == 60
    with pytest.raises(HeldError, match="60, not 59"):
        held.approve(bench.app, "places", ceiling=59, actor="test")
    assert len(bench.objects()) == 100
    assert held.approve(bench.app, "places", ceiling=60, actor="test").counters.deleted == 60
    assert len(bench.objects()) == 40
    assert held.held(bench.app, "places") == []


def test_an_approval_does_not_pass_for_a_sync(bench: Bench) -> None:
    """Approving reads nothing, so the source is no fresher, and its failures are not over."""
    bench.define(on_missing="delete")
    bench.write(ROWS)
    bench.sync()
    bench.write(ROWS[60:])
    bench.sync()
    bench.path.unlink()
    bench.sync()
    standing = "SELECT (last_sync, last_full, failures, status, cursor) FROM openregister.sources"
    before = bench.scalar(standing)
    assert held.approve(bench.app, "places", ceiling=60, actor="test").counters.deleted == 60
    assert bench.scalar(standing) == before
    assert bench.scalar("SELECT failures FROM openregister.sources") == 1


def test_a_row_that_came_back_is_not_deleted_by_a_late_approval(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.write(ROWS)
    bench.sync()
    bench.write(ROWS[60:])
    bench.sync()
    bench.write(ROWS)
    bench.sync()
    assert held.approve(bench.app, "places", ceiling=100, actor="test").counters.deleted == 0
    assert len(bench.objects()) == 100


@pytest.mark.promise("a failed or empty read empties the target")
def test_an_empty_file_holds_everything_back(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.write(ROWS)
    bench.sync()
    bench.write([])
    run = bench.sync()
    assert run.state in (RunState.HELD, RunState.FAILED)
    assert len(bench.objects()) == 100


@pytest.mark.promise("a failed or empty read empties the target")
def test_a_source_that_is_away_deletes_nothing(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.write(ROWS)
    bench.sync()
    bench.path.unlink()
    run = bench.sync()
    assert run.state is RunState.FAILED
    assert len(bench.objects()) == 100


def test_a_bad_row_does_not_delete_its_object(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.write(ROWS)
    bench.sync()
    bench.write([{**ROWS[0], "size": "many"}, *ROWS[1:]])
    run = bench.sync()
    assert figures(run) == {"read": 100, "unchanged": 99, "errors": 1}
    assert bench.objects()["000"] == ROWS[0]


def test_bad_rows_of_deleted_objects_do_not_pass_for_the_missing_ones(bench: Bench) -> None:
    """Numbers 2 and 3 add up to the same as 1 and 4."""
    bench.define(on_missing="delete", lanes=1)
    rows = [{"code": str(number), "name": f"Place {number}"} for number in range(1, 101)]
    bench.write(rows)
    bench.sync()
    bench.write(row for row in rows if row["code"] not in {"2", "3"})
    assert figures(bench.sync()) == {"read": 98, "unchanged": 98, "deleted": 2}
    bad = [{"code": "2", "size": "many"}, {"code": "3", "size": "many"}]
    bench.write([*bad, *rows[4:]])
    assert figures(bench.sync()) == {"read": 98, "unchanged": 96, "errors": 2, "deleted": 2}
    assert bench.objects().keys() == {row["code"] for row in rows[4:]}


@pytest.mark.promise("a rejected row with an unknown key prevents deletions")
def test_rows_of_unknown_key_leave_every_object_where_it_is(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.write(ROWS)
    bench.sync()
    bench.write([{"name": "who am I"}, *ROWS[1:]])
    run = bench.sync()
    assert figures(run, "deleted", "held", "errors") == {"deleted": 0, "held": 0, "errors": 1}
    assert any("nothing was deleted" in warning for warning in run.warnings)
    assert len(bench.objects()) == 100


def test_a_row_that_the_filter_no_longer_lets_through_counts_as_missing(bench: Bench) -> None:
    bench.define({"filter": "name != 'closed'"}, on_missing="delete")
    bench.write(ROWS)
    bench.sync()
    bench.write([{**ROWS[0], "name": "closed"}, *ROWS[1:]])
    assert figures(bench.sync()) == {"read": 100, "unchanged": 99, "filtered": 1, "deleted": 1}
