"""What the application adds to the runner: clean-up, limits, and sources that keep failing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.database import instance_settings
from app.operations import handlers, jobs
from app.sources import store as source_store
from jobs.policy import Window
from tests.integration.bench import Bench

ROWS = [{"code": "ams", "name": "Amsterdam"}, {"code": "rtm", "name": "x" * 99}]


def configure(bench: Bench, key: str, value: object) -> None:
    with bench.app.engine.begin() as connection:
        instance_settings.put(connection, key, str(value), bench.app.box)


def execute(bench: Bench, statement: str) -> None:
    with bench.app.engine.begin() as connection:
        connection.execute(sa.text(statement))


def counts(bench: Bench) -> dict[str, int]:
    tables = ("runs", "quarantine", "job_runs", "cron_ticks", "audit_trails")
    return {
        table: bench.scalar(f"SELECT count(*) FROM openregister.{table}")  # noqa: S608
        for table in tables
    }


def age_everything(bench: Bench, days: int) -> None:
    past = f"now() - interval '{days} days'"
    for table, column in (
        ("runs", "finished"),
        ("quarantine", "last_seen"),
        ("job_runs", "finished"),
        ("cron_ticks", "started"),
    ):
        execute(bench, f"UPDATE openregister.{table} SET {column} = {past}")  # noqa: S608


def leave_history(bench: Bench) -> None:
    """Two runs with a rejected row, two attempts of the source's job, two ticks."""
    bench.define(schedule="daily")
    bench.write(ROWS)
    for _ in range(2):
        execute(bench, "UPDATE openregister.jobs SET next_run = now() WHERE key LIKE 'source:%'")
        jobs.tick(bench.app, report=lambda outcome: None)


def test_history_past_its_retention_goes_and_the_audit_trail_stays(bench: Bench) -> None:
    leave_history(bench)
    before = counts(bench)
    assert before == {
        "runs": 2,
        "quarantine": 1,
        "job_runs": 2,
        "cron_ticks": 2,
        "audit_trails": 1,
    }
    assert not any(handlers.clean_up(bench.app).values())
    age_everything(bench, 400)
    assert handlers.clean_up(bench.app) == {
        "runs": 1,  # the latest of every source stays
        "quarantine": 1,
        "jobs": 0,
        "job_runs": 1,
        "cron_ticks": 2,
    }
    assert counts(bench)["audit_trails"] == 1


def test_a_retention_of_no_days_keeps_everything(bench: Bench) -> None:
    leave_history(bench)
    age_everything(bench, 4000)
    for name in ("runs", "quarantine", "job_history", "cron_ticks"):
        configure(bench, f"retention.{name}_days", 0)
    assert handlers.clean_up(bench.app) == {}
    assert counts(bench)["runs"] == 2


def test_housekeeping_is_planned_by_every_pass_and_cleaning_waits_for_the_window(
    bench: Bench,
) -> None:
    jobs.tick(bench.app, report=lambda outcome: None)
    planned = {job.key: job for job in bench.app.read(jobs.listing).jobs}
    assert set(planned) == {handlers.CLEAN_UP, handlers.REPAIR}
    assert planned[handlers.CLEAN_UP].time_insensitive
    assert not planned[handlers.REPAIR].time_insensitive


@pytest.mark.parametrize(
    ("text", "length"),
    [("01:00-05:00", 4), ("22:00-02:00", 4), ("03:00-03:00", 24), ("", 24)],
)
def test_the_window_is_the_setting(bench: Bench, text: str, length: int) -> None:
    configure(bench, "maintenance.window", text)
    configure(bench, "maintenance.timezone", "Europe/Amsterdam")
    window = handlers.policy(bench.app).window
    assert isinstance(window, Window)
    assert window.length == timedelta(hours=length)
    assert window.timezone == "Europe/Amsterdam"
    assert window.start.strftime("%H:%M") == (text[:5] or "00:00")


@pytest.mark.parametrize(("value", "expected"), [(3, 3), (0, None)])
def test_the_limits_are_the_settings_and_none_is_none(
    bench: Bench, value: int, expected: int | None
) -> None:
    configure(bench, "queue.max_parallel", value)
    configure(bench, "queue.max_parallel_per_host", value)
    rules = handlers.policy(bench.app)
    assert (rules.max_running, rules.max_running_per_host) == (expected, expected)


def fail(bench: Bench, times: int) -> Any:
    """Let its job fail so often; the source."""
    bench.path.unlink(missing_ok=True)
    for _ in range(times):
        execute(bench, "UPDATE openregister.jobs SET next_run = now() WHERE key LIKE 'source:%'")
        jobs.tick(bench.app, report=lambda outcome: None)
    with bench.app.engine.connect() as connection:
        return source_store.get(connection, "places")


@pytest.mark.promise("nobody notices a failure")
def test_a_source_that_keeps_failing_is_in_error_stays_scheduled_and_recovers(
    bench: Bench,
) -> None:
    configure(bench, "source.error_after_failures", 3)
    bench.define(schedule="daily")
    assert fail(bench, 2).status == "active"
    source = fail(bench, 1)
    assert source.status == "error"
    assert str(bench.path) in source.status_reason
    (job,) = [job for job in bench.app.read(jobs.listing).jobs if job.handler == "source.sync"]
    assert job.enabled
    assert job.failures == 3
    assert job.next_run is not None
    bench.write(ROWS[:1])
    bench.sync()
    with bench.app.engine.connect() as connection:
        source = source_store.get(connection, "places")
    assert (source.status, source.failures, source.status_reason) == ("active", 0, None)


def test_a_source_is_never_in_error_where_the_limit_is_none(bench: Bench) -> None:
    configure(bench, "source.error_after_failures", 0)
    bench.define(schedule="daily")
    source = fail(bench, 3)
    assert (source.status, source.failures) == ("active", 3)


@pytest.mark.promise("any number of missed times is one run")
def test_any_number_of_missed_moments_is_one_run(bench: Bench) -> None:
    bench.define(schedule="every 5 minutes")
    bench.write(ROWS[:1])
    execute(
        bench,
        "UPDATE openregister.jobs SET next_run = now() - interval '3 days'"
        " WHERE key LIKE 'source:%'",
    )
    summary = jobs.tick(bench.app, report=lambda outcome: None)
    assert summary.ran == 1
    assert bench.scalar("SELECT count(*) FROM openregister.runs") == 1
    late = "SELECT extract(epoch FROM next_run - now()) FROM openregister.jobs WHERE key = :key"
    with bench.app.engine.connect() as connection:
        wait = connection.scalar(sa.text(late), {"key": "source:1"})
    assert 0 < wait <= 300
