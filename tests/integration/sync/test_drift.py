"""Fields of a source that come, go or change their type."""

from __future__ import annotations

from typing import Any

import pytest

from app.sync import dry_run
from app.sync.report import RunState
from app.sync.run import Request
from tests.integration.bench import Bench, figures

BEFORE = [{"code": "1", "name": "One", "size": 1}]
AFTER = [{"code": "1", "name": "Two", "size": "2", "colour": "red"}]
DRIFT = {
    "new": ["colour"],
    "vanished": [],
    "retyped": {"size": {"before": ["number"], "now": ["string"]}},
}


def _runs(
    bench: Bench, drift: str | None, after: list[dict[str, Any]] = AFTER, **request: Any
) -> tuple[Any, Any]:
    bench.define({"fields": {"code": "code", "name": "name"}, "passthrough": False}, drift=drift)
    bench.write(BEFORE)
    first = bench.sync()
    bench.write(after)
    return first, bench.sync(**request)


@pytest.mark.promise("the fields of the source change unnoticed")
def test_a_run_records_drift_and_says_so_once(bench: Bench) -> None:
    first, second = _runs(bench, None)
    assert (first.drift, first.warnings) == (None, [])
    assert second.drift == DRIFT
    assert "new: colour" in second.warnings[0]
    assert "size was number, now string" in second.warnings[0]
    assert figures(second) == {"read": 1, "updated": 1}
    bench.write(AFTER)
    assert bench.sync().drift is None


@pytest.mark.promise("the fields of the source change unnoticed")
def test_a_source_that_ignores_drift_says_nothing(bench: Bench) -> None:
    _, second = _runs(bench, "ignore")
    assert (second.drift, second.warnings) == (None, [])


@pytest.mark.promise("the fields of the source change unnoticed")
def test_a_source_that_holds_writes_nothing_until_a_person_accepts(bench: Bench) -> None:
    _, held = _runs(bench, "hold")
    assert (held.state, held.drift, figures(held)) == (RunState.HELD, DRIFT, {})
    assert "--accept-drift" in (held.message or "")
    assert bench.objects()["1"]["name"] == "One"
    assert bench.sync().state is RunState.HELD
    planned = dry_run.dry_run(bench.app, "places", Request())
    assert any("new: colour" in warning for warning in planned.warnings)
    accepted = bench.sync(accept_drift=True)
    assert (accepted.state, figures(accepted)) == (RunState.DONE, {"read": 1, "updated": 1})
    bench.write(AFTER)
    assert bench.sync().state is RunState.DONE


def test_a_limited_run_does_not_decide_what_is_normal(bench: Bench) -> None:
    after = [*AFTER, AFTER[0] | {"code": "2"}]
    _runs(bench, "warn", after, limit=1)
    bench.write(after)
    assert bench.sync().drift == DRIFT
