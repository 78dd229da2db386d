"""Insert rejected rows into the quarantine, within the transaction of their batch."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Self

import psycopg
import sqlalchemy as sa
from xxhash import xxh3_128_hexdigest

from app.sync.postgres import statements as sql
from connectors.sdk import canonical, lenient
from connectors.sdk.redact import redact
from connectors.sdk.rows import RowProblem

MOST = 50_000
"""Rejected rows kept in memory by a run; beyond that it queries the database per batch."""


@dataclass(slots=True)
class Rejects:
    """Which rows of a source are in quarantine while it is read, so that most batches need no
    statement to find out that none of theirs is."""

    by_target: dict[int, set[str]] = field(default_factory=dict)
    too_many: bool = False

    @classmethod
    def of(cls, connection: sa.Connection, source_id: int) -> Self:
        """The rows currently in quarantine."""
        found = cls()
        for target, name in connection.exec_driver_sql(sql.REJECTS, (source_id, MOST + 1)):
            found._add(target, {name})
        return found

    def add(self, target: int, problems: Sequence[RowProblem]) -> None:
        """Record rows that were inserted."""
        self._add(target, {problem.key for problem in problems if problem.key is not None})

    def among(self, target: int, keys: Set[str | None]) -> set[str | None]:
        """The keys that may be in quarantine."""
        if self.too_many:
            return set(keys) - {None}
        known = self.by_target.get(target)
        return set(known.intersection(keys)) if known and keys else set()

    def _add(self, target: int, names: set[str]) -> None:
        self.by_target.setdefault(target, set()).update(names)
        self.too_many = self.too_many or sum(map(len, self.by_target.values())) > MOST


def identity(problem: RowProblem) -> str:
    """The identity of a bad row across runs: its key, or its content."""
    if problem.key is not None:
        return problem.key
    content = _dump(problem.raw) if problem.raw is not None else problem.position.encode()
    return f"\x1d{xxh3_128_hexdigest(content)}"


def put(
    connection: psycopg.Connection[Any],
    source_id: int,
    target: int,
    run_id: int,
    problems: Sequence[RowProblem],
) -> None:
    """Insert or update one line per bad row."""
    latest: dict[str, RowProblem] = {}
    for problem in problems:
        name = identity(problem)
        if problem.key is None and name in latest:  # list as many rows as were counted
            name = f"{name} {problem.position}"
        latest[name] = problem
    rows = list(latest.values())
    connection.execute(
        sql.QUARANTINE,
        {
            "source": source_id,
            "target": target,
            "run": run_id,
            "identities": [_text(name) for name in latest],
            "positions": [_text(row.position) for row in rows],
            "keys": [None if row.key is None else _text(row.key) for row in rows],
            "stages": [row.stage.value for row in rows],
            "errors": [_errors(row) for row in rows],
            "raws": [None if row.raw is None else _dump(row.raw).decode() for row in rows],
        },
    )


def _errors(row: RowProblem) -> str:
    listed = [
        {"path": error.path, "message": redact(error.message), "value": error.value}
        for error in row.errors
    ]
    return _without_nul(_dump(listed).decode())


def _dump(value: Any) -> bytes:
    """JSON of anything from a reader, with odd values as text."""
    try:
        return canonical.dumps(canonical.value(value))
    except (ValueError, TypeError):
        return canonical.dumps(lenient.shown(value))


def _text(value: str) -> str:
    # a lone surrogate represents a byte that is not valid text
    shown = value.encode("utf-8", "backslashreplace").decode()
    return shown.replace("\x00", "\N{SYMBOL FOR NULL}")


def _without_nul(json: str) -> str:
    # jsonb cannot store U+0000, so show its symbol
    return json.replace("\\u0000", "\N{SYMBOL FOR NULL}")
