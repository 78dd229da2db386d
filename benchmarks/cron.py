"""`background:cron` with many small scheduled sources, some of which are due.

The sources are copies of one added in the normal way; all read the same file of ten rows, and
each has its own objects.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.databases import Databases, count, execute, scalar
from benchmarks.measure import Cost, FailedError, measured
from benchmarks.other_sources import write_csv
from benchmarks.register import Register, own
from benchmarks.report import grid
from benchmarks.results import note

SCHEDULED, WORKERS, ROWS = 10_000, 4, 10
PASSES = (0, 100, 1_000)

_COPIES = (
    """
    INSERT INTO openregister.sources (name, type, connection, on_missing, schedule)
    SELECT 'tiny ' || n, type, connection, on_missing, 'daily 03:30'
    FROM openregister.sources, generate_series(1, {count}) n WHERE name = 'tiny'
    """,
    """
    INSERT INTO openregister.source_targets
    SELECT s.id, t.target, t.register_id, t.schema_id, t.mapping
    FROM openregister.sources s, openregister.source_targets t
    JOIN openregister.sources o ON o.id = t.source_id
    WHERE o.name = 'tiny' AND s.name LIKE 'tiny %'
    """,
    """
    INSERT INTO openregister.jobs (key, handler, arguments, schedule, next_run)
    SELECT 'source:' || id, 'source.sync', jsonb_build_object('source_id', id), schedule,
           now() + interval '1 day'
    FROM openregister.sources WHERE name LIKE 'tiny %'
    """,
    "VACUUM ANALYZE openregister.jobs",
    "VACUUM ANALYZE openregister.sources",
)
_DUE = """
UPDATE openregister.jobs SET next_run = now() WHERE id IN (
    SELECT id FROM openregister.jobs WHERE handler = 'source.sync'
    ORDER BY last_run NULLS FIRST, id LIMIT {due})
"""


@dataclass(frozen=True, slots=True)
class Pass:
    """One call of `background:cron`."""

    scheduled: int
    due: int
    workers: int
    cost: Cost


def measure(
    databases: Databases,
    *,
    scheduled: int = SCHEDULED,
    passes: Sequence[int] = PASSES,
    workers: int = WORKERS,
) -> list[Pass]:
    """Run it once for each number of due sources. Raises FailedError unless all were synced."""
    with tempfile.TemporaryDirectory(prefix="openregister-bench-") as place:
        folder = Path(place)
        file = folder / "people.csv"
        write_csv(file, ROWS)
        os.utime(file, (1_700_000_000, 1_700_000_000))  # so that the file counts as complete
        databases.create()
        register = Register(databases.target, folder)
        register.set_up()
        register.add("tiny", "files", {"path": str(file)})
        register.run("background:cron")  # run periodic maintenance beforehand
        execute(databases.target, *(copy.format(count=scheduled) for copy in _COPIES))
        return [_pass(databases, register, scheduled, due, workers) for due in passes]


def table(passes: Sequence[Pass]) -> str:
    """As Markdown; the time includes the start of the command."""
    cells = [
        [
            f"{one.scheduled:,}",
            f"{one.due:,}",
            str(one.workers),
            f"{one.cost.wall:.1f}",
            f"{one.due / one.cost.wall:.0f}",
            f"{one.cost.client_cpu:.1f}",
            f"{one.cost.server_cpu:.1f}",
            f"{one.cost.peak_memory / 1e6:.0f}",
        ]
        for one in passes
    ]
    heads = ("scheduled", "due", "workers", "seconds", "syncs/s", "client CPU s", "server CPU s")
    return grid((*heads, "peak memory MB"), cells, texts=0)


def _pass(databases: Databases, register: Register, scheduled: int, due: int, workers: int) -> Pass:
    execute(databases.target, _DUE.format(due=due))
    last = scalar(databases.target, "SELECT coalesce(max(id), 0) FROM openregister.runs")
    command = own("background:cron", "--workers", str(workers), "--output", "json")
    cost, said = measured(command, databases.target, databases.names, register.env)
    since = f"id > {last} AND state = 'done' AND created = {ROWS}"
    done = count(databases.target, "openregister.runs", since)
    if done != due or json.loads(said)["failed"]:
        raise FailedError(f"{due:,} sources were due, {done:,} were synced: {said[:400]}")
    note(f"{due:,} of {scheduled:,} due: {cost.wall:.1f} s")
    return Pass(scheduled, due, workers, cost)
