"""A cursor column of MySQL and MariaDB: at or above a value, compared in its own type."""
# ruff: noqa: S608  (statements are built here: names are quoted, values escaped)

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from pymysql.constants import FIELD_TYPE

from connectors.databases.moments import less
from connectors.databases.mysql.types import INTEGERS, MOMENTS, quoted
from connectors.databases.reader import Since
from connectors.sdk.errors import ConfigurationError

_FLOATS = frozenset({FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE})
_WHOLE = INTEGERS | {FIELD_TYPE.BIT}
_DECIMALS = frozenset({FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL})
_DATES = MOMENTS | {FIELD_TYPE.DATE, FIELD_TYPE.NEWDATE}
_UNUSABLE = frozenset({FIELD_TYPE.JSON, FIELD_TYPE.GEOMETRY})


@dataclass(frozen=True, slots=True)
class MySQLCursor:
    """`numbered`: an ENUM or SET, which the server sorts by number and compares as text."""

    column: str
    kind: int
    numbered: bool
    escape: Callable[[str], str]
    where: str

    @property
    def is_text(self) -> bool:
        return self.kind == FIELD_TYPE.VAR_STRING and not self.numbered

    @property
    def _name(self) -> str:
        return quoted(self.column)

    @property
    def _compared(self) -> str:
        return f"{self._name} + 0" if self.numbered else self._name

    def latest(self, source: str, not_above: str | None) -> str:
        """The highest comparable value, as text that `condition` understands."""
        if self.kind in _UNUSABLE:
            raise ConfigurationError(
                f"{self.column} cannot be a cursor: JSON and geometries have no order",
                where=self.where,
                hint="Choose a column that increases with every change: a time, a number or a text",
            )
        usable = [f"{self._name} IS NOT NULL"]
        if self.kind in _DATES:  # a zero date is before all others
            usable.append(f"{self._name} >= '0001-01-01'")
        if not_above is not None:
            usable.append(f"{self._name} <= {self.escape(not_above)}")
        shown = f"CAST({self._compared} AS CHAR)"
        if self.kind in _FLOATS:  # a FLOAT is printed with six digits, which may be another number
            shown = f"CAST({self._name} + 0e0 AS CHAR)"
        elif self.kind == FIELD_TYPE.BLOB:
            shown = f"HEX({self._name})"
        elif self.kind in _WHOLE:
            shown = f"CAST({self._name} + 0 AS CHAR)"
        return (
            f"SELECT {shown} FROM {source} WHERE {' AND '.join(usable)}"
            f" ORDER BY {self._name} DESC LIMIT 1"
        )

    def longer_numbers(self, source: str, digits: int) -> str:
        """Whether any text is an integer with more digits: 1 or 0."""
        return (
            f"SELECT EXISTS (SELECT 1 FROM {source} WHERE {self._name} REGEXP '^[0-9]+$'"
            f" AND CHAR_LENGTH({self._name}) > {digits})"
        )

    def condition(self, since: Since) -> str:
        """WHERE for the rows at or above the value minus the lag.

        A row without a value may be new, so it is always read. If the bound would be before the
        server's first day, all rows are read.
        """
        bound = self._bound(since)
        return f"WHERE {self._compared} >= {bound} OR {bound} IS NULL OR {self._name} IS NULL"

    def _bound(self, since: Since) -> str:
        value, lag = since.value, since.lag
        days = int(lag.to_integral(ROUND_CEILING))
        if self.kind in _FLOATS:
            # one step lower: the text of a number may be that of its neighbour
            below = repr(math.nextafter(float(value) - float(lag), -math.inf))
            return below if "e" in below else f"{below}e0"
        if self.kind in _WHOLE or (self.numbered and not lag):
            return str(int(value) - days)
        if self.kind in _DECIMALS:
            return f"{Decimal(value) - lag:f}"
        if self.kind == FIELD_TYPE.BLOB and not lag:
            return f"0x{value}" if value else "''"
        literal = self.escape(value)
        if not lag:
            return literal
        if self.kind in MOMENTS:
            return f"DATE_SUB(CAST({literal} AS DATETIME(6)), INTERVAL {lag:f} SECOND)"
        if self.kind in _DATES:
            return f"DATE_SUB({literal}, INTERVAL {days} DAY)"
        if self.is_text and (text := less(value, lag)) is not None:
            return self.escape(text)
        raise ConfigurationError(
            f"A lag needs a number or a time, and {self.column} is neither",
            where=self.where,
            hint="Remove lag, or choose another cursor column",
        )
