"""How fast jobs are claimed, run and recorded: tiny jobs among many that are not due.

    python -m benchmarks.jobs DATABASE_URL

Needs a migrated database without due jobs of its own; adds and removes its rows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.database import engine as engines
from jobs.context import JobContext
from jobs.policy import Policy
from jobs.run_pass import run_pass

SCHEDULED = 10_000
DUE = 1_000
WORKERS = 4

_FILL = sa.text(
    "INSERT INTO openregister.jobs (key, handler, schedule, next_run)"
    " SELECT 'bench:' || n, 'bench', 'hourly', now() + make_interval(mins => 1 + n % 1000)"
    " FROM generate_series(1, :scheduled) AS n"
)
_MAKE_DUE = sa.text(
    "INSERT INTO openregister.jobs (handler, next_run)"
    " SELECT 'bench', now() FROM generate_series(1, :due)"
)
_CLEAN = (
    "DELETE FROM openregister.jobs WHERE handler = 'bench'",
    "DELETE FROM openregister.job_runs WHERE handler = 'bench'",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured. `empty_pass` is in seconds."""

    scheduled: int
    due: int
    workers: int
    seconds: float
    empty_pass: float

    @property
    def per_second(self) -> float:
        """Jobs claimed, run and recorded each second."""
        return self.due / self.seconds


def measure(
    engine: sa.Engine, *, scheduled: int = SCHEDULED, due: int = DUE, workers: int = WORKERS
) -> Figures:
    """Run `due` jobs that do nothing while `scheduled` others are waiting."""
    with engine.begin() as connection:
        connection.execute(_FILL, {"scheduled": scheduled})
        connection.execute(_MAKE_DUE, {"due": due})
    try:
        began = time.monotonic()
        summary = run_pass(engine, Policy(), {"bench": _nothing}, workers=workers)
        seconds = time.monotonic() - began
        if summary.ran != due or summary.failed:
            raise RuntimeError(f"{due} jobs were due, but {summary}")
        began = time.monotonic()
        run_pass(engine, Policy(), {"bench": _nothing}, workers=workers)
        return Figures(scheduled, due, workers, seconds, time.monotonic() - began)
    finally:
        with engine.begin() as connection:
            for statement in _CLEAN:
                connection.execute(sa.text(statement))


def _nothing(_context: JobContext, _arguments: Mapping[str, Any]) -> None:
    """A job with no work of its own, so that only the runner is measured."""


def main() -> None:
    """Measure the database named on the command line."""
    engine = engines.create(sys.argv[1])
    figures = measure(engine)
    engine.dispose()
    print(
        f"{figures.due} due jobs among {figures.scheduled}, {figures.workers} workers: "
        f"{figures.seconds:.1f} s, {figures.per_second:.0f} jobs/s; "
        f"a pass with nothing due: {figures.empty_pass * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
