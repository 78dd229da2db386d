"""Runs that are stopped: on request while their source is slow, and by SIGSTOP amid a transaction.

An open transaction of a stopped process is ended by the server, and another process does the work.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import psycopg
import pytest
import sqlalchemy as sa

from app.database import engine as engines
from app.sync import run as running
from app.sync.model import Start
from app.sync.postgres.statements import BEGIN, COPY_OBJECTS
from app.sync.report import RunState
from app.sync.run import Request
from app.sync.run_store import RunStore
from tests.integration.bench import Bench
from tests.integration.sync.test_kill import GATE, LOCK, ROWS, wait_for_gate
from tests.places import PROGRAM
from tests.servers.http_api import Answer, Call, HttpApi, answer, numbered

SHORT = "-c idle_in_transaction_session_timeout=1s"
PATIENCE = 40.0


def wait_for(bench: Bench, query: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not bench.scalar(query):
        assert time.monotonic() < deadline, f"This did not happen: {query}"
        time.sleep(0.02)


@pytest.mark.parametrize(("given", "used"), [("0", "2min"), ("10min", "2min"), ("3s", "3s")])
def test_a_lane_waits_two_minutes_or_less_where_the_server_says_so(
    database_url: str, given: str, used: str
) -> None:
    url = sa.make_url(database_url).update_query_dict(
        {"options": f"-c idle_in_transaction_session_timeout={given}"}
    )
    engine = engines.create(url.render_as_string(hide_password=False))
    with engine.connect() as connection:
        assert connection.connection.driver_connection is not None
        connection.connection.driver_connection.execute(BEGIN)
        found = connection.scalar(sa.text("SHOW idle_in_transaction_session_timeout"))
    engine.dispose()
    assert found == used


@pytest.mark.promise("SIGSTOP of a sync while it sends objects")
def test_a_copy_that_waits_for_a_stopped_process_ends_with_its_lease(
    bench: Bench, database_url: str
) -> None:
    """Its session is not idle, so no limit of the server ends it."""
    bench.define()
    store = RunStore(bench.app.engine)
    store.start(Start(bench.scalar("SELECT id FROM openregister.sources"), "manual", "test"))
    url = sa.make_url(database_url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as stopped:
        stopped.execute(BEGIN)
        session = f"FROM pg_stat_activity WHERE pid = {stopped.info.backend_pid}"
        copy = stopped.cursor().copy(COPY_OBJECTS)
        with pytest.raises(psycopg.OperationalError), copy:  # noqa: PT012 - ended amid it
            wait_for(bench, f"SELECT wait_event = 'ClientRead' {session}")
            assert store.repair() == []
            assert bench.scalar(f"SELECT count(*) {session}") == 1
            with bench.app.engine.begin() as connection:
                connection.execute(sa.text("UPDATE openregister.runs SET lease_until = now()"))
            assert [run.state for run in store.repair()] == [RunState.CRASHED]
            wait_for(bench, f"SELECT count(*) = 0 {session}")


@pytest.mark.parametrize("answered", [0, 1, 2])
def test_a_run_that_is_stopped_while_it_waits_for_a_page_is_cancelled(
    bench: Bench, answered: int
) -> None:
    rows = [{"code": str(n), "name": "n"} for n in range(6)]
    pages, stopped = numbered(rows, 2, total=False), threading.Event()

    def handle(call: Call) -> Answer:
        if call.number("page", 1) <= answered:
            return pages(call)
        stopped.set()
        return answer({}, 503, {"Retry-After": "30"})

    with HttpApi() as api:
        api.on("/places", handle)
        bench.define(
            type="rest",
            connection={"url": f"{api.url}/places", "records": "items", "pagination": "page"},
            on_missing="delete",
        )
        run = running.run(bench.app, "places", Request(), should_stop=stopped.is_set).run
        assert (run.state, run.complete) == (RunState.CANCELLED, False)
        assert run.counters.created == len(bench.objects())
        stopped.clear()
        api.on("/places", pages)
        assert bench.sync().state is RunState.DONE
    assert bench.objects() == {row["code"]: row for row in rows}


@pytest.mark.promise("SIGSTOP of a sync inside an open transaction")
@pytest.mark.kill
def test_a_sync_stopped_inside_a_transaction_holds_its_rows_no_longer_than_the_limit(
    bench: Bench, database_url: str
) -> None:
    bench.define(batch_size=100)
    bench.write(ROWS)
    url = sa.make_url(database_url).update_query_dict({"options": SHORT})
    gate = GATE.format(when="BEFORE INSERT", table="audit_trails", each="STATEMENT", lock=LOCK)
    with bench.app.engine.connect() as connection:
        connection.execute(sa.text(gate))
        connection.commit()
        connection.execute(sa.text(f"SELECT pg_advisory_lock({LOCK})"))
        connection.commit()
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "source:run", "places"],
            env={
                **os.environ,
                "OPENREGISTER_DATABASE_URL": url.render_as_string(hide_password=False),
                "OPENREGISTER_DATA_DIR": str(bench.app.settings.data_dir),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            wait_for_gate(bench)
            os.kill(process.pid, signal.SIGSTOP)
            connection.execute(sa.text(f"SELECT pg_advisory_unlock({LOCK})"))
            connection.commit()
            # its transactions are open and nobody ends them, until the server does
            wait_for(
                bench,
                "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'openregister' AND xact_start IS NOT NULL",
            )
            connection.execute(sa.text("DROP FUNCTION public.gate() CASCADE"))
            connection.execute(
                sa.text("UPDATE openregister.runs SET lease_until = now() - interval '1 second'")
            )
            connection.commit()
            assert bench.sync().state is RunState.DONE
        finally:
            os.kill(process.pid, signal.SIGCONT)
        assert process.wait(60) == 1  # a lost run
        assert process.stderr is not None
        process.stderr.close()
    assert bench.objects() == {row["code"]: row for row in ROWS}
    assert bench.scalar("SELECT count(*) FROM openregister.audit_trails") == len(ROWS)
    states = "SELECT array_agg(state ORDER BY id) FROM openregister.runs"
    assert bench.scalar(states) == ["crashed", "done"]
