"""Paged sources end to end: a limit stops the reader, rows that move are never deleted wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.sync.model import Run
from connectors.sdk import Proof
from tests.integration.bench import Bench
from tests.servers.http_api import Answer, Call, HttpApi, answer, numbered

ROWS = [{"code": f"{number:05}", "name": f"Place {number}"} for number in range(6000)]


@pytest.fixture
def api() -> Iterator[HttpApi]:
    with HttpApi() as server:
        yield server


def define(bench: Bench, api: HttpApi, **connection: Any) -> None:
    bench.define(
        type="rest",
        connection={"url": api.url, "endpoint": "/places", **connection},
        on_missing="delete",
    )


def sync(bench: Bench, api: HttpApi, rows: list[Any]) -> Run:
    api.on("/places", numbered(rows, 10))
    return bench.sync()


@pytest.mark.parametrize("pagination", ["auto", "page"])
def test_a_limit_stops_the_reader(bench: Bench, api: HttpApi, pagination: str) -> None:
    api.on("/places", numbered(ROWS, 10))
    define(bench, api, pagination=pagination)
    run = bench.sync(limit=5)
    assert run.counters.created == 5
    assert not run.complete
    assert len(api.calls) < 15  # one page, and those that were under way


def test_rows_that_move_between_pages_are_never_deleted(bench: Bench, api: HttpApi) -> None:
    rows = ROWS[:60]
    define(bench, api, pagination="page")
    assert sync(bench, api, rows).complete_because == Proof.TOTAL

    def moving(call: Call) -> Answer:  # the first row goes once page 1 was read
        now = rows if call.number("page", 1) == 1 else rows[1:]
        start = (call.number("page", 1) - 1) * 10
        return answer({"items": now[start : start + 10], "total": len(now)})

    api.on("/places", moving)
    run = bench.sync()
    assert not run.complete
    assert any("between 59 and 60" in warning for warning in run.warnings)
    assert len(bench.objects()) == 60
    assert sync(bench, api, rows[1:]).complete_because == Proof.TOTAL
    assert rows[0]["code"] not in bench.objects()
    assert len(bench.objects()) == 59


def test_a_source_that_says_nothing_deletes_nothing(bench: Bench, api: HttpApi) -> None:
    define(bench, api)
    api.on("/places", lambda call: answer(ROWS[:10]))
    first = bench.sync()
    assert not first.complete
    assert any("pagination: none" in warning for warning in first.warnings)
    api.on("/places", lambda call: answer(ROWS[5:15]))
    bench.sync()
    assert len(bench.objects()) == 15
    define(bench, api, pagination="none")
    assert bench.sync().complete_because == Proof.STATED
    assert len(bench.objects()) == 10
