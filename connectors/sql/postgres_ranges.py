"""Digests of key ranges in PostgreSQL 14 and newer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, LiteralString

from psycopg import sql

from connectors.sdk.rows import Batch
from connectors.sql.ranges import Digest, Ranges, Span

OLDEST_SERVER = 140000
"""hash_record_extended came with PostgreSQL 14."""

_OTHER_SEED = 6364136223846793005
"""An odd number with about as many ones as zeros (Knuth's MMIX multiplier)."""

_FEW_SPANS = 16
"""So many are looked up by the key's index; more of them in one scan."""

_WHOLE_NUMBERS = frozenset({"int2", "int4", "int8"})
_TEXTS = frozenset({"text", "varchar", "uuid"})

_EXACT = frozenset({"bool", "int2", "int4", "oid", "float4", "float8", "numeric", "date", "uuid"})
"""Types whose own hash tells different values apart as well as 64 bits can."""

_BINARY: dict[str, LiteralString] = {
    "int8": "int8send({})",
    "timestamp": "timestamp_send({})",
    "timestamptz": "timestamptz_send({})",
    "time": "time_send({})",
    "timetz": "timetz_send({})",
    "interval": "interval_send({})",
    "bytea": "{}",
    "text": '{} COLLATE "C"',
    "varchar": '{} COLLATE "C"',
}
"""64-bit integers and times hash to 32 bits of difference only, an interval of a month like one of
thirty days, text by its collation: their bytes are hashed instead. Every other type by its text."""


class PostgresRanges(Ranges):
    """Ranges by `width_bucket` over the sorted lower bounds: one scan.

    The planner expects as many groups as there are rows and so sorts them all in one process; an
    aggregate without groups it gives to several, and those need no sort.
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
        # Bounds of a fixed width are found by binary search, text by walking along them.
        self.most = 256 if self._type in ("text", "varchar") else 1024
        self.layout = layout
        self._hashes = _sums(columns, [(name, types[name]) for name in key])
        by_bytes = self._type in ("text", "varchar")
        self._key = sql.SQL('{} COLLATE "C"' if by_bytes else "{}").format(sql.Identifier(field))

    @staticmethod
    def can(kind: str, encoding: str | None) -> bool:
        """Whether a column of this type, in a database of this encoding, can be cut into ranges.

        Bytes of text are in the order of its code points in UTF-8, in few other encodings.
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
        """Many spans as one sorted list of their ends: a key above an odd number is inside."""
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


def _sums(columns: Sequence[tuple[str, str]], key: Sequence[tuple[str, str]]) -> sql.Composed:
    """SQL for the number of rows and the two sums of their hashes.

    The hash of a record is a sum over its fields, and a sum of those over the rows would stay the
    same when two rows swapped a value. So each row is hashed with a seed of its own: its key.
    """
    row = sql.SQL(", ").join([_hashed(*column) for column in columns])
    if [kind in _WHOLE_NUMBERS for _, kind in key] == [True]:
        number = sql.SQL("{}::int8").format(sql.Identifier(key[0][0]))
        seeds = [number, sql.SQL("({} # {})").format(number, sql.Literal(_OTHER_SEED))]
    else:
        parts = sql.SQL(", ").join([_hashed(*column) for column in key])
        seed = sql.SQL("hash_record_extended(ROW({}), {})")
        seeds = [seed.format(parts, sql.Literal(number)) for number in (1, 2)]
    hashed = sql.SQL("coalesce(sum(hash_record_extended(ROW({}), {})), 0)")
    return sql.SQL(", ").join([sql.SQL("count(*)"), *(hashed.format(row, seed) for seed in seeds)])


def _hashed(name: str, kind: str) -> sql.Composed:
    column = sql.Identifier(name)
    if kind in _EXACT:
        return sql.SQL("{}").format(column)
    return sql.SQL(_BINARY.get(kind, '{}::text COLLATE "C"')).format(column)
