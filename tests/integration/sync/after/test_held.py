"""Approving held deletions is a run like any other: cancelled, fenced and measured as one."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from app.errors import AlreadyRunningError, HeldError, LostRunError
from app.operations import jobs
from app.sources import store
from app.sources.jobs import approve_soon, undo_soon
from app.sync import lock, runs
from app.sync.after import held
from app.sync.model import Run
from app.sync.report import RunState
from tests.integration.bench import Bench, figures

ROWS = [{"code": f"{n:03}", "name": f"Place {n}"} for n in range(100)]
LOST = 60


@pytest.fixture
def waiting(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Sixty deletions that wait, to be approved in batches of twenty."""
    monkeypatch.setattr(held, "BATCH", 20)
    bench.define(on_missing="delete")
    bench.write(ROWS)
    bench.sync()
    bench.write(ROWS[LOST:])
    assert bench.sync().state is RunState.HELD
    return bench


def approve(bench: Bench, between: Callable[[], bool] = lambda: False, ceiling: int = LOST) -> Run:
    return held.approve(bench.app, "places", ceiling=ceiling, actor="cli:ada", should_stop=between)


def counted(do: Callable[[], object], at: int) -> Callable[[], bool]:
    """Asks nobody to stop, but does something when asked for the `at`th time."""
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        if len(asked) == at:
            do()
        return False

    return stop


def cancel(bench: Bench) -> None:
    """What `source:cancel` does."""
    assert bench.app.write(runs.request_cancel, bench.app.read(store.get, "places").id)


def take_away(bench: Bench) -> None:
    """As another process does when the lease has run out."""
    with bench.app.engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE openregister.runs SET state = 'crashed', finished = now()"
                " WHERE state = 'running'"
            )
        )
    time.sleep(0.3)  # some beats of a fast heart


def test_an_approval_is_a_run_with_its_figures(waiting: Bench) -> None:
    run = approve(waiting)
    assert (run.state, run.trigger, run.actor) == (RunState.DONE, "manual", "cli:ada")
    assert figures(run) == {"deleted": LOST}
    assert run.message == "60 held deletions were approved"
    assert (run.peak_memory or 0) > 2**20


def test_more_than_approved_leaves_a_cancelled_run_and_all_objects(waiting: Bench) -> None:
    with pytest.raises(HeldError, match="More deletions wait than were approved: 60, not 59"):
        approve(waiting, ceiling=59)
    run = waiting.app.read(runs.history)[0]
    assert (run.state, len(waiting.objects())) == (RunState.CANCELLED, 100)
    assert run.message == "More deletions wait than were approved: 60, not 59"


def test_cancel_stops_an_approval_between_batches(waiting: Bench) -> None:
    run = approve(waiting, counted(lambda: cancel(waiting), at=2))
    assert (run.state, figures(run)) == (RunState.CANCELLED, {"deleted": 40})
    assert run.message == "40 held deletions were approved; 20 still wait"
    assert len(waiting.objects()) == 60
    assert len(held.held(waiting.app, "places")) == 20
    assert figures(approve(waiting, ceiling=20)) == {"deleted": 20}
    assert held.held(waiting.app, "places") == []


def test_whoever_runs_it_may_stop_it_before_its_first_batch(waiting: Bench) -> None:
    run = approve(waiting, lambda: True)
    assert (run.state, figures(run), len(waiting.objects())) == (RunState.CANCELLED, {}, 100)
    assert len(held.held(waiting.app, "places")) == LOST


@pytest.mark.parametrize("beat", [20.0, 0.01])
def test_an_approval_that_was_taken_away_stops(
    waiting: Bench, monkeypatch: pytest.MonkeyPatch, beat: float
) -> None:
    """The fence refuses the next batch; a heartbeat that notices first does not even try it."""
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", beat)
    monkeypatch.setattr(lock, "LOOK_SECONDS", beat)
    with pytest.raises(LostRunError):
        approve(waiting, counted(lambda: take_away(waiting), at=2))
    assert len(waiting.objects()) == 80
    assert waiting.app.read(runs.history)[0].state is RunState.CRASHED
    assert figures(approve(waiting)) == {"deleted": 40}


def test_an_approval_holds_the_lock_of_its_source(waiting: Bench) -> None:
    refused: list[AlreadyRunningError] = []

    def sync() -> None:
        with pytest.raises(AlreadyRunningError) as error:
            waiting.sync()
        refused.append(error.value)

    approve(waiting, counted(sync, at=1))
    assert refused


def test_approvals_and_undos_of_a_job_say_that_nobody_started_them_by_hand(waiting: Bench) -> None:
    source = waiting.app.read(store.get, "places")
    with waiting.app.engine.begin() as connection:
        approve_soon(connection, source, LOST, actor="web:ada")
    jobs.tick(waiting.app, report=lambda outcome: None)
    approved = waiting.app.read(runs.history)[0]
    assert (approved.trigger, approved.actor, figures(approved)) == (
        "api", "web:ada", {"deleted": LOST},
    )  # fmt: skip
    with waiting.app.engine.begin() as connection:
        undo_soon(connection, source, approved.id, actor="web:ada")
    jobs.tick(waiting.app, report=lambda outcome: None)
    undone = waiting.app.read(runs.history)[0]
    assert (undone.trigger, undone.state) == ("api", RunState.DONE)
    assert len(waiting.objects()) == 100
