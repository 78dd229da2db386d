"""Jobs in real processes that are killed, stopped, cut off and crowded.

After every fault: nothing lost, nothing done twice, and the job is idle, gone or due.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import sqlalchemy as sa

from jobs import child_process, store
from jobs.model import Plan
from jobs.run_pass import run_pass
from tests.integration.jobs.cluster import Cluster
from tests.integration.jobs.host import Host, policy
from tests.places import ROOT

pytestmark = pytest.mark.kill

BATCHES: dict[str, Any] = {"count": 6, "pause": 0.05, "after": 0.3}
CUT = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = :name AND pid <> pg_backend_pid()"
)
ALL_BATCHES = [f"batch {number}" for number in range(6)]


def batches(cluster: Cluster, job_id: int) -> list[str]:
    return [word for word in cluster.words(job_id) if word.startswith("batch")]


@pytest.mark.promise("a crash loses progress")
@pytest.mark.promise(
    "kill -9 right after the claim, while reading, between two batches, between the last commit "
    "and the end; of the worker alone or the whole group"
)
@pytest.mark.parametrize("phase", ["reading", "batch 2", "committed"])
@pytest.mark.parametrize("whom", ["worker", "everybody"])
def test_a_kill_in_any_phase_loses_and_doubles_nothing(
    cluster: Cluster, phase: str, whom: str
) -> None:
    job_id = cluster.add("batches", arguments=BATCHES)
    victim = cluster.start("pass")
    cluster.wait_for_word(job_id, phase)
    if whom == "worker":
        os.kill(cluster.pid(job_id), signal.SIGKILL)
        cluster.finish(victim)  # repairs, and carries on with another process
    else:
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
        cluster.run("pass")
    assert batches(cluster, job_id) == ALL_BATCHES
    assert cluster.words(job_id).count("repaired") == 1
    assert cluster.states(job_id) == ["crashed", "done"]
    assert cluster.job(job_id) is None


@pytest.mark.promise(
    "kill -9 right after the claim, while reading, between two batches, between the last commit "
    "and the end; of the worker alone or the whole group"
)
def test_a_kill_right_after_the_claim_is_repaired_by_the_next_pass(cluster: Cluster) -> None:
    job_id = cluster.add("tiny")
    claims = (
        "import os, sys; from app.database import engine\n"
        "from jobs import leases, policy, processes\n"
        "with engine.create(sys.argv[1]).begin() as c:\n"
        "    leases.claim(c, policy.Policy(), processes.this_process())\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", claims, cluster.url], cwd=ROOT, check=False)
    assert cluster.states(job_id) == ["running"]
    cluster.run("pass")
    assert cluster.states(job_id) == ["crashed", "done"]


@pytest.mark.promise("kill -9 of the parent alone")
def test_when_the_parent_is_killed_its_worker_leaves_and_the_job_goes_on(
    cluster: Cluster,
) -> None:
    job_id = cluster.add("batches", arguments={"count": 30, "pause": 0.1})
    victim = cluster.start("pass")
    cluster.wait_for_word(job_id, "batch 0")
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    cluster.wait_for(lambda: cluster.states(job_id) == ["released"])
    cluster.run("pass")
    assert len(batches(cluster, job_id)) == len(set(batches(cluster, job_id))) == 30


@pytest.mark.promise("SIGSTOP past the lease, then SIGCONT")
@pytest.mark.parametrize("phase", ["batch 1", "committed"])
def test_a_worker_stopped_past_its_lease_cannot_write_when_it_goes_on(
    cluster: Cluster, phase: str
) -> None:
    job_id = cluster.add("batches", arguments=BATCHES | {"after": 1.0})
    first = cluster.start("pass")
    cluster.wait_for_word(job_id, phase)
    stopped = cluster.pid(job_id)
    os.kill(stopped, signal.SIGSTOP)
    try:
        cluster.wait_for(lambda: cluster.states(job_id)[0] == "crashed")
        cluster.run("pass")
        assert cluster.states(job_id) == ["crashed", "done"]
    finally:
        os.kill(stopped, signal.SIGCONT)
    cluster.finish(first)
    assert batches(cluster, job_id) == ALL_BATCHES
    assert cluster.states(job_id) == ["crashed", "done"]
    assert cluster.job(job_id) is None


@pytest.mark.promise("every connection cut, twice in one run")
def test_cut_connections_fail_one_attempt_at_most(cluster: Cluster) -> None:
    job_id = cluster.add("batches", arguments=BATCHES, schedule="0.1")
    running = cluster.start("worker", poll=0.2)
    for word in ("batch 1", "batch 4"):
        cluster.wait_for_word(job_id, word)
        with cluster.engine.connect() as connection:
            connection.execute(CUT, {"name": cluster.engine.url.database})
    cluster.wait_for(lambda: "done" in cluster.states(job_id))
    running.terminate()
    cluster.finish(running)
    assert batches(cluster, job_id) == ALL_BATCHES


@pytest.mark.promise("a restart of the database ends every sync")
@pytest.mark.promise(
    "a connection is cut; the server restarts, is starting up or has no free connection"
)
@pytest.mark.promise("the database unavailable for seconds while a job ends")
def test_the_end_of_an_attempt_is_recorded_through_a_restart_of_the_database(
    cluster: Cluster,
) -> None:
    job_id = cluster.add("sleep", arguments={"seconds": 1.0})
    running = cluster.start("pass", lease=20.0)
    cluster.wait_for_word(job_id, "asleep")
    server = sa.create_engine(
        cluster.engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT"
    )
    name = cluster.engine.url.database
    with server.connect() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute(CUT, {"name": name})
        time.sleep(2.5)
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    server.dispose()
    cluster.finish(running)
    assert len(cluster.states(job_id)) == 1


@pytest.mark.promise("a job runs in one place")
@pytest.mark.promise("eight hosts, 500 due jobs")
def test_eight_hosts_run_five_hundred_jobs_once_each(cluster: Cluster) -> None:
    cluster.add("tiny", 500)
    hosts = [cluster.start("pass", lease=60.0) for _ in range(8)]
    ran = [cluster.finish(host)[-1]["summary"]["ran"] for host in hosts]
    assert sum(ran) == 500
    with cluster.engine.connect() as connection:
        counts = connection.execute(sa.text("SELECT count(*), count(DISTINCT job) FROM work_log"))
        assert counts.one() == (500, 500)
        assert store.every(connection) == []


@pytest.mark.promise("runs overlap")
@pytest.mark.promise("two crons at once")
def test_two_crons_at_once_run_a_scheduled_job_once(cluster: Cluster) -> None:
    job_id = cluster.add("sleep", arguments={"seconds": 1.0}, schedule="3600")
    passes = [cluster.start("pass") for _ in range(2)]
    ran = [cluster.finish(one)[-1]["summary"]["ran"] for one in passes]
    assert sorted(ran) == [0, 1]
    assert cluster.words(job_id) == ["asleep", "awake"]


@pytest.mark.promise("a job that hangs is ended")
@pytest.mark.promise("a handler that hangs and ignores signals")
def test_a_handler_that_hangs_is_ended_at_its_time_limit(cluster: Cluster) -> None:
    job_id = cluster.add("hang", time_limit=1, schedule="3600")
    cluster.add("tiny")
    began = time.monotonic()
    lines = cluster.run("pass", workers=2)
    assert time.monotonic() - began < 6
    assert lines[-1]["summary"] == {"ran": 2, "failed": 1, "repaired": 0}
    job = cluster.job(job_id)
    assert job is not None
    assert (job.last_state, job.running, job.failures) == ("failed", False, 1)
    assert "time limit of 1 second" in (job.last_error or "")
    assert "repaired" in cluster.words(job_id)


@pytest.mark.promise("a job that hangs is ended")
def test_a_handler_that_heeds_its_time_limit_keeps_what_it_did(cluster: Cluster) -> None:
    job_id = cluster.add("batches", arguments={"count": 100}, time_limit=1, schedule="3600")
    cluster.run("pass")
    assert cluster.states(job_id) == ["failed"]
    assert "repaired" not in cluster.words(job_id)


@pytest.mark.promise("SIGTERM and Ctrl-C")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_asked_to_leave_finishes_its_batch_and_gives_the_job_back(
    cluster: Cluster, number: signal.Signals
) -> None:
    job_id = cluster.add("batches", arguments={"count": 50}, schedule="3600")
    worker = cluster.start("worker", poll=0.2)
    cluster.wait_for_word(job_id, "batch 1")
    began = time.monotonic()
    # a terminal's Ctrl-C reaches every process of the group, systemd's SIGTERM the main one
    if number is signal.SIGINT:
        os.killpg(worker.pid, number)
    else:
        worker.send_signal(number)
    cluster.finish(worker)
    assert time.monotonic() - began < 2
    assert cluster.states(job_id) == ["released"]
    job = cluster.job(job_id)
    assert job is not None
    assert job.failures == 0
    with cluster.engine.connect() as connection:
        assert job.state(store.clock(connection)) == "due"


@pytest.mark.promise("a handler that ignores SIGTERM")
def test_a_handler_that_will_not_leave_is_killed_and_its_job_is_due(cluster: Cluster) -> None:
    job_id = cluster.add("hang", schedule="3600")
    worker = cluster.start("worker", drain=0.5, poll=0.2)
    cluster.wait_for_word(job_id, "hanging")
    worker.terminate()
    cluster.finish(worker)
    assert cluster.states(job_id) == ["crashed"]


def test_what_is_asked_for_starts_within_a_second(cluster: Cluster) -> None:
    with cluster.engine.begin() as connection:
        job_id = store.ensure(connection, Plan("tiny", key="source:1", schedule="never"), None)
    worker = cluster.start("worker", poll=60.0)
    listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'"

    def ready() -> bool:
        with cluster.engine.connect() as connection:
            return bool(connection.execute(sa.text(listening)).scalar_one())

    cluster.wait_for(ready)
    time.sleep(0.5)
    began = time.monotonic()
    with cluster.engine.begin() as connection:
        assert store.run_now(connection, job_id)
    cluster.wait_for_word(job_id, "tiny")
    assert time.monotonic() - began < 1.0
    worker.terminate()
    cluster.finish(worker)


def test_a_worker_sees_by_itself_what_falls_due(cluster: Cluster) -> None:
    job_id = cluster.add("tiny", schedule="0.5")
    worker = cluster.start("worker", poll=60.0)
    cluster.wait_for(lambda: cluster.words(job_id).count("tiny") >= 3)
    worker.terminate()
    cluster.finish(worker)


def test_a_running_job_stops_when_it_is_cancelled(cluster: Cluster) -> None:
    job_id = cluster.add("batches", arguments={"count": 200}, schedule="3600")
    running = cluster.start("pass")
    cluster.wait_for_word(job_id, "batch 0")
    with cluster.engine.begin() as connection:
        assert store.cancel(connection, job_id)
    cluster.finish(running)
    assert cluster.states(job_id) == ["cancelled"]


@pytest.mark.promise("a process that dies loses one attempt only")
def test_a_process_that_dies_takes_no_other_job_with_it(cluster: Cluster) -> None:
    flaky = cluster.add("flaky")
    cluster.add("tiny", 20)
    lines = cluster.run("pass", workers=2)
    assert lines[-1]["summary"] == {"ran": 22, "failed": 1, "repaired": 0}
    assert cluster.states(flaky) == ["crashed", "done"]


def test_one_job_runs_by_its_id_and_answers_how_it_ended(cluster: Cluster) -> None:
    job_id = cluster.add("fail", schedule="3600")
    (outcome,) = cluster.run(str(job_id))
    assert (outcome["state"], outcome["error"]) == ("failed", "RuntimeError: the source is on fire")


def test_a_job_that_runs_is_refused_and_by_force_taken_over(cluster: Cluster) -> None:
    job_id = cluster.add("batches", arguments={"count": 200}, schedule="3600")
    first = cluster.start("pass")
    cluster.wait_for_word(job_id, "batch 0")
    (refusal,) = cluster.run(str(job_id))
    assert refusal["running"] is True
    (outcome,) = cluster.run(str(job_id), force=True)
    cluster.finish(first)
    assert outcome["state"] == "done"
    assert cluster.states(job_id) == ["crashed", "done"]
    assert len(batches(cluster, job_id)) == len(set(batches(cluster, job_id))) == 200


def test_no_pass_begins_a_job_after_its_time(cluster: Cluster) -> None:
    cluster.add("sleep", 5, arguments={"seconds": 0.4})
    lines = cluster.run("pass", max_time=1.0)
    assert 0 < lines[-1]["summary"]["ran"] < 5


def test_a_pass_with_nothing_to_do_is_over_at_once(cluster: Cluster) -> None:
    with cluster.engine.begin() as connection:
        store.ensure(connection, Plan("tiny", key="source:1", schedule="never"), None)
    run_pass(cluster.engine, policy(), {})
    began = time.monotonic()
    assert run_pass(cluster.engine, policy(), Host(cluster.engine).handlers).ran == 0
    assert time.monotonic() - began < 0.2


def test_limits_hold_for_every_host_together(cluster: Cluster) -> None:
    cluster.add("sleep", 6, arguments={"seconds": 0.3})
    hosts = [cluster.start("worker", workers=3, max_running=2, poll=0.2) for _ in range(2)]
    most = 0

    def over() -> bool:
        nonlocal most
        with cluster.engine.connect() as connection:
            left = store.every(connection)
        most = max(most, sum(job.running for job in left))
        return not left

    cluster.wait_for(over)
    for host in hosts:
        host.terminate()
        cluster.finish(host)
    assert most == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_pass_goes_on_when_its_children_have_had_their_share(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(child_process, "JOBS_PER_CHILD", 3)
    cluster.add("tiny", 20)
    handlers = Host(cluster.engine).handlers
    assert run_pass(cluster.engine, policy(), handlers, workers=workers).ran == 20
