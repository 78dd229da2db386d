"""Digests of key ranges in PostgreSQL 14 and newer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from psycopg import sql

from connectors.databases.postgres.digests import sums
from connectors.databases.ranges import Digest, Ranges, Span
from connectors.sdk.rows import Batch

OLDEST_SERVER = 140000
"""hash_record_extended was added in PostgreSQL 14."""

_FEW_SPANS = 16
"""Up to this many are looked up through the key's index; more in one scan."""

_WHOLE_NUMBERS = frozenset({"int2", "int4", "int8"})
_TEXTS = frozenset({"text", "varchar", "uuid"})


class PostgresRanges(Ranges):
    """Ranges by `width_bucket` over the sorted lower bounds, in one scan.

    The planner expects as many groups as rows and would sort them all in one process. It
    distributes an aggregate without groups over several processes, without sorting.
    """

    whole_first = True

    def __init__(
        self,
        fetch: Callable[[sql.Composed], list[tuple[Any, ...]]],
        read: Callable[[sql.Composable, int], Iterator[Batch]],
        source: sql.Composable,
        columns: Sequence[tuple[str, str]],
        key: Sequence[str],
        layout: str,
    ) -> None:
        """`columns`: name and pg_catalog type ("" for others); `key`: names of the primary key."""
        self._fetch, self._read, self._source = fetch, read, source
        types = dict(columns)
        self.field = field = key[0]
        self._type = types[field]
        self.numeric = self._type in _WHOLE_NUMBERS
        # Fixed-width bounds are found by binary search, text bounds by a linear scan.
        self.most = 256 if self._type in ("text", "varchar") else 1024
        self.layout = layout
        self._hashes = sums(columns, [(name, types[name]) for name in key])
        by_bytes = self._type in ("text", "varchar")
        self._key = sql.SQL('{} COLLATE "C"' if by_bytes else "{}").format(sql.Identifier(field))

    @staticmethod
    def can(kind: str, encoding: str | None) -> bool:
        """Whether a column of this type can be divided into ranges in this database encoding.

        Bytes of text sort by code point in UTF-8, but in few other encodings.
        """
        if kind in ("text", "varchar"):
            return encoding == "UTF8"
        return kind in _WHOLE_NUMBERS or kind in _TEXTS

    def bounds(self, span: Span, size: int) -> list[str]:
        statement = sql.SQL(
            "SELECT key::text FROM (SELECT {column} AS key, row_number() OVER (ORDER BY {key}) AS n"
            " FROM {source} {where}) AS numbered WHERE n > 1 AND n % {size} = 1"
            " GROUP BY key ORDER BY min(n)"
        ).format(
            column=sql.Identifier(self.field),
            key=self._key,
            source=self._source,
            where=self._where([span]),
            size=sql.Literal(max(2, size)),
        )
        found = [low for (low,) in self._fetch(statement)]
        return [low for low in found if low != span[0]]

    def digests(self, lows: Sequence[str], span: Span = (None, None)) -> list[Digest]:
        statement = sql.SQL("SELECT {bucket}, {hashes} FROM {source} {where} {grouped}").format(
            bucket=self._bucket(lows) if lows else sql.SQL("0"),
            hashes=self._hashes,
            source=self._source,
            where=self._where([span]),
            grouped=sql.SQL("GROUP BY 1" if lows else ""),
        )
        found = {int(row[0]): Digest.of(*row[1:]) for row in self._fetch(statement)}
        return [found.get(number, Digest()) for number in range(len(lows) + 1)]

    def _bucket(self, bounds: Sequence[str]) -> sql.Composed:
        """SQL for the number of ascending bounds that are not above the key."""
        kind = "int8" if self.numeric else "uuid" if self._type == "uuid" else "text"
        return sql.SQL("width_bucket({}, {}::{})").format(
            sql.SQL("{}::int8").format(self._key) if self.numeric else self._key,
            sql.Literal(list(bounds)),
            sql.SQL(f"{kind}[]"),
        )

    def batches(self, spans: Sequence[Span], total: int) -> Iterator[Batch]:
        where = self._where(spans) if len(spans) <= _FEW_SPANS else self._within(spans)
        return self._read(where, total)

    def _within(self, spans: Sequence[Span]) -> sql.Composed:
        """Many spans as one sorted list of ends: a key after an odd number of ends is inside."""
        ends = [end for span in spans for end in span if end is not None]
        odd = 1 if spans[0][0] is not None else 0
        return sql.SQL("WHERE {} % 2 = {}").format(self._bucket(ends), sql.Literal(odd))

    def _where(self, spans: Sequence[Span]) -> sql.Composed:
        conditions = []
        for low, high in spans:
            sides = [
                sql.SQL("{} {} {}").format(self._key, sql.SQL(sign), sql.Literal(bound))
                for sign, bound in ((">=", low), ("<", high))
                if bound is not None
            ]
            if not sides:
                return sql.Composed([])
            conditions.append(sql.SQL("({})").format(sql.SQL(" AND ").join(sides)))
        return sql.SQL("WHERE {}").format(sql.SQL(" OR ").join(conditions))
