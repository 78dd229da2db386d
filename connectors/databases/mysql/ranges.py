"""Digests of key ranges in MySQL 8 and MariaDB 10.2 and newer."""
# ruff: noqa: S608  (statements are built here: names are quoted, bounds are integers)

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from connectors.databases.mysql.types import line, quoted
from connectors.databases.ranges import Digest, Ranges, Span
from connectors.sdk.rows import Batch

_TOGETHER = 64
"""Ranges per statement: each scans part of the primary key."""

_UNMERGED = "LIMIT 18446744073709551615"
"""Keeps the inner query separate, so that MD5 is computed once and used twice."""


class MySQLRanges(Ranges):
    """Ranges of an integer key; the hashes of a row are the halves of its line's MD5."""

    numeric = True
    most = 1024

    def __init__(
        self,
        fetch: Callable[[str], list[tuple[Any, ...]]],
        read: Callable[[Sequence[str], int], Iterator[Batch]],
        source: str,
        pieces: Sequence[str],
        field: str,
        layout: str,
    ) -> None:
        """`pieces`: SQL of the line's columns; `field`: the key column."""
        self._fetch, self._read, self._source = fetch, read, source
        self._line = line(pieces)
        self._key = quoted(field)
        self.field = field
        self.layout = layout

    def bounds(self, span: Span, size: int) -> list[str]:
        rows = self._fetch(
            f"SELECT k FROM (SELECT {self._key} AS k, ROW_NUMBER() OVER (ORDER BY {self._key}) AS n"
            f" FROM {self._source} {self._where([span])}) AS numbered"
            f" WHERE n > 1 AND n MOD {max(2, size)} = 1 GROUP BY k ORDER BY k"
        )
        return [str(low) for (low,) in rows if str(low) != span[0]]

    def digests(self, lows: Sequence[str], span: Span = (None, None)) -> list[Digest]:
        spans = list(pairwise([span[0], *lows, span[1]]))
        found: list[Digest] = []
        for start in range(0, len(spans), _TOGETHER):
            some = spans[start : start + _TOGETHER]
            statement = " UNION ALL ".join(self._digest(n, each) for n, each in enumerate(some))
            rows = sorted(self._fetch(statement), key=lambda row: int(row[0]))
            found.extend(Digest.of(*row[1:]) for row in rows)
        return found

    def _digest(self, number: int, span: Span) -> str:
        sums = ", ".join(
            f"COALESCE(SUM(CAST(CONV({half}(m, 16), 16, 10) AS UNSIGNED)), 0)"
            for half in ("LEFT", "RIGHT")
        )
        return (
            f"SELECT {number}, COUNT(*), {sums} FROM (SELECT MD5({self._line}) AS m"
            f" FROM {self._source} {self._where([span])} {_UNMERGED}) AS hashed"
        )

    def batches(self, spans: Sequence[Span], total: int) -> Iterator[Batch]:
        starts = range(0, len(spans), _TOGETHER)
        return self._read([self._where(spans[at : at + _TOGETHER]) for at in starts], total)

    def _where(self, spans: Sequence[Span]) -> str:
        conditions = []
        for low, high in spans:
            sides = [
                f"{self._key} {sign} {int(bound)}"
                for sign, bound in ((">=", low), ("<", high))
                if bound is not None
            ]
            if not sides:
                return ""
            conditions.append(f"({' AND '.join(sides)})")
        return f"WHERE {' OR '.join(conditions)}"
