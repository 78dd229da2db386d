"""Rejected rows get another chance without the source being read."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from app.audit import verify
from app.registers import schemas
from app.sources import manage
from app.sync.after import rejects, replay
from app.sync.model import Run
from app.sync.report import RunState
from app.sync.run import Request
from tests.integration.bench import SCHEMA, Bench, figures


def _retry(bench: Bench) -> Run:
    return replay.retry_errors(bench.app, "places", Request(actor="cli:alice")).run


def _loosen(bench: Bench) -> None:
    document: dict[str, Any] = deepcopy(SCHEMA)
    document["properties"]["size"] = {"type": "number"}
    schemas.update(bench.app, "place", document=document, actor="test")


def test_what_works_today_leaves_and_what_does_not_stays_with_todays_reason(bench: Bench) -> None:
    bench.define()
    bench.write(
        [
            {"code": "1", "name": "Good", "size": 1},
            {"code": "2", "name": "Half", "size": 1.5},
            {"code": "3", "name": "x" * 41, "size": "many"},
        ]
    )
    assert figures(bench.sync()) == {"read": 3, "created": 1, "errors": 2}
    bench.path.unlink()  # the source is not asked

    assert figures(_retry(bench)) == {"read": 2, "errors": 2}
    _loosen(bench)
    run = _retry(bench)
    assert figures(run) == {"read": 2, "created": 1, "errors": 1}
    assert (run.state, run.actor) == (RunState.PARTIAL, "cli:alice")
    assert run.message == "Replayed 2 rows from the quarantine; 1 is still rejected"
    assert bench.objects()["2"] == {"code": "2", "name": "Half", "size": 1.5}
    (left,) = rejects.rows(bench.app, "places")
    assert (left["key"], left["run"], left["errors"][0]["path"]) == ("3", run.id, "size")
    assert verify.verify(bench.app).ok


def test_the_next_sync_has_nothing_to_do_for_a_replayed_row(bench: Bench) -> None:
    bench.define()
    rows = [{"code": "2", "name": "Half", "size": 1.5}]
    bench.write(rows)
    bench.sync()
    _loosen(bench)
    assert _retry(bench).state is RunState.DONE
    bench.write(rows)
    assert figures(bench.sync()) == {"read": 1, "unchanged": 1}


def test_a_row_whose_key_was_missing_is_released_by_its_content(bench: Bench) -> None:
    bench.define()
    lacking = [{"id": "7", "name": "Seven"}, {"id": "8", "name": "Eight", "size": "?"}]
    bench.write([{"code": "1", "name": "One"}, *lacking])
    assert figures(bench.sync()) == {"read": 3, "created": 1, "errors": 2}
    bench.define({"key": "id"})
    assert figures(_retry(bench)) == {"read": 2, "created": 1, "errors": 1}
    (left,) = rejects.rows(bench.app, "places")
    assert (left["key"], left["stage"]) == ("8", "coerce")


def test_a_row_that_the_filter_drops_now_is_no_reject_any_more(bench: Bench) -> None:
    bench.define()
    bench.write([{"code": "1", "name": "One", "size": "?"}])
    bench.sync()
    bench.define({"filter": "size != '?'"})
    assert figures(_retry(bench)) == {"read": 1, "filtered": 1}
    assert rejects.rows(bench.app, "places") == []


def test_a_row_that_could_not_be_decoded_waits_for_the_source(bench: Bench) -> None:
    bench.define()
    bench.path.write_text('{"code": "1", "name": "One"}\n{"code": "2", "na\n')
    assert figures(bench.sync()) == {"read": 2, "created": 1, "errors": 1}
    run = _retry(bench)
    assert (run.state, run.rejected_before, figures(run)) == (RunState.PARTIAL, 1, {})
    assert len(rejects.rows(bench.app, "places")) == 1


def test_a_replay_neither_moves_the_cursor_nor_counts_as_a_sync(bench: Bench) -> None:
    bench.define()
    bench.write([{"code": "1", "name": "One", "size": "?"}])
    bench.sync()
    state = "SELECT (cursor, last_sync, last_full)::text FROM openregister.sources"
    before = bench.scalar(state)
    _retry(bench)
    assert bench.scalar(state) == before


def test_each_target_replays_its_own_rows(bench: Bench) -> None:
    strict = {**SCHEMA, "required": ["name", "size"]}
    schemas.add(bench.app, "sized", strict, register="geo", actor="test")
    mapping = {"key": "code", "passthrough": True}
    places = [
        {"register": "geo", "schema": schema, "mapping": mapping} for schema in ("place", "sized")
    ]
    manage.save(
        bench.app,
        {
            "name": "places",
            "type": "files",
            "connection": {"path": str(bench.path), "format": "ndjson"},
            "targets": places,
        },
        test=False,
    )
    bench.write([{"code": "1", "name": "One"}])
    assert figures(bench.sync())["errors"] == 1
    schemas.update(bench.app, "sized", document=SCHEMA, actor="test")
    assert figures(_retry(bench)) == {"read": 1, "created": 1}
    assert rejects.rows(bench.app, "places") == []
