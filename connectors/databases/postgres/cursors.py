"""A cursor column of PostgreSQL: at or above a value, compared in its own type."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from psycopg import sql

from connectors.databases.moments import less
from connectors.databases.reader import Since
from connectors.sdk.errors import ConfigurationError

_LOWEST = {"int2": -(2**15), "int4": -(2**31), "int8": -(2**63), "oid": 0}
_UNBOUNDED = frozenset({"date", "timestamp", "timestamptz"})
_NOT_A_NUMBER = frozenset({"numeric", "float4", "float8"})
_TEXTS = frozenset({"text", "varchar", "bpchar", "name", ""})
"""Types of extensions, such as citext, are not in pg_catalog."""


@dataclass(frozen=True, slots=True)
class PostgresCursor:
    """`kind`: name in pg_catalog ("" for others); `type_name`: as PostgreSQL writes it."""

    column: str
    kind: str
    type_name: str
    where: str

    @property
    def is_text(self) -> bool:
        return self.kind in _TEXTS

    def latest(self, source: sql.Composable, not_above: str | None, version: int) -> sql.Composed:
        """The highest comparable value, as text.

        The output has a different name, because ORDER BY prefers output names and would compare
        the texts.
        """
        name = sql.Identifier(self.column)
        usable = [sql.SQL("{} IS NOT NULL").format(name)]
        if self.kind in _UNBOUNDED:
            usable.append(sql.SQL("isfinite({})").format(name))
        elif self.kind in _NOT_A_NUMBER:  # NaN sorts last; before 14 a numeric was always finite
            infinite = self.kind != "numeric" or version >= 140000
            usable.append(sql.SQL("{} < 'Infinity'" if infinite else "{} < 'NaN'").format(name))
        if not_above is not None:
            usable.append(sql.SQL("{} <= {}").format(name, self._typed(not_above)))
        return sql.SQL(
            "SELECT {shown} AS openregister_cursor FROM {source} WHERE {usable}"
            " ORDER BY {name} DESC LIMIT 1"
        ).format(
            shown=sql.SQL("{}::numeric::text" if self.kind == "money" else "{}::text").format(name),
            source=source,
            usable=sql.SQL(" AND ").join(usable),
            name=name,
        )

    def longer_numbers(self, source: sql.Composable, digits: int) -> sql.Composed:
        """Whether any text is an integer with more digits."""
        return sql.SQL(
            "SELECT EXISTS (SELECT FROM {source} WHERE {name}::text ~ '^[0-9]+$'"
            " AND length({name}::text) > {digits})"
        ).format(source=source, name=sql.Identifier(self.column), digits=sql.Literal(digits))

    def condition(self, since: Since) -> sql.Composed:
        """WHERE for the rows at or above the value minus the lag.

        A row without a value may be new, so it is always read.
        """
        bound = self._less(since) if since.lag else self._typed(since.value)
        return sql.SQL("WHERE {name} >= {bound} OR {name} IS NULL").format(
            name=sql.Identifier(self.column), bound=bound
        )

    def without_order(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self.column} cannot be a cursor: PostgreSQL has no order for {self.type_name}",
            where=self.where,
            hint="Choose a column that increases with every change: a time, a number or a text",
        )

    def _typed(self, value: str) -> sql.Composable:
        kind = "numeric::money" if self.kind == "money" else self.type_name
        # limits of the type would round or truncate: numeric(9,2), timestamp(0)
        if self.kind in ("numeric", "timestamp", "timestamptz", "interval"):
            kind = self.kind
        return sql.SQL("{}::{}").format(sql.Literal(value), _verbatim(kind))

    def _less(self, since: Since) -> sql.Composable:
        value, lag = since.value, since.lag
        days = int(lag.to_integral_value(ROUND_CEILING))
        if self.kind in _LOWEST:
            return self._typed(str(max(int(value) - days, _LOWEST[self.kind])))
        if self.kind in ("numeric", "money"):
            return self._typed(f"{Decimal(value) - lag:f}")
        if self.kind in ("float4", "float8"):
            below = math.nextafter(float(value) - float(lag), -math.inf)
            return sql.SQL("{}::float8").format(sql.Literal(repr(below)))
        if self.kind == "date":
            return sql.SQL("{} - {}").format(self._typed(value), sql.Literal(days))
        if self.kind in ("timestamp", "timestamptz", "interval"):
            return sql.SQL("{} - make_interval(secs => {})").format(
                self._typed(value), sql.Literal(lag)
            )
        if self.is_text and (text := less(value, lag)) is not None:
            return self._typed(text)
        raise ConfigurationError(
            f"A lag needs a number or a time, and {self.column} ({self.type_name}) is neither",
            where=self.where,
            hint="Remove lag, or choose another cursor column",
        )


def _verbatim(text: str) -> sql.SQL:
    """The server's name of a type, for use in a statement."""
    return sql.SQL(text)
