"""What the last days brought: the rows of every run, summed by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa

from app.database.tables import runs
from jobs import store as jobs

DAYS = 30


@dataclass(frozen=True, slots=True)
class Day:
    """The runs that started on one day (UTC), summed; `seconds` is what they took together."""

    day: date
    created: int = 0
    updated: int = 0
    deleted: int = 0
    errors: int = 0
    runs: int = 0
    failed: int = 0
    seconds: float = 0.0


def days(connection: sa.Connection, number: int = DAYS) -> Sequence[Day]:
    """The last `number` days, the oldest first; a day without runs is all zero."""
    first = jobs.clock(connection).date() - timedelta(days=number - 1)
    day = sa.cast(sa.func.timezone("UTC", runs.c.started), sa.Date)
    ended = sa.func.coalesce(runs.c.finished, sa.func.now())
    took = sa.func.extract("epoch", ended - runs.c.started)
    sums = (
        sa.cast(sa.func.sum(runs.c[name]), sa.BigInteger).label(name)
        for name in ("created", "updated", "deleted", "errors")
    )
    failed = sa.func.count().filter(runs.c.state.in_(("failed", "crashed")))
    select = sa.select(
        day.label("day"),
        *sums,
        sa.func.count().label("runs"),
        failed.label("failed"),
        sa.cast(sa.func.sum(took), sa.Float).label("seconds"),
    )
    begin = datetime.combine(first, time(), UTC)
    found = {
        row.day: Day(**row._mapping)
        for row in connection.execute(select.where(runs.c.started >= begin).group_by(day))
    }
    every = (first + timedelta(days=n) for n in range(number))
    return [found.get(one) or Day(one) for one in every]
