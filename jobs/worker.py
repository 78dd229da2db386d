"""The loop that stays: runs what falls due, and what is asked for, within a second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import psycopg
import sqlalchemy as sa

from jobs import leases, store
from jobs.attempt import Handlers
from jobs.errors import OutdatedError
from jobs.notify import Bell
from jobs.policy import Policy
from jobs.pool import Crew, Report
from jobs.processes import this_process
from jobs.run_pass import Summary, ignore

_log = logging.getLogger(__name__)

_LONGEST_SILENCE = 30.0  # seconds between two tries to reach a database that is away
_BREATH = 0.2  # seconds between two looks, however often the bell rings


def run_worker(
    engine: sa.Engine,
    policy: Policy,
    handlers: Handlers,
    *,
    workers: int = 1,
    report: Report = ignore,
    beat: Callable[[], None] = lambda: None,
) -> Summary:
    """Run jobs in up to `workers` processes until SIGTERM or SIGINT.

    Then handlers stop at their next good place, give their jobs back, and this returns. While
    the database is away it waits for it, first a second, then ever longer up to half a minute.
    `beat` is called at every look for due jobs, `policy.poll` seconds apart at the most.
    Raises OutdatedError once a newer version has upgraded the database.
    """
    with Crew(engine, policy, handlers, workers, report) as crew:
        bell = Bell(engine)
        silence = 1.0
        while not crew.stopping:
            try:
                if policy.listens:
                    bell.listen()
                _admit(engine, policy)
                beat()
                pause = _give_orders(engine, policy, crew)
                silence = 1.0
            except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
                _log.warning("Waiting for the database. %s", policy.describe_error(error))
                bell.close()
                pause = silence
                silence = min(silence * 2, _LONGEST_SILENCE)
            _pass_time(crew, bell, pause)
        bell.close()
        crew.leave()
    if crew.outdated is not None:
        raise OutdatedError(crew.outdated)
    return Summary(crew.started, crew.failed, crew.repaired)


def _admit(engine: sa.Engine, policy: Policy) -> None:
    with engine.begin() as connection:
        policy.admit(connection)


def _give_orders(engine: sa.Engine, policy: Policy, crew: Crew) -> float:
    """Set the crew to work on what is due; answers in how many seconds to look again."""
    with engine.connect() as connection:
        due = leases.look(connection, policy, this_process().host, crew.free)
        pause = min(policy.poll, store.seconds_to_next(connection))
    crew.drain(due)
    return pause


def _pass_time(crew: Crew, bell: Bell, pause: float) -> None:
    """Wait for the bell, for a child that has become free, or for the time to look again."""
    began, free = time.monotonic(), crew.free
    while not crew.stopping:
        left = began + pause - time.monotonic()
        crew.step(max(0.0, left), [bell] if bell.listening else [])
        if bell.rang() or crew.free > free or left <= 0:
            break
    time.sleep(max(0.0, began + _BREATH - time.monotonic()))
