"""Counters, run states, the delete guard and the sentences for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sources.warnings import no_key, nothing_matches, repeated_keys
from app.sync.missing import DeleteGuard
from app.sync.report import (
    PROOFS,
    Counters,
    CountersError,
    RunState,
    Standing,
    closing,
    evidence,
)
from connectors.sdk.rows import Proof

FATES = ("created", "updated", "unchanged", "filtered", "duplicate", "errors")


@given(st.lists(st.sampled_from(FATES)), st.integers(0, 5), st.integers(0, 5))
def test_counters_add_up_when_every_row_has_one_fate(
    fates: list[str], deleted: int, held: int
) -> None:
    total = Counters()
    for fate in fates:
        total.add(Counters(read=1, **{fate: 1}))
    total.add(Counters(deleted=deleted, held=held))
    total.check()
    assert total.read == len(fates)


@pytest.mark.promise("rows are dropped silently")
@given(st.sampled_from(["read", *FATES]))
def test_a_row_without_a_fate_or_with_two_is_found(name: str) -> None:
    counters = Counters(read=3, created=1, updated=1, errors=1)
    setattr(counters, name, getattr(counters, name) + 1)
    with pytest.raises(CountersError):
        counters.check()


def test_negative_counters_are_found() -> None:
    with pytest.raises(CountersError):
        Counters(read=0, created=1, updated=-1).check()


@pytest.mark.parametrize(
    ("counters", "state", "exit_code"),
    [
        (Counters(read=1, created=1), RunState.DONE, 0),
        (Counters(read=1, errors=1), RunState.PARTIAL, 3),
        (Counters(read=1, errors=1, held=11), RunState.HELD, 5),
    ],
)
def test_the_state_follows_from_the_counters(
    counters: Counters, state: RunState, exit_code: int
) -> None:
    assert counters.state() is state
    assert state.exit_code == exit_code


def test_the_last_line_of_a_run() -> None:
    counters = Counters(read=7, created=3, updated=1, unchanged=2, errors=1, deleted=4)
    assert closing(RunState.PARTIAL, counters) == "Done — 3 created, 1 updated, 1 errors"
    assert counters.details() == "2 unchanged, 4 deleted"
    assert closing(RunState.CANCELLED, counters).startswith("Cancelled — 3 created, ")
    assert closing(RunState.CANCELLED, Counters(held=1)).startswith("Done — ")


def test_rows_that_stay_rejected_are_part_of_the_last_line() -> None:
    done = "Done — 0 created, 0 updated, 0 errors"
    assert closing(RunState.PARTIAL, Counters(), 300) == f"{done}; 300 rows stay rejected"
    assert closing(RunState.PARTIAL, Counters(), 1) == f"{done}; 1 row stays rejected"


@pytest.mark.parametrize(
    ("state", "standing", "becomes"),
    [
        (RunState.DONE, Standing(), RunState.DONE),
        (RunState.DONE, Standing(rejected_before=1), RunState.PARTIAL),
        (RunState.DONE, Standing(rejected_before=1, held=1), RunState.HELD),
        (RunState.PARTIAL, Standing(held=1), RunState.HELD),
        (RunState.FAILED, Standing(rejected_before=1, held=1), RunState.FAILED),
        (RunState.CANCELLED, Standing(rejected_before=1, held=1), RunState.CANCELLED),
    ],
)
def test_what_stands_is_part_of_a_runs_state(
    state: RunState, standing: Standing, becomes: RunState
) -> None:
    assert standing.state(state) is becomes


@pytest.mark.promise("a read is complete on evidence only")
def test_every_evidence_has_words() -> None:
    assert set(PROOFS) == set(Proof)
    assert evidence(True, Proof.TOTAL).startswith("Complete: the total")
    assert evidence(False, None).startswith("Not proven complete")


def test_the_loud_messages_name_figures_and_fields() -> None:
    assert nothing_matches(3987, ["id", "state"]) == (
        "0 of 3,987 rows match the filter; the first row's fields are id, state"
    )
    assert "EVERY RUN CREATES ALL OBJECTS AGAIN" in no_key("towns")
    assert "3 rows repeat a key" in repeated_keys(3)
    assert nothing_matches(1, [f"f{n}" for n in range(25)]).endswith("and 5 more")


@pytest.mark.parametrize(
    ("missing", "owned", "held"),
    [(10, 50, False), (10, 12, False), (11, 55, False), (12, 55, True), (0, 0, False)],
)
def test_a_deletion_is_held_above_both_the_share_and_the_number(
    missing: int, owned: int, held: bool
) -> None:
    assert DeleteGuard().holds(missing, owned) is held


@pytest.mark.parametrize("owned", [1, 5, 10, 11, 5000])
def test_that_nothing_would_be_left_is_always_held(owned: int) -> None:
    guard = DeleteGuard(share=1, objects=10**6)
    assert guard.holds(owned, owned)
    assert not guard.holds(owned, owned + 1)
    everything = "The only object is" if owned == 1 else f"All {owned:,} objects are"
    assert f"{everything} no longer at the source" in guard.message(owned, owned)


def test_the_guard_says_what_to_do() -> None:
    message = DeleteGuard().message(30, 100)
    assert "30 of 100 objects (30%)" in message
    assert "--approve 30" in message


@pytest.mark.parametrize("settings", [{"share": 1.5}, {"share": -0.1}, {"objects": -1}])
def test_a_guard_without_sense_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="The guard's"):
        DeleteGuard(**settings)  # type: ignore[arg-type]
