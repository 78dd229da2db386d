"""Taking a run back, and what the next sync makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from app.audit import verify
from app.errors import AlreadyRunningError, NotFoundError
from app.registers import edit_objects, find
from app.sync.after import undo
from app.sync.after.undo import Undone
from app.sync.model import Finish, Start
from app.sync.report import RunState
from app.sync.run_store import RunStore
from tests.integration.bench import Bench, figures


def _rows(*names: str, size: int = 1) -> list[dict[str, Any]]:
    return [{"code": name, "name": name.title(), "size": size} for name in names]


def _sync(bench: Bench, rows: Iterable[dict[str, Any]]) -> int:
    bench.write(rows)
    return bench.sync().id


def _counts(undone: Undone) -> tuple[int, int, int, int]:
    return undone.reverted, undone.restored, undone.deleted, undone.skipped


def test_created_goes_updated_turns_back_deleted_returns(bench: Bench) -> None:
    bench.define(on_missing="delete")
    _sync(bench, _rows("a", "b", "c"))
    before = bench.objects()
    run = _sync(bench, [*_rows("a", size=9), *_rows("b", "d")])
    undone = undo.undo(bench.app, run, actor="cli:alice")
    assert _counts(undone) == (1, 1, 1, 0)
    assert bench.objects() == before
    assert verify.verify(bench.app).ok


def test_entries_name_who_undid_which_run(bench: Bench) -> None:
    bench.define()
    run = _sync(bench, _rows("a"))
    undone = undo.undo(bench.app, run, actor="cli:alice")
    assert undone.run is not None
    entry = verify.entries(bench.app, run_id=undone.run.id)[0]
    assert (entry.action, entry.actor, entry.source) == (
        "delete",
        f"cli:alice, undoing run {run}",
        "places",
    )
    assert undone.run.state is RunState.DONE
    assert undone.run.message == f"Undid run {run}: 0 reverted, 0 restored, 1 deleted"


def test_the_next_sync_applies_what_the_source_still_says(bench: Bench) -> None:
    bench.define()
    _sync(bench, _rows("a", "b"))
    run = _sync(bench, [*_rows("a", size=9), *_rows("b", "c")])
    after = bench.objects()
    undo.undo(bench.app, run, actor="alice")
    # the very same file: without the undo it would not even be read
    assert figures(bench.sync()) == {"read": 3, "updated": 2, "unchanged": 1}
    assert bench.objects() == after
    assert verify.verify(bench.app).ok


def test_objects_with_later_edits_are_skipped_and_listed(bench: Bench) -> None:
    bench.define(local_fields=["note"])
    _sync(bench, _rows("a", "b", "c"))
    run = _sync(bench, _rows("a", "b", "c", size=2))
    later = _sync(bench, [*_rows("a", size=3), *_rows("b", "c", size=2)])
    keyed = find.query(bench.app, source="places", given=[("@self.key", "b")])
    edited = find.find(bench.app, keyed, limit=1)[0]
    edit_objects.patch(bench.app, edited.uuid, {"note": "mine"}, actor="api:bob")
    undone = undo.undo(bench.app, run, actor="alice")
    assert _counts(undone) == (1, 0, 0, 2)
    reasons = {skipped.key: skipped.reason for skipped in undone.listed}
    assert f"run {later}" in reasons["a"]
    assert "api:bob" in reasons["b"]
    assert {key: one["size"] for key, one in bench.objects().items()} == {"a": 3, "b": 2, "c": 1}


def test_an_undo_can_be_undone_and_repeating_one_changes_nothing(bench: Bench) -> None:
    bench.define(on_missing="delete")
    _sync(bench, _rows("a", "b"))
    run = _sync(bench, [*_rows("a", size=9), *_rows("c")])
    after = bench.objects()
    first = undo.undo(bench.app, run, actor="alice")
    assert first.run is not None
    again = undo.undo(bench.app, run, actor="alice")
    assert _counts(again) == (0, 0, 0, 3)
    assert _counts(undo.undo(bench.app, first.run.id, actor="alice")) == (1, 1, 1, 0)
    assert bench.objects() == after
    assert verify.verify(bench.app).ok


def test_a_run_that_wrote_a_row_twice_is_taken_back_whole(bench: Bench) -> None:
    bench.define(batch_size=1)
    _sync(bench, _rows("a"))
    before = bench.objects()
    run = _sync(bench, [*_rows("a", size=2), *_rows("a", size=3), *_rows("n"), *_rows("n", size=2)])
    undo.undo(bench.app, run, actor="alice")
    assert bench.objects() == before
    assert verify.verify(bench.app).ok


def test_more_objects_than_one_batch_are_all_taken_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo, "BATCH", 3)
    bench.define()
    run = _sync(bench, _rows(*"abcdefgh"))
    assert _counts(undo.undo(bench.app, run, actor="alice")) == (0, 0, 8, 0)
    assert bench.objects() == {}


def test_the_source_is_locked_meanwhile_and_counts_neither_as_synced_nor_as_failed(
    bench: Bench,
) -> None:
    bench.define()
    run = _sync(bench, _rows("a"))
    last_sync = bench.scalar("SELECT last_sync FROM openregister.sources")
    source_id = bench.scalar("SELECT id FROM openregister.sources")
    held = RunStore(bench.app.engine).start(Start(source_id, "manual", "test"))
    with pytest.raises(AlreadyRunningError, match=f"run {held}"):
        undo.undo(bench.app, run, actor="alice")
    RunStore(bench.app.engine).finish(held, Finish(RunState.CANCELLED, syncs=False))
    undo.undo(bench.app, run, actor="alice")
    assert bench.scalar("SELECT last_sync FROM openregister.sources") == last_sync
    with pytest.raises(NotFoundError, match="no run 999"):
        undo.undo(bench.app, 999, actor="alice")
