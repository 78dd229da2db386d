"""How fast a PostgreSQL table is read: bare COPY, connector lines, decoded rows, pushdown.

    python benchmarks/read_postgres.py postgresql://postgres@127.0.0.1/postgres [ROWS]

Creates a table `read_benchmark` of ROWS rows (default 1,000,000) × 8 columns and drops it. Prints
rows per second, the best of three, and the peak memory of this process.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from xxhash import xxh3_128_hexdigest

from connectors.database import DatabaseConnector
from connectors.databases.settings import DatabaseConfig
from connectors.sdk.config import parse
from connectors.sdk.rows import Batch

TABLE = """
CREATE TABLE read_benchmark (
    id bigint PRIMARY KEY, code text, name text, amount numeric(12,2),
    born date, updated timestamptz, active boolean, city text)
"""
FILL = """
INSERT INTO read_benchmark
SELECT n, 'C' || lpad(n::text, 8, '0'), 'Person ' || n || ' of the register',
       (n * 7919 %% 1000000) / 100.0, date '1950-01-01' + (n %% 20000)::int,
       timestamptz '2020-01-01' + n * interval '37 seconds', n %% 3 = 0, 'City ' || n %% 500
FROM generate_series(1::bigint, %s) n
"""


def bare_copy(url: str) -> int:
    """psycopg returning the lines of a COPY one by one."""
    rows = 0
    with (
        psycopg.connect(url) as connection,
        connection.cursor() as cursor,
        cursor.copy("COPY read_benchmark TO STDOUT") as copy,
    ):
        for _ in copy:
            rows += 1
    return rows


def server_side_cursor(url: str) -> int:
    """The usual approach: Python tuples from a named cursor."""
    rows = 0
    with psycopg.connect(url) as connection, connection.cursor("rows") as cursor:
        cursor.itersize = 5000
        for _ in cursor.execute("SELECT * FROM read_benchmark"):
            rows += 1
    return rows


def through(connector: DatabaseConnector, use: Callable[[Batch], Any]) -> int:
    rows = 0
    for batch in connector.read():
        use(batch)
        rows += len(batch)
    return rows


def hash_and_key(batch: Batch) -> None:
    """The pipeline's work on an unchanged row."""
    batch.keys(["id"])
    for raw in batch.raw():
        xxh3_128_hexdigest(raw, 7)


def decode(batch: Batch) -> None:
    for _ in batch:
        pass


def unchanged(connector: DatabaseConnector, cursor: Any) -> int:
    (batch,) = connector.read(cursor)
    return batch.skipped


def measure(name: str, work: Callable[[], int]) -> None:
    best = 0.0
    for _ in range(3):
        start = time.perf_counter()
        rows = work()
        best = max(best, rows / (time.perf_counter() - start))
    print(f"| {name} | {best:,.0f} |")


def main(url: str, rows: int) -> None:
    given = conninfo_to_dict(url)
    document = {
        "dialect": "postgresql",
        "host": given.get("host", "localhost"),
        "port": int(str(given.get("port", 5432))),
        "database": given["dbname"],
        "user": given.get("user", ""),
        "password": given.get("password", ""),
        "table": "read_benchmark",
    }
    plain = DatabaseConnector(parse(DatabaseConfig, document))
    pushing = DatabaseConnector(parse(DatabaseConfig, {**document, "change_detection": "pushdown"}))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS read_benchmark")
        connection.execute(TABLE)
        connection.execute(FILL, (rows,))
        connection.execute("VACUUM ANALYZE read_benchmark")
        try:
            print(f"| {rows:,} rows | rows/s |\n|---|--:|")
            measure("bare COPY", lambda: bare_copy(url))
            measure("server-side cursor, tuples", lambda: server_side_cursor(url))
            measure("lines", lambda: through(plain, len))
            measure("lines, keys and hashes", lambda: through(plain, hash_and_key))
            measure("decoded rows", lambda: through(plain, decode))
            cursor = None
            for batch in pushing.read():
                cursor = batch.cursor
            measure("pushdown, nothing changed", lambda: unchanged(pushing, cursor))
        finally:
            connection.execute("DROP TABLE read_benchmark")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"\nPeak memory {peak} MB")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)
