"""Hosts whose clocks differ by hours, side by side: only the database's clock counts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from jobs import store
from tests.integration.jobs.cluster import Cluster
from tests.servers.clocks import MovedClock

pytestmark = pytest.mark.kill

HOURS = timedelta(hours=3)
DAY = 86_400


@pytest.fixture(params=[HOURS, -HOURS], ids=["ahead", "behind"])
def clock(request: pytest.FixtureRequest, tmp_path: Path) -> MovedClock:
    return MovedClock(tmp_path, request.param)


def now(cluster: Cluster) -> datetime:
    with cluster.engine.connect() as connection:
        return store.clock(connection)


def moments(cluster: Cluster) -> list[datetime]:
    """Every moment that the runner has written down, but those of the next runs."""
    with cluster.engine.connect() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT started FROM openregister.job_runs UNION ALL"
                " SELECT finished FROM openregister.job_runs UNION ALL"
                " SELECT last_run FROM openregister.jobs UNION ALL"
                " SELECT updated FROM openregister.jobs"
            )
        )
        return [moment for (moment,) in rows]


def test_the_clock_of_a_process_is_moved_and_moves(clock: MovedClock) -> None:
    """Otherwise the tests below would show nothing."""
    asks = (
        "import sys, time\n"
        "for _ in sys.stdin:\n"
        "    began = time.monotonic(); time.sleep(0.01)\n"
        "    print(time.time(), time.monotonic() - began, flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", asks],
        env=clock.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        for expected in (HOURS, -HOURS, timedelta()):
            clock.move(expected)
            process.stdin.write("\n")
            process.stdin.flush()
            wall, slept = map(float, process.stdout.readline().split())
            off = datetime.fromtimestamp(wall, UTC) - datetime.now(UTC)
            assert abs(off - expected) < timedelta(minutes=10)
            assert 0 < slept < 600
        process.stdin.close()


@pytest.mark.promise("hosts whose clocks differ agree on what is due")
@pytest.mark.promise(
    "hosts whose clocks are three hours ahead and behind, next to one that is right"
)
def test_hosts_that_disagree_share_the_work_and_write_the_same_time(
    cluster: Cluster, clock: MovedClock
) -> None:
    began = now(cluster)
    daily = cluster.add("sleep", 6, arguments={"seconds": 0.2}, schedule=str(DAY))
    cluster.add("tiny", 60)
    hosts = [
        cluster.start("pass", environment, lease=60.0, workers=2)
        for environment in (clock.environment, None, clock.environment)
    ]
    ran = [cluster.finish(host)[-1]["summary"] for host in hosts]
    ended = now(cluster)
    assert sum(summary["ran"] for summary in ran) == 66
    assert [summary["failed"] + summary["repaired"] for summary in ran] == [0, 0, 0]
    with cluster.engine.connect() as connection:
        done = sa.text("SELECT count(*), count(DISTINCT job) FROM work_log WHERE word <> 'awake'")
        assert connection.execute(done).one() == (66, 66)
        left = store.every(connection)
    assert all(began <= moment <= ended for moment in moments(cluster))
    assert max(job.id for job in left) == daily
    assert len(left) == 6
    for job in left:
        assert job.next_run is not None
        assert began <= job.next_run - timedelta(seconds=DAY) <= ended
    # and nobody finds what is due tomorrow due today
    for environment in (clock.environment, None):
        assert cluster.run("pass", environment=environment)[-1]["summary"]["ran"] == 0


def one_runs_while_the_other_looks(
    cluster: Cluster, runs: MovedClock | None, looks: MovedClock | None
) -> None:
    """A job takes longer than its lease, which is renewed, while another host looks for work."""
    job_id = cluster.add("sleep", arguments={"seconds": 4.0}, schedule=str(DAY))
    runner = cluster.start("pass", runs.environment if runs else None, lease=3.0)
    cluster.wait_for_word(job_id, "asleep")
    while "awake" not in cluster.words(job_id):
        (line,) = cluster.run("pass", environment=looks.environment if looks else None, lease=3.0)
        assert line["summary"] == {"ran": 0, "failed": 0, "repaired": 0}
    cluster.finish(runner)
    assert cluster.words(job_id) == ["asleep", "awake"]
    assert cluster.states(job_id) == ["done"]


@pytest.mark.promise(
    "hosts whose clocks are three hours ahead and behind, next to one that is right"
)
def test_no_lease_is_stolen_by_a_host_whose_clock_is_wrong(
    cluster: Cluster, clock: MovedClock
) -> None:
    one_runs_while_the_other_looks(cluster, None, clock)


@pytest.mark.promise(
    "hosts whose clocks are three hours ahead and behind, next to one that is right"
)
def test_no_lease_is_stolen_from_a_host_whose_clock_is_wrong(
    cluster: Cluster, clock: MovedClock
) -> None:
    one_runs_while_the_other_looks(cluster, clock, None)


@pytest.mark.promise("a clock set forward and back during a job")
def test_a_clock_that_jumps_during_a_job_changes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    clock = MovedClock(tmp_path, timedelta())
    arguments = {"count": 30, "pause": 0.05, "after": 1.0}
    job_id = cluster.add("batches", arguments=arguments, schedule=str(DAY))
    began = now(cluster)
    runner = cluster.start("pass", clock.environment, lease=3.0)
    for by, word in ((HOURS, "batch 1"), (-HOURS, "committed")):
        cluster.wait_for_word(job_id, word)
        clock.move(by)
        assert cluster.run("pass", lease=3.0)[-1]["summary"]["repaired"] == 0
    (outcome, line) = cluster.finish(runner)
    assert (outcome["state"], line["summary"]["failed"]) == ("done", 0)
    assert len(cluster.words(job_id)) == 32
    assert all(began <= moment <= now(cluster) for moment in moments(cluster))


def test_a_job_that_a_host_with_a_wrong_clock_has_lost_is_run_again_once(
    cluster: Cluster, clock: MovedClock
) -> None:
    job_id = cluster.add("sleep", arguments={"seconds": 1.0}, schedule=str(DAY))
    victim = cluster.start("pass", clock.environment)
    cluster.wait_for_word(job_id, "asleep")
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    assert cluster.run("pass", environment=clock.environment)[-1]["summary"] == {
        "ran": 1,
        "failed": 0,
        "repaired": 1,
    }
    assert cluster.states(job_id) == ["crashed", "done"]
