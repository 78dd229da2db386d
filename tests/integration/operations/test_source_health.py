"""One health per source, with its reasons, until they are resolved."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from app.documents.source import source_line
from app.operations import history, metrics, status
from app.operations.source_health import HealthReport
from app.sources import manage
from app.sync.after import held
from connectors.sdk.message import Message
from tests.integration.bench import Bench

ROWS: list[dict[str, Any]] = [{"code": f"{n:03}", "name": f"Place {n}"} for n in range(12)]
TOO_LONG = {"code": "long", "name": "x" * 99}


def health(bench: Bench) -> HealthReport:
    (standing,) = bench.app.read(status.sources)
    assert bench.app.read(status.one, standing.source).health == standing.health
    return standing.health


def codes(bench: Bench) -> tuple[str, list[str]]:
    found = health(bench)
    return found.condition, [reason.text.code for reason in found.reasons]


def test_a_source_is_healthy_after_a_run_and_paused_when_disabled(bench: Bench) -> None:
    bench.define()
    bench.write(ROWS)
    assert codes(bench) == ("never_run", [])
    bench.sync()
    assert codes(bench) == ("healthy", [])
    bench.define(enabled=False)
    assert codes(bench) == ("paused", [])


def test_rejected_rows_want_attention_until_they_are_gone(bench: Bench) -> None:
    bench.define()
    bench.write([*ROWS, TOO_LONG])
    bench.sync()
    assert codes(bench) == ("attention", ["rejected"])
    bench.sync()  # of a file that has not changed
    assert codes(bench) == ("attention", ["rejected"])
    (reason,) = health(bench).reasons
    assert str(reason.text) == "1 row stays rejected"
    assert reason.remedy.code == "show-rejected"
    bench.write(ROWS)
    bench.sync()
    assert codes(bench) == ("healthy", [])


def test_a_failed_run_is_failing_at_once(bench: Bench) -> None:
    bench.define()
    bench.path.unlink(missing_ok=True)
    assert bench.sync().state == "failed"
    condition, (code,) = codes(bench)
    assert (condition, code) in {("failing", "failed"), ("failing", "failing")}
    bench.write(ROWS)
    bench.sync()
    assert codes(bench) == ("healthy", [])


def test_held_deletions_a_missing_key_and_a_broken_promise_are_reasons(bench: Bench) -> None:
    bench.define(on_missing="delete")
    bench.write(ROWS)
    bench.sync()
    bench.write(ROWS[:1])
    bench.sync()
    assert codes(bench)[0] == "attention"
    assert "held" in codes(bench)[1]
    held.approve(bench.app, "places", ceiling=20, actor="test")
    assert "held" not in codes(bench)[1]
    bench.define({"key": []}, fresh_within="1 hour")
    with bench.app.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE openregister.sources SET last_sync = now() - interval '2 hours'")
        )
    assert {"no-key", "stale"} <= set(codes(bench)[1])


def test_a_filter_that_matches_nothing_is_a_reason_with_its_facts(bench: Bench) -> None:
    bench.define({"filter": "code == 'nowhere'"})
    bench.write(ROWS)
    bench.sync()
    (text,) = [one.text for one in health(bench).reasons if one.text.code == "no-match"]
    assert isinstance(text, Message)
    assert text.facts["n"] == 12


def test_a_filter_of_one_of_several_targets_that_matches_nothing_is_a_reason(
    bench: Bench,
) -> None:
    place = {"register": "geo", "schema": "place"}
    mapping = {"key": "code", "passthrough": True}
    nowhere = {**mapping, "filter": "code == 'nowhere'"}
    manage.save(
        bench.app,
        {
            "name": "places",
            "type": "files",
            "connection": {"path": str(bench.path), "format": "ndjson"},
            "targets": [{**place, "mapping": mapping}, {**place, "mapping": nowhere}],
        },
        test=False,
    )
    bench.write(ROWS)
    bench.sync()
    (text,) = [one.text for one in health(bench).reasons if "match" in one.text]
    assert text == (
        "geo/place: 0 of 12 rows match the filter; the first row's fields are code, name"
    )


def test_list_documents_and_metrics_say_the_same(bench: Bench) -> None:
    bench.define()
    bench.write([*ROWS, TOO_LONG])
    bench.sync()
    (standing,) = bench.app.read(status.sources)
    line = source_line(standing)
    assert line["health"] == "attention"
    assert line["reasons"] == [
        {
            "code": "rejected",
            "condition": "attention",
            "message": "1 row stays rejected",
            "remedy": "`source:errors places` shows them",
        }
    ]
    families = {family.name: family for family in metrics.Figures(bench.app).collect()}
    samples = families["openregister_source_health"].samples
    assert {one.labels["health"] for one in samples if one.value} == {"attention"}


def test_days_hold_what_the_runs_of_each_did(bench: Bench) -> None:
    bench.define()
    bench.write([*ROWS, TOO_LONG])
    bench.sync()
    days = bench.app.read(history.days)
    assert len(days) == 30
    assert days[-1].day - days[0].day == timedelta(days=29)
    assert isinstance(days[-1].day, date)
    assert (days[-1].created, days[-1].errors, days[-1].runs, days[-1].failed) == (12, 1, 1, 0)
    assert days[-1].seconds > 0
    assert not any(day.runs for day in days[:-1])
