"""A register, a schema and an NDJSON file that a source reads: the smallest real sync."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.application import Application
from app.sources import manage
from app.sync import run as running
from app.sync.model import Run
from app.sync.run import Request
from connectors.sdk.rows import Batch

SCHEMA = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "name": {"type": "string", "maxLength": 40},
        "size": {"type": "integer"},
    },
    "required": ["name"],
}


@dataclass
class Bench:
    """Writes rows to a file, and syncs the file into register `geo`, schema `place`."""

    app: Application
    path: Path
    options: dict[str, Any] = field(default_factory=dict)
    _clock: Iterator[int] = field(default_factory=lambda: count(1))

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Replace the file; blank lines at its end make its bytes new even for the same rows."""
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        self.path.write_text(lines + "\n" * next(self._clock))

    def define(self, mapping: dict[str, Any] | None = None, **document: Any) -> None:
        """Add or change the source `places`."""
        manage.save(
            self.app,
            {
                "name": "places",
                "type": "files",
                "connection": {"path": str(self.path), "format": "ndjson"},
                "target": {"register": "geo", "schema": "place"},
                "mapping": {"key": "code", "passthrough": True, **(mapping or {})},
                **document,
            },
            test=False,
        )

    def sync(self, **request: Any) -> Run:
        """One run."""
        return running.run(self.app, "places", Request(**request)).run

    def play(self, *batches: Batch, **request: Any) -> Run:
        """One run over these batches in place of the file's."""
        wanted = Request(**request)
        return running.run(self.app, "places", wanted, rows=lambda *_: iter(batches)).run

    def objects(self) -> dict[str | None, dict[str, Any]]:
        """The live objects' data by key."""
        with self.app.engine.connect() as connection:
            rows = connection.execute(
                sa.text(
                    "SELECT source_key, data FROM openregister.objects"
                    " WHERE deleted IS NULL ORDER BY seq"
                )
            )
            return {row.source_key: row.data for row in rows}

    def scalar(self, query: str) -> Any:
        """One value."""
        with self.app.engine.connect() as connection:
            return connection.scalar(sa.text(query))

    def audit(self) -> list[tuple[str, str]]:
        """(action, key) of every audit entry, in the order of the chain."""
        with self.app.engine.connect() as connection:
            rows = connection.execute(
                sa.text(
                    "SELECT a.action, o.source_key FROM openregister.audit_trails a"
                    " JOIN openregister.objects o ON o.uuid = a.object_uuid"
                    " ORDER BY a.chain_id, a.position"
                )
            )
            return [(action, key) for action, key in rows]


def figures(run: Run, *names: str) -> dict[str, int]:
    """Some counters of a run; without names those that are not zero."""
    counters = run.counters.as_dict()
    return {name: counters[name] for name in names or [n for n in counters if counters[n]]}
