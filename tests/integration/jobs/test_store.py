"""The job table: plans that may be repeated, requests, removal, history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from jobs import leases, store
from jobs.leases import Ending
from jobs.model import Job, Plan
from jobs.policy import Policy
from jobs.processes import this_process

SOON = datetime(2030, 1, 1, tzinfo=UTC)
LATER = datetime(2031, 1, 1, tzinfo=UTC)
POLICY = Policy()


@pytest.fixture
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.begin() as connection:
        yield connection


def plan(**changes: Any) -> Plan:
    return Plan(**({"handler": "sync", "key": "source:1", "schedule": "hourly"} | changes))


def job_of(connection: sa.Connection, job_id: int) -> Job:
    job = store.get(connection, job_id)
    assert job is not None
    return job


def claim(connection: sa.Connection) -> Job:
    job = leases.claim(connection, POLICY, this_process())
    assert job is not None
    return job


def test_planning_the_same_again_changes_nothing_and_writes_nothing(
    connection: sa.Connection,
) -> None:
    first = store.ensure(connection, plan(), SOON)
    version = sa.text("SELECT xmin, ctid FROM openregister.jobs")
    written = connection.execute(version).all()
    assert store.ensure(connection, plan(), LATER) == first
    assert connection.execute(version).all() == written
    assert job_of(connection, first).next_run == SOON


@pytest.mark.parametrize(
    "change", [{"schedule": "daily"}, {"timezone": "Asia/Tokyo"}, {"enabled": False}]
)
def test_another_schedule_zone_or_enablement_is_a_new_plan(
    connection: sa.Connection, change: dict[str, Any]
) -> None:
    job_id = store.ensure(connection, plan(), SOON)
    connection.execute(sa.text("UPDATE openregister.jobs SET failures = 7"))
    store.ensure(connection, plan(**change), LATER)
    job = job_of(connection, job_id)
    assert (job.next_run, job.failures) == (LATER, 0)


def test_other_changes_keep_the_moment(connection: sa.Connection) -> None:
    job_id = store.ensure(connection, plan(), SOON)
    store.ensure(connection, plan(arguments={"source": 1}, time_limit=60), LATER)
    job = job_of(connection, job_id)
    assert (job.next_run, job.arguments, job.time_limit) == (SOON, {"source": 1}, 60)


def test_a_one_off_with_a_key_is_there_once_at_the_earlier_moment(
    connection: sa.Connection,
) -> None:
    once = plan(schedule=None)
    first = store.ensure(connection, once, LATER)
    assert store.ensure(connection, once, SOON) == first
    assert store.ensure(connection, once, LATER) == first
    assert job_of(connection, first).next_run == SOON


def test_one_offs_without_a_key_are_as_many_as_were_added(connection: sa.Connection) -> None:
    assert store.add(connection, Plan("mail")) != store.add(connection, Plan("mail"))


def test_a_delay_is_counted_by_the_clock_of_the_database(connection: sa.Connection) -> None:
    job = job_of(connection, store.add(connection, Plan("mail"), delay=timedelta(hours=1)))
    assert job.next_run is not None
    wait = job.next_run - store.clock(connection)
    assert timedelta(minutes=59) < wait <= timedelta(hours=1)


def test_a_disabled_job_cannot_be_asked_for(connection: sa.Connection) -> None:
    job_id = store.ensure(connection, plan(enabled=False), None)
    assert not store.run_now(connection, job_id)
    assert not store.run_now(connection, 999_999)


def test_a_request_during_a_run_is_kept_for_after_it(connection: sa.Connection) -> None:
    store.ensure(connection, plan(schedule=None), SOON)
    job_id = store.ensure(connection, plan(schedule=None), store.clock(connection))
    running = claim(connection)
    assert running.next_run is None
    assert store.run_now(connection, job_id)
    leases.finish(connection, POLICY, running, Ending("done"))
    assert claim(connection).id == job_id


def test_only_a_running_job_can_be_cancelled(connection: sa.Connection) -> None:
    job_id = store.add(connection, Plan("mail"))
    assert not store.cancel(connection, job_id)
    running = claim(connection)
    assert store.cancel(connection, job_id)
    assert leases.renew(connection, POLICY, running)


def test_deleting_a_running_job_records_its_attempt_as_cancelled(
    connection: sa.Connection,
) -> None:
    job_id = store.add(connection, Plan("mail"))
    claim(connection)
    assert store.delete(connection, job_id)
    assert not store.delete(connection, job_id)
    (attempt,) = store.history(connection)
    assert (attempt.state, attempt.error) == ("cancelled", "The job was deleted")


def test_the_list_shows_the_running_first_then_what_comes_next(connection: sa.Connection) -> None:
    store.ensure(connection, plan(key="manual", schedule="manual"), None)
    store.ensure(connection, plan(key="later"), LATER)
    store.ensure(connection, plan(key="soon"), SOON)
    store.ensure(connection, plan(key="off", enabled=False), None)
    store.add(connection, Plan("running"))
    claim(connection)
    store.add(connection, Plan("due"))
    now = store.clock(connection)
    assert [(job.name, job.state(now)) for job in store.every(connection)] == [
        ("running", "running"),
        ("due", "due"),
        ("soon", "waiting"),
        ("later", "waiting"),
        ("manual", "idle"),
        ("off", "disabled"),
    ]


def test_history_is_forgotten_but_for_the_latest_attempt_of_each_job(
    connection: sa.Connection,
) -> None:
    store.ensure(connection, plan(schedule="never"), store.clock(connection))
    for _ in range(3):
        job = claim(connection)
        leases.finish(connection, POLICY, job, Ending("done"))
        store.run_now(connection, job.id)
    connection.execute(
        sa.text("UPDATE openregister.job_runs SET finished = now() - interval '31 days'")
    )
    assert store.forget_history(connection, timedelta(days=30)) == 2
    assert len(store.history(connection)) == 1


def test_the_time_to_the_next_job_is_known(connection: sa.Connection) -> None:
    assert store.seconds_to_next(connection) == float("inf")
    store.add(connection, Plan("mail"), delay=timedelta(minutes=2))
    assert 110 < store.seconds_to_next(connection) <= 121
