"""The cost of PostgreSQL itself: writing finished rows, and only reading rows.

The floor writes exactly the rows of a load, by binary COPY from a file over one connection, into
tables with the same columns, checks, indexes and storage options. One variant also has the
triggers (docs/decisions/0008), which shows what the referential checks cost.
"""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.databases import count
from benchmarks.measure import FailedError

TABLES = ("objects", "audit_trails")
WITHOUT, WITH = "floor: COPY, no triggers", "floor: COPY, with triggers"
READ = "bare read + hash"

_WRITE = """
import sys, psycopg
target, schema, folder = sys.argv[1:]
with psycopg.connect(target) as connection:
    for table in ("objects", "audit_trails"):
        into = f"COPY {schema}.{table} FROM STDIN (FORMAT BINARY)"
        with open(f"{folder}/{table}.copy", "rb") as file, connection.cursor().copy(into) as copy:
            while block := file.read(262144):
                copy.write(block)
"""
_READ = """
import sys, psycopg, xxhash
seen, hashed = 0, xxhash.xxh3_128_digest
with psycopg.connect(sys.argv[1]) as connection:
    with connection.cursor().copy("COPY people TO STDOUT") as lines:
        for line in lines:
            hashed(line)
            seen += 1
print(seen)
"""


def write(target: str, schema: str, folder: Path) -> list[str]:
    """The command that writes the finished rows into the tables of `schema`."""
    return [sys.executable, "-c", _WRITE, target, schema, str(folder)]


def read(source: str) -> list[str]:
    """The command that reads and hashes every row, and prints how many there were."""
    return [sys.executable, "-c", _READ, source]


def finish(target: str, folder: Path) -> None:
    """Put the rows of a load into files of binary COPY."""
    with psycopg.connect(target) as connection:
        for table in TABLES:
            query = f"COPY openregister.{table} TO STDOUT (FORMAT BINARY)"
            with (
                (folder / f"{table}.copy").open("wb") as file,
                connection.cursor().copy(query.encode()) as copy,
            ):
                for block in copy:
                    file.write(block)


def create(target: str, schema: str, *, triggers: bool) -> None:
    """Empty tables like those of the register, in a schema of their own."""
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        for table in TABLES:
            place, original = sql.Identifier(schema, table), sql.Identifier("openregister", table)
            like = "CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING IDENTITY)"
            connection.execute(sql.SQL(like).format(place, original))
            for option in _options(connection, table):
                connection.execute(
                    sql.SQL("ALTER TABLE {} SET ({})").format(place, sql.SQL(option))
                )
            if triggers:
                for definition in _triggers(connection, table):
                    there = definition.replace(f"openregister.{table}", f"{schema}.{table}", 1)
                    connection.execute(there.encode())


def check(target: str, schema: str, rows: int) -> None:
    """Raises FailedError unless there is one object and one audit entry per row."""
    for table in TABLES:
        found = count(target, f"{schema}.{table}")
        if found != rows:
            raise FailedError(f"{schema}.{table} holds {found:,} rows instead of {rows:,}")


def _options(connection: psycopg.Connection[tuple[str]], table: str) -> list[str]:
    # LIKE does not copy table options such as the fillfactor
    query = "SELECT unnest(reloptions) FROM pg_class WHERE oid = %s::regclass"
    return [option for (option,) in connection.execute(query, (f"openregister.{table}",))]


def _triggers(connection: psycopg.Connection[tuple[str]], table: str) -> list[str]:
    query = (
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger"
        " WHERE tgrelid = %s::regclass AND NOT tgisinternal ORDER BY tgname"
    )
    return [found for (found,) in connection.execute(query, (f"openregister.{table}",))]
