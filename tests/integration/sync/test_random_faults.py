"""Whatever goes wrong and wherever: every row of every run has one fate, and none is lost."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import DatabaseError, LostRunError
from app.sync import lanes as lane_rules
from app.sync import run as running
from app.sync import runs
from app.sync.report import RunState
from app.sync.run import Request
from tests.integration.bench import Bench

MOST = 24

# A statement about a certain object fails, or its connection breaks in the midst of it.
FAULTS = """
CREATE TABLE public.faults (key text, kind text);
CREATE FUNCTION public.fault() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE found_kind text;
BEGIN
    SELECT kind INTO found_kind FROM public.faults WHERE key = NEW.source_key;
    IF found_kind = 'cut' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
    IF found_kind = 'refuse' THEN RAISE EXCEPTION 'not this one'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fault BEFORE INSERT OR UPDATE ON openregister.objects
    FOR EACH ROW EXECUTE FUNCTION public.fault()
"""
UNACCOUNTED = """
    SELECT count(*) FROM openregister.runs
    WHERE read <> created + updated + unchanged + filtered + duplicate + errors
"""
TAKE_AWAY = """
    UPDATE openregister.runs SET state = 'crashed', finished = now() WHERE state = 'running'
"""
WRITTEN = "SELECT sum(created), sum(updated) FROM openregister.runs"
TOLD = """
    SELECT count(*) FILTER (WHERE action = 'create'), count(*) FILTER (WHERE action = 'update')
    FROM openregister.audit_trails
"""

ROW = st.sampled_from(["good", "good", "good", "bad", "filtered"])
FAULT = st.tuples(
    st.sampled_from(["cut", "refuse", "cancel", "take away", "none"]), st.integers(0, MOST - 1)
)
RAISED: dict[str, tuple[type[Exception], ...]] = {
    "cut": (psycopg.Error, sa.exc.DBAPIError, DatabaseError),
    "refuse": (psycopg.Error, sa.exc.DBAPIError),
    "take away": (LostRunError,),
}
"""What may come out of a run with that fault; a miscount never may."""
_numbers = count(1)


def pair(bench: Bench, query: str) -> tuple[int, int]:
    with bench.app.engine.connect() as connection:
        first, second = connection.execute(sa.text(query)).one()
        return int(first or 0), int(second or 0)


def execute(bench: Bench, statement: str, **values: object) -> None:
    with bench.app.engine.begin() as connection:
        connection.execute(sa.text(statement), values)


def rows_of(kinds: list[str], example: int, version: int) -> list[dict[str, Any]]:
    """Rows that all differ from those of the version before."""
    sizes: dict[str, Any] = {"good": version, "bad": "many", "filtered": -1}
    return [
        {"code": f"{example}-{number}", "name": f"Version {version}", "size": sizes[kind]}
        for number, kind in enumerate(kinds)
    ]


def attempt(bench: Bench, fault: str, key: str, place: int) -> None:
    """A run with one fault."""
    if fault in ("cut", "refuse"):
        execute(bench, "INSERT INTO public.faults VALUES (:key, :kind)", key=key, kind=fault)

    def observe(counters: Any, _total: int | None) -> None:
        if counters.read < place:
            return
        if fault == "cancel":
            latest = bench.scalar("SELECT max(id) FROM openregister.runs")
            bench.app.write(runs.request_cancel, latest)
        elif fault == "take away":
            execute(bench, TAKE_AWAY)

    with suppress(*RAISED.get(fault, ())):
        running.run(bench.app, "places", Request(), observe=observe)
    execute(bench, "DELETE FROM public.faults")


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kinds=st.lists(ROW, min_size=1, max_size=MOST),
    faults=st.lists(FAULT, min_size=1, max_size=3),
    batch_size=st.integers(1, 9),
    lanes=st.integers(1, 3),
)
def test_the_counters_add_up_and_nothing_is_lost_whatever_fails(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    kinds: list[str],
    faults: list[tuple[str, int]],
    batch_size: int,
    lanes: int,
) -> None:
    monkeypatch.setattr(lane_rules, "PAUSES", (0.01,))
    example = next(_numbers)
    if bench.scalar("SELECT to_regclass('public.faults') IS NULL"):
        execute(bench, FAULTS)
    bench.define({"filter": "size != -1"}, batch_size=batch_size, lanes=lanes)
    for version, (fault, place) in enumerate(faults):
        bench.write(rows_of(kinds, example, version))
        attempt(bench, fault, f"{example}-{place}", place)
        assert bench.scalar(UNACCOUNTED) == 0
        assert pair(bench, WRITTEN) == pair(bench, TOLD)
    last = rows_of(kinds, example, len(faults))
    bench.write(last)
    run = bench.sync(full=True)
    assert run.state in (RunState.DONE, RunState.PARTIAL)
    assert (run.counters.read, run.counters.errors) == (len(last), kinds.count("bad"))
    assert bench.scalar(UNACCOUNTED) == 0
    assert pair(bench, WRITTEN) == pair(bench, TOLD)
    expected = {row["code"]: row for row in last if row["size"] == len(faults)}
    found = {
        key: data for key, data in bench.objects().items() if str(key).startswith(f"{example}-")
    }
    assert found == expected
    assert bench.scalar("SELECT count(*) FROM openregister.runs WHERE state = 'running'") == 0
