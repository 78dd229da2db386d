"""Read the rows of a COPY … TO STDOUT, many at a time.

psycopg returns one row per call, which costs as much as everything else done for an unchanged row.
This takes received data directly from libpq; only waiting goes through psycopg.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import psycopg
from psycopg import pq, sql, waiting


def lines(
    connection: psycopg.Connection[Any], statement: sql.Composed, size: int
) -> Generator[list[bytes]]:
    """The lines of a COPY in text format without newlines, at most `size` at a time.

    Raises psycopg's errors. If closed early, the statement is cancelled.
    """
    with connection.cursor() as cursor, cursor.copy(statement):
        while block := b"".join(connection.wait(_arrived(connection.pgconn, size))):
            rows = block.split(b"\n")
            rows.pop()
            yield rows


def _arrived(
    pgconn: pq.abc.PGconn, size: int
) -> Generator[waiting.Wait, waiting.Ready | int, list[memoryview]]:
    """The next `size` rows; fewer only at the end, and none after it."""
    rows: list[memoryview] = []
    take, keep = pgconn.get_copy_data, rows.append
    if pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
        return rows
    while len(rows) < size:
        length, row = take(1)
        if length > 0:
            keep(row)
        elif length == 0:
            yield from _readable(pgconn)
        else:
            yield from _finished(pgconn)
            break
    return rows


def _readable(pgconn: pq.abc.PGconn) -> Generator[waiting.Wait, waiting.Ready | int, None]:
    while not (yield waiting.Wait.R):
        pass  # psycopg checks at intervals for Ctrl+C
    pgconn.consume_input()


def _finished(pgconn: pq.abc.PGconn) -> Generator[waiting.Wait, waiting.Ready | int, None]:
    """Consume the remaining results of the COPY. Raises psycopg.Error if one is an error."""
    failed = None
    while True:
        while pgconn.is_busy():
            yield from _readable(pgconn)
        result = pgconn.get_result()
        if result is None:
            break
        if result.status != pq.ExecStatus.COMMAND_OK:
            failed = failed or result
    if failed is not None:
        raise psycopg.errors.error_from_result(failed, encoding="utf-8")
