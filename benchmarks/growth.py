"""Whether the cost per row stays the same as tables and registers grow.

The register is filled beforehand with INSERT … SELECT: objects and audit entries of another
source, of the same size as those that are loaded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import people
from benchmarks.databases import Databases, execute, scalar
from benchmarks.measure import FailedError, measured
from benchmarks.register import Register, counted
from benchmarks.report import grid
from benchmarks.results import note

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
ORDINARY = 1_000_000

# keys in chronological order, like UUIDv7
_OBJECTS = """
INSERT INTO openregister.objects
    (uuid, register_id, schema_id, source_id, source_key, origin_hash, data_hash, data)
SELECT (lpad(to_hex(g), 12, '0') || '7' || substr(md5(g::text), 1, 3)
        || '8' || substr(md5(g::text), 5, 15))::uuid,
       t.register_id, t.schema_id, t.source_id, g::text, md5(g::text)::uuid,
       sha256(g::text::bytea),
       jsonb_build_object('id', g, 'code', md5(g::text), 'name', 'Name ' || g, 'age', g % 100,
                          'amount', g * 1.37, 'active', g % 2 = 0, 'born', '2020-01-01',
                          'email', 'user' || g || '@example.org')
FROM openregister.source_targets t JOIN openregister.sources s ON s.id = t.source_id,
     generate_series(1::bigint, {count}) g
WHERE s.name = 'held'
"""
_ENTRIES = """
INSERT INTO openregister.audit_trails
    (chain_id, position, created, object_uuid, version, action, actor, data_hash, prev_hash, hash)
SELECT -1, o.seq, now(), o.uuid, 1, 'create', 'bench', o.data_hash, o.data_hash, o.data_hash
FROM openregister.objects o
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One sync. `seconds` is the duration of the run without the start of the command."""

    held: int
    rows: int
    scenario: str
    seconds: float
    peak_memory: int

    @property
    def micros(self) -> float:
        """Microseconds per row."""
        return self.seconds / self.rows * 1e6


def measure(databases: Databases, sizes: Sequence[int], held: int) -> list[Line]:
    """Load every size and read it again, into an empty register and one with `held` objects."""
    found = []
    for count in dict.fromkeys((0, held)):
        with tempfile.TemporaryDirectory(prefix="openregister-bench-") as folder:
            databases.create()
            register = Register(databases.target, Path(folder))
            register.set_up()
            fill(databases, register, count)
            for rows in sizes:
                found += _load(databases, register, rows, count)
    return found


def fill(databases: Databases, register: Register, count: int) -> None:
    """Fill the register with `count` objects and their audit entries. Raises FailedError."""
    execute(databases.source, *people.table(0, "nobody"))
    register.add("held", "database", {**databases.connection(), "table": "nobody"})
    if count:
        execute(databases.target, _OBJECTS.format(count=count), _ENTRIES)
    if (found := register.count()) != count:
        raise FailedError(f"the register holds {found:,} objects instead of {count:,}")
    execute(databases.target, "VACUUM ANALYZE openregister.objects", "CHECKPOINT")


def room(databases: Databases) -> str:
    """Disk space of an object and an audit entry, including indexes, as a sentence."""
    bytes_of = "SELECT pg_total_relation_size('openregister.{0}') / count(*) FROM openregister.{0}"
    found = [
        int(scalar(databases.target, bytes_of.format(name))) for name in ("objects", "audit_trails")
    ]
    return (
        f"On disk, indexes included, an object takes {found[0]:,} bytes"
        f" and an audit entry {found[1]:,}."
    )


def table(lines: Sequence[Line]) -> str:
    """As Markdown."""
    cells = [
        [
            f"{line.held:,}",
            line.scenario,
            f"{line.rows:,}",
            f"{line.rows / line.seconds:,.0f}",
            f"{line.micros:,.1f}",
            f"{line.peak_memory / 1e6:,.0f}",
        ]
        for line in lines
    ]
    heads = ("objects held before", "scenario", "rows", "rows/s", "µs per row", "peak memory MB")
    return grid(heads, cells, texts=2)


def _load(databases: Databases, register: Register, rows: int, held: int) -> list[Line]:
    name = f"people_{rows}"
    execute(databases.source, *people.table(rows, name))
    register.add(name, "database", {**databases.connection(), "table": name})
    before = register.count()
    found = []
    for scenario, expected in (
        ("initial load", {"created": rows, "errors": 0}),
        ("nothing changed", {"unchanged": rows, "errors": 0}),
    ):
        databases.checkpoint()
        cost, said = measured(register.sync(name), databases.target, databases.names, register.env)
        seconds = float(counted(said, **expected)["duration_s"])
        if register.count() != before + rows:
            raise FailedError(f"{rows:,} rows did not become as many objects")
        found.append(Line(held, rows, scenario, seconds, cost.peak_memory))
        note(f"{held:,} held, {scenario}: {rows:,} rows, {found[-1].micros:.1f} µs per row")
    return found
