"""Claims, leases and repairs: what may be run, by whom, and what a lost process leaves behind."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs import leases, store
from jobs.errors import LeaseLostError, NotRunnableError
from jobs.leases import Ending
from jobs.model import Job, Outcome, Plan
from jobs.policy import Policy, Window, back_off
from jobs.processes import Process, this_process

ME = Process("here", 1, "")
OTHER = Process("there", 2, "")


def hourly(_job: Job, now: datetime) -> datetime:
    return now + timedelta(hours=1)


def policy(**changes: Any) -> Policy:
    return Policy(**({"next_run": hourly} | changes))


def add(engine: sa.Engine, count: int = 1, **changes: Any) -> list[int]:
    plan = Plan(**({"handler": "sync"} | changes))
    with engine.begin() as connection:
        return [store.ensure(connection, plan, store.clock(connection)) for _ in range(count)]


def claim(engine: sa.Engine, rules: Policy | None = None, process: Process = ME) -> Job | None:
    with engine.begin() as connection:
        return leases.claim(connection, rules or policy(), process)


def claimed(engine: sa.Engine, rules: Policy | None = None, process: Process = ME) -> Job:
    job = claim(engine, rules, process)
    assert job is not None
    return job


def finish(engine: sa.Engine, job: Job, state: str, **known: Any) -> Outcome:
    with engine.begin() as connection:
        return leases.finish(connection, policy(), job, Ending(state, **known))


def stored(engine: sa.Engine, job_id: int) -> Job:
    with engine.connect() as connection:
        job = store.get(connection, job_id)
    assert job is not None
    return job


def expire(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE openregister.jobs SET lease_until = now() - interval '1 second'"
                " WHERE reserved_at IS NOT NULL"
            )
        )


def reap(engine: sa.Engine, rules: Policy | None = None) -> list[Outcome]:
    return list(leases.reap(engine, rules or policy(), this_process()))


def until_due(engine: sa.Engine, outcome: Outcome) -> timedelta:
    assert outcome.next_run is not None
    with engine.connect() as connection:
        return outcome.next_run - store.clock(connection)


def test_the_job_that_is_due_longest_is_claimed_first_and_only_once(engine: sa.Engine) -> None:
    ids = add(engine, 3)
    assert [claimed(engine).id for _ in ids] == ids
    assert claim(engine) is None


@pytest.mark.promise("a job runs in one place")
def test_a_claim_passes_over_what_another_is_claiming(engine: sa.Engine) -> None:
    first, second = add(engine, 2)
    with engine.begin() as connection:
        job = leases.claim(connection, policy(), ME)
        assert job is not None
        assert job.id == first
        assert claimed(engine, process=OTHER).id == second
        assert claim(engine, process=OTHER) is None


@pytest.mark.promise("a process that wakes up too late cannot write")
def test_tokens_rise(engine: sa.Engine) -> None:
    add(engine, 2)
    assert (claimed(engine).token or 0) < (claimed(engine).token or 0)


def test_what_is_not_due_or_disabled_is_left_alone(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        store.add(connection, Plan("sync"), delay=timedelta(minutes=1))
        store.ensure(connection, Plan("sync", enabled=False), store.clock(connection))
        store.ensure(connection, Plan("sync", schedule="manual"), None)
    assert claim(engine) is None


@pytest.mark.parametrize(
    ("limits", "here", "there"),
    [
        ({"max_running": 2}, 2, 0),
        ({"max_running_per_host": 2}, 2, 2),
        ({"max_running": 3, "max_running_per_host": 2}, 2, 1),
    ],
)
def test_limits_hold_in_all_and_per_host(
    engine: sa.Engine, limits: dict[str, int], here: int, there: int
) -> None:
    add(engine, 5)
    rules = policy(**limits)
    assert sum(claim(engine, rules, ME) is not None for _ in range(5)) == here
    assert sum(claim(engine, rules, OTHER) is not None for _ in range(5)) == there
    with engine.connect() as connection:
        assert leases.look(connection, rules, ME.host, 5) == 0


@pytest.mark.parametrize(("hours_from_now", "open_now"), [(-1, True), (2, False)])
def test_work_that_can_wait_keeps_to_the_maintenance_window(
    engine: sa.Engine, hours_from_now: int, open_now: bool
) -> None:
    add(engine, time_insensitive=True)
    with engine.connect() as connection:
        now = store.clock(connection)
    start = (now + timedelta(hours=hours_from_now)).time()
    rules = policy(window=Window(start, timedelta(hours=2)))
    assert (claim(engine, rules) is not None) is open_now


def test_the_window_is_in_its_own_zone(engine: sa.Engine) -> None:
    add(engine, time_insensitive=True)
    with engine.connect() as connection:
        now = store.clock(connection)
    start = (now + timedelta(hours=8)).time()  # Tokyo is nine hours ahead
    assert claim(engine, policy(window=Window(start, timedelta(hours=2), "Asia/Tokyo")))


def test_work_that_waited_a_day_for_the_window_waits_no_longer(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        late = store.clock(connection) - timedelta(hours=25)
        store.ensure(connection, Plan("clean", time_insensitive=True), late)
    assert claim(engine, policy(window=Window(length=timedelta())))


@pytest.mark.promise("an attempt fails")
def test_failures_back_off_by_doubling_up_to_six_hours() -> None:
    minutes = [back_off(count) / timedelta(minutes=1) for count in range(1, 10)]
    assert minutes == [5, 10, 20, 40, 80, 160, 320, 360, 360]
    assert back_off(10_000) == timedelta(hours=6)


@pytest.mark.promise("an attempt fails")
def test_a_failed_job_comes_back_sooner_than_its_schedule_never_later(engine: sa.Engine) -> None:
    (job_id,) = add(engine, schedule="hourly")
    waits = []
    for _ in range(6):
        outcome = finish(engine, claimed(engine), "failed", error="down")
        waits.append(round(until_due(engine, outcome) / timedelta(minutes=1)))
        with engine.begin() as connection:
            store.run_now(connection, job_id)
    assert waits == [5, 10, 20, 40, 60, 60]
    assert stored(engine, job_id).failures == 6


@pytest.mark.promise("an attempt succeeds")
def test_success_ends_a_row_of_failures(engine: sa.Engine) -> None:
    (job_id,) = add(engine, schedule="hourly")
    finish(engine, claimed(engine), "failed", error="down")
    with engine.begin() as connection:
        store.run_now(connection, job_id)
    outcome = finish(engine, claimed(engine), "done")
    assert (outcome.failures, stored(engine, job_id).last_error) == (0, None)
    assert until_due(engine, outcome) > timedelta(minutes=59)


def test_a_one_off_is_gone_when_done_and_its_history_stays(engine: sa.Engine) -> None:
    (job_id,) = add(engine)
    finish(engine, claimed(engine), "done", result={"sent": 3})
    with engine.connect() as connection:
        assert store.get(connection, job_id) is None
        (attempt,) = store.history(connection, job_id=job_id)
    assert (attempt.state, attempt.result) == ("done", {"sent": 3})


def test_a_one_off_that_may_fail_twice_is_given_up_but_kept(engine: sa.Engine) -> None:
    (job_id,) = add(engine, max_failures=2)
    assert finish(engine, claimed(engine), "failed", error="down").next_run is not None
    with engine.begin() as connection:
        store.run_now(connection, job_id)
    assert finish(engine, claimed(engine), "failed", error="down").next_run is None
    assert stored(engine, job_id).last_error == "down"


def test_a_released_job_is_due_again_at_once_and_has_not_failed(engine: sa.Engine) -> None:
    (job_id,) = add(engine, schedule="hourly")
    assert finish(engine, claimed(engine), "released").failures == 0
    assert claimed(engine).id == job_id


@pytest.mark.promise("the same outside a batch, in a background job")
def test_a_postponed_job_comes_when_it_said(engine: sa.Engine) -> None:
    add(engine, schedule="hourly")
    outcome = finish(engine, claimed(engine), "released", error="later", retry_in=7200)
    assert timedelta(minutes=119) < until_due(engine, outcome) < timedelta(minutes=121)


def test_a_schedule_that_cannot_be_read_does_not_keep_the_end_from_being_recorded(
    engine: sa.Engine,
) -> None:
    def broken(_job: Job, _now: datetime) -> datetime:
        raise ValueError("'fortnightly' is not a schedule")

    (job_id,) = add(engine, schedule="fortnightly")
    job = claimed(engine)
    with engine.begin() as connection:
        leases.finish(connection, policy(next_run=broken), job, Ending("done"))
    assert "fortnightly" in (stored(engine, job_id).last_error or "")


@pytest.mark.promise('"running" for hours after a restart')
@pytest.mark.promise("a job that started is never forgotten")
def test_an_expired_lease_is_taken_away_and_the_job_is_due_at_once(engine: sa.Engine) -> None:
    add(engine, schedule="hourly")
    stale = claimed(engine, process=OTHER)
    assert reap(engine) == []
    expire(engine)
    (outcome,) = reap(engine)
    assert (outcome.state, outcome.token) == ("crashed", stale.token)
    assert claimed(engine).id == stale.id
    assert reap(engine) == []


@pytest.mark.promise("a process that wakes up too late cannot write")
def test_a_stale_owner_can_neither_renew_nor_finish_nor_write(engine: sa.Engine) -> None:
    add(engine)
    stale = claimed(engine)
    expire(engine)
    reap(engine)
    fresh = claimed(engine)
    with engine.begin() as connection:
        leases.fence(connection, policy(), fresh)
        with pytest.raises(LeaseLostError):
            leases.renew(connection, policy(), stale)
        with pytest.raises(LeaseLostError):
            leases.fence(connection, policy(), stale)
        with pytest.raises(LeaseLostError):
            leases.finish(connection, policy(), stale, Ending("done"))
    assert stored(engine, fresh.id).token == fresh.token


def test_nobody_takes_a_job_while_a_fenced_transaction_is_open(engine: sa.Engine) -> None:
    add(engine)
    job = claimed(engine)
    with engine.begin() as connection:
        leases.fence(connection, policy(), job)
        # as if the lease had run out, which this transaction would keep anyone from seeing
        assert list(leases.reap(engine, policy(), this_process())) == []
    expire(engine)
    assert len(reap(engine)) == 1


@pytest.mark.promise("a transaction that stands still past the lease")
def test_the_server_ends_a_fenced_transaction_that_stands_still(engine: sa.Engine) -> None:
    add(engine)
    rules = policy(lease=0.3)
    job = claimed(engine, rules)
    with engine.connect() as stuck:
        leases.fence(stuck, rules, job)
        with engine.connect() as other:
            other.execute(sa.text("SELECT pg_sleep(1)"))
        (outcome,) = reap(engine, rules)
        assert outcome.state == "crashed"
        with pytest.raises(sa.exc.DBAPIError):
            stuck.execute(sa.text("SELECT 1"))
        stuck.invalidate()


@pytest.mark.promise("a dead process on the same host is noticed before its lease expires")
def test_a_dead_process_of_this_host_is_noticed_without_waiting_for_the_lease(
    engine: sa.Engine,
) -> None:
    add(engine)
    short = "from jobs.processes import this_process as p; t = p(); print(t.host, t.pid, t.mark)"
    told = subprocess.run(
        [sys.executable, "-c", short], capture_output=True, text=True, check=True
    ).stdout
    host, pid, mark = told.split()
    claimed(engine, process=Process(host, int(pid), mark))
    (outcome,) = reap(engine)
    assert f"pid {pid}" in (outcome.error or "")


def test_a_living_process_and_one_of_another_container_keep_their_lease(
    engine: sa.Engine,
) -> None:
    add(engine, 2)
    me = this_process()
    claimed(engine, process=me)
    claimed(engine, process=Process(me.host, 999_999, f"another boot/{me.mark}"))
    assert reap(engine) == []


def test_a_pid_that_was_given_to_another_process_counts_as_gone(engine: sa.Engine) -> None:
    add(engine)
    me = this_process()
    claimed(engine, process=Process(me.host, me.pid, f"{me.mark}0"))
    assert len(reap(engine)) == 1


@pytest.mark.promise("an attempt crashes")
def test_a_job_that_kills_its_process_every_time_backs_off_after_three_crashes(
    engine: sa.Engine,
) -> None:
    (job_id,) = add(engine, schedule="hourly")
    waits = []
    for _ in range(5):
        claimed(engine)
        expire(engine)
        (outcome,) = reap(engine)
        waits.append(round(until_due(engine, outcome) / timedelta(minutes=1)))
        with engine.begin() as connection:
            store.run_now(connection, job_id)
    assert waits == [0, 0, 0, 5, 10]


@pytest.mark.promise("a job that started is never forgotten")
def test_what_a_crash_leaves_is_repaired_in_the_transaction_that_records_it(
    engine: sa.Engine,
) -> None:
    seen: list[int | None] = []

    def repair(connection: sa.Connection, job: Job, _outcome: Outcome) -> None:
        if job.arguments:
            raise RuntimeError("cannot repair this one")
        seen.append(job.id)

    broken, fine = add(engine, arguments={"broken": True}) + add(engine)
    claimed(engine)
    claimed(engine)
    expire(engine)
    reap(engine, policy(on_crashed=repair))
    assert seen == [fine]
    assert stored(engine, broken).running
    assert not stored(engine, fine).running


def test_one_job_can_be_run_though_it_is_not_due(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        job_id = store.ensure(connection, Plan("sync", schedule="manual"), None)
        assert leases.claim_by_id(connection, policy(), ME, job_id, force=False).id == job_id


def test_a_job_that_is_disabled_running_or_unknown_is_refused(engine: sa.Engine) -> None:
    (off,) = add(engine, enabled=False)
    (on,) = add(engine)
    running = claimed(engine)
    with engine.begin() as connection:
        for job_id, reason in ((off, "disabled"), (on, "pid 1"), (12345, "no job")):
            with pytest.raises(NotRunnableError, match=reason):
                leases.claim_by_id(connection, policy(), OTHER, job_id, force=False)
        assert leases.claim_by_id(connection, policy(), OTHER, off, force=True).id == off
        taken = leases.claim_by_id(connection, policy(), OTHER, on, force=True)
        with pytest.raises(LeaseLostError):
            leases.finish(connection, policy(), running, Ending("done"))
    assert taken.id == running.id


@pytest.mark.slow
@pytest.mark.parametrize("analysed", [True, False])
def test_a_claim_among_ten_thousand_jobs_goes_by_the_index(
    engine: sa.Engine, analysed: bool
) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO openregister.jobs (handler, schedule, next_run)"
                " SELECT 'sync', 'hourly', now() + make_interval(secs => n - 100)"
                " FROM generate_series(0, 9999) AS n"
            )
        )
    if analysed:
        with engine.begin() as connection:
            connection.execute(sa.text("ANALYZE openregister.jobs"))
    values = {
        "count": 1,
        "zone": "UTC",
        "start": 0,
        "length": 86400,
        "host": "here",
        "pid": 1,
        "mark": "",
        "lease": 120.0,
    }
    with engine.begin() as connection:
        lines = connection.execute(sa.text(f"EXPLAIN {leases.CLAIM}"), values).scalars().all()
    shown = "\n".join(lines)
    assert "ix_jobs_due" in shown
    assert "Seq Scan on jobs" not in shown, shown


@pytest.mark.promise("hosts whose clocks differ agree on what is due")
def test_no_clock_of_a_host_is_ever_compared_with_the_database() -> None:
    """Hosts whose clocks differ agree, for they only measure durations."""
    for module in Path(leases.__file__).parent.glob("*.py"):
        text = module.read_text()
        for clock in ("datetime.now", "utcnow", "time.time(", "date.today"):
            assert clock not in text, f"{module.name} reads the clock of its host"
