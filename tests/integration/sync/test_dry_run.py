"""A dry run says what a run would do, and writes nothing at all."""

from __future__ import annotations

from typing import Any

import pytest

from app.sync import dry_run
from app.sync.run import Request
from tests.integration.bench import Bench

ROWS: list[dict[str, Any]] = [{"code": f"{n:03}", "name": f"Place {n}"} for n in range(25)]


def test_a_dry_run_counts_what_the_run_then_does(bench: Bench) -> None:
    bench.define(batch_size=5, on_missing="delete")
    rows = [*ROWS, {"code": "003", "name": "again"}, {"code": "x", "name": 3, "size": "?"}]
    for change in (rows, rows, [{**row, "name": "New"} for row in ROWS[:3]] + ROWS[5:]):
        bench.write(change)
        plan = dry_run.dry_run(bench.app, "places", Request())
        run = bench.sync()
        assert plan.counters == run.counters
        assert plan.state is run.state


@pytest.mark.promise("a dry run writes")
def test_a_dry_run_leaves_every_table_as_it_was(bench: Bench) -> None:
    bench.define()
    bench.write(ROWS)
    dry_run.dry_run(bench.app, "places", Request())
    for table in ("objects", "runs", "audit_trails", "quarantine", "chains"):
        assert bench.scalar(f"SELECT count(*) FROM openregister.{table}") == 0  # noqa: S608
