"""The same table synced by this software, by other programs, and by bare COPY."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks import floor, people
from benchmarks.databases import Databases, count, execute, scalar
from benchmarks.measure import FailedError, measured
from benchmarks.peers import Peer
from benchmarks.register import Register, counted
from benchmarks.results import Results, Sample

OURS = "Open Register"
INITIAL, UNCHANGED = "initial load", "nothing changed"
CHANGED, DELETED = "1 % changed", "1 % deleted"
PUSHED = "nothing changed, pushed down"
CHANGES = {
    INITIAL: "SELECT 1",
    UNCHANGED: "SELECT 1",
    CHANGED: "UPDATE people SET name = name || '.' WHERE id % 100 = 7",
    DELETED: "DELETE FROM people WHERE id % 100 = 8",
}


@dataclass(frozen=True, slots=True)
class Contender:
    """A program in one scenario; `check` receives its output and raises FailedError."""

    name: str
    command: Sequence[str]
    check: Callable[[str], None]
    env: Mapping[str, str] = field(default_factory=dict)
    reads: bool = True
    """It must read the table, which the server's statistics prove."""


class Contest:
    """One round: two new databases, and every program in turn in every scenario."""

    def __init__(
        self, databases: Databases, rows: int, peers: Sequence[Peer], folder: Path, turn: int = 0
    ) -> None:
        self._databases = databases
        self._rows = rows
        self._peers = peers
        self._folder = folder
        self._turn = turn
        self._register = Register(databases.target, folder)

    def run(self, results: Results) -> None:
        """Measure every scenario. Raises FailedError if the first one cannot be set up."""
        self._databases.create()
        execute(self._databases.source, *people.table(self._rows))
        self._register.set_up()
        self._register.add("people", "database", self._source())
        for scenario, change in CHANGES.items():
            execute(self._databases.source, change)
            self._compete(scenario, self._contenders(scenario), results)
            if scenario == INITIAL:
                self._compete(scenario, self._floors(), results)
        self._push_down(results)

    def _source(self, **more: str) -> dict[str, object]:
        return {**self._databases.connection(), "table": "people", **more}

    def _compete(self, scenario: str, contenders: Sequence[Contender], results: Results) -> None:
        first = self._turn % len(contenders)  # rotate the order
        for contender in (*contenders[first:], *contenders[:first]):
            rows = count(self._databases.source, "people")
            before = self._read_so_far()
            try:
                self._databases.checkpoint()
                cost, said = measured(
                    contender.command,
                    self._databases.target,
                    self._databases.names,
                    contender.env,
                )
                contender.check(said)
                if contender.reads:
                    self._check_read(before + rows)
            except (FailedError, psycopg.Error) as error:
                results.fail(scenario, contender.name, error)
            else:
                results.add(scenario, contender.name, Sample(rows, cost))

    def _contenders(self, scenario: str) -> list[Contender]:
        touched = len(range(7, self._rows + 1, 100)) if scenario in (CHANGED, DELETED) else 0
        gone = len(range(8, self._rows + 1, 100)) if scenario == DELETED else 0
        expected = {"errors": 0, "read": self._rows - gone, "deleted": gone}
        expected["created"] = self._rows if scenario == INITIAL else 0
        expected["updated"] = touched if scenario == CHANGED else 0

        def ours(said: str) -> None:
            counted(said, **expected)
            _same("objects", self._register.count(), self._rows - gone)
            _same("changed", self._register.count("data ->> 'name' LIKE '%.'"), touched)

        found = [Contender(OURS, self._register.sync("people"), ours, self._register.env)]
        target = self._databases.target
        for peer in self._peers:

            def theirs(_: str, table: str = peer.table) -> None:
                # they update rows, but do not detect deleted ones
                _same("rows", count(target, table), self._rows)
                _same("changed", count(target, table, "name LIKE '%.'"), touched)

            command = peer.command(self._databases.source, target, self._folder)
            found.append(Contender(peer.name, command, theirs))
        if scenario == UNCHANGED:
            found.append(
                Contender(
                    floor.READ,
                    floor.read(self._databases.source),
                    lambda said: _same("rows", int(said), self._rows),
                )
            )
        return found

    def _floors(self) -> list[Contender]:
        target, found = self._databases.target, []
        floor.finish(target, self._folder)
        for name, schema in ((floor.WITHOUT, "floor"), (floor.WITH, "floor_triggers")):
            floor.create(target, schema, triggers=name == floor.WITH)

            def check(_: str, schema: str = schema) -> None:
                floor.check(target, schema, self._rows)
                execute(target, f"DROP SCHEMA {schema} CASCADE")

            command = floor.write(target, schema, self._folder)
            found.append(Contender(name, command, check, reads=False))
        return found

    def _push_down(self, results: Results) -> None:
        # the first run with a changed connection reads everything and records the digests
        self._register.add("people", "database", self._source(change_detection="pushdown"))
        self._register.run("source:run", "people")

        def check(said: str) -> None:
            report = counted(said, errors=0, created=0, updated=0, deleted=0)
            if report["full"]:
                raise FailedError("every row was read, nothing was pushed down")

        command = self._register.sync("people", full=False)
        self._compete(PUSHED, [Contender(OURS, command, check, self._register.env)], results)

    def _read_so_far(self) -> int:
        query = (
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int8"
            " FROM pg_stat_user_tables WHERE relname = 'people'"
        )
        return int(scalar(self._databases.source, query))

    def _check_read(self, expected: int) -> None:
        """Raises FailedError if the table was not read to the end."""
        waited_until = time.monotonic() + 5  # statistics arrive when the client leaves
        while (found := self._read_so_far()) < expected:
            if time.monotonic() > waited_until:
                raise FailedError(f"the table was not read: {expected - found:,} rows are missing")
            time.sleep(0.1)


def _same(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise FailedError(f"{what}: {found:,} instead of {expected:,}")
