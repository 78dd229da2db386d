"""Reading what changed since the last time: the highest value seen, and a step back from it."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Any

from pydantic import Field

from connectors.sdk import canonical
from connectors.sdk.config import ConfigModel
from connectors.sdk.errors import DataError
from connectors.sdk.records import at
from connectors.sdk.rows import JsonValue, RowData

_CURSOR = re.compile(r"\{\{\s*cursor\s*\}\}")
_BY_CHANCE = 3
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class IncrementalConfig(ConfigModel):
    """Ask for rows changed since the last run only.

    The source must give rows with ``field >= cursor``. `lag` goes back a little further, for
    rows that became visible late; reading a row twice does no harm.
    """

    field: str = Field(description="Path of the time (or growing number) of a row's last change")
    param: str = Field(
        default="",
        description="Query parameter that takes it; or write {{ cursor }} in query or body",
    )
    value: str = Field(default="{{ cursor }}", description="How the parameter is written")
    lag: float = Field(
        default=0, ge=0, description="Seconds to go back (for a number: how much to subtract)"
    )


def has_cursor(value: Any) -> bool:
    """Whether a setting holds ``{{ cursor }}`` anywhere."""
    if isinstance(value, str):
        return _CURSOR.search(value) is not None
    if isinstance(value, dict):
        return any(has_cursor(member) for member in value.values())
    return isinstance(value, list) and any(has_cursor(member) for member in value)


def with_cursor(value: Any, cursor: str | None) -> Any:
    """A setting with the cursor filled in; members that need one are left out without one."""
    if isinstance(value, str):
        return value if cursor is None else _CURSOR.sub(lambda _: cursor, value)
    if isinstance(value, dict):
        return {
            name: with_cursor(member, cursor)
            for name, member in value.items()
            if cursor is not None or not has_cursor(member) or isinstance(member, (dict, list))
        }
    if isinstance(value, list):
        return [
            with_cursor(member, cursor)
            for member in value
            if cursor is not None or not has_cursor(member) or isinstance(member, (dict, list))
        ]
    return value


class HighWater:
    """The highest value of a field over a read."""

    def __init__(self, config: IncrementalConfig, start: JsonValue = None) -> None:
        self._field = config.field
        self.value: JsonValue = start
        self._before: Any = None
        self._falls = self._rises = 0
        self._order = None if start is None else _order(start, config.field)

    @property
    def in_order(self) -> bool:
        """The rows came by rising value, so that none below the highest is still to come.

        A few rows may stand in order by chance, which is why more than three steps are asked for.
        """
        return self._falls == 0 and self._rises > _BY_CHANCE

    def see(self, row: RowData, position: str) -> None:
        """Take one row into account. A row without a value does not count."""
        value = at(row, self._field)
        if not isinstance(value, (str, int, float, Decimal)) or value in ("", True, False):
            return
        order = _order(value, position)
        if self._order is not None and type(order) is not type(self._order):
            raise DataError(
                f"{self._field} is {value!r} here but another kind of value elsewhere",
                where=position,
                hint="incremental.field must hold times or numbers throughout",
            )
        if self._before is not None and type(order) is type(self._before):
            self._falls += order < self._before
            self._rises += order > self._before
        self._before = order
        if self._order is None or order > self._order:
            self._order = order
            self.value = value if not isinstance(value, Decimal) else str(value)


def _order(value: JsonValue, where: str) -> Any:
    """What values are compared by: a Decimal, a moment in UTC, or the text itself."""
    if isinstance(value, (int, float, Decimal)):
        return Decimal(str(value))
    text = str(value)
    try:
        return _moment(text)
    except ValueError:
        pass
    try:
        return Decimal(text)
    except ArithmeticError:
        raise DataError(
            f"{text[:40]!r} is neither a time (ISO 8601) nor a number",
            where=where,
            hint="Set incremental.field to the field that holds the time of the last change",
        ) from None


def _moment(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment


def step_back(value: JsonValue, lag: float) -> str:
    """The cursor to send: `lag` before `value`, written the way the source wrote it."""
    order = _order(value, "the stored cursor")
    if not lag:
        return str(value)
    if isinstance(order, Decimal):
        return f"{canonical.number(order - Decimal(str(lag)))}"
    text = str(value)
    if _DAY.fullmatch(text):
        days = -(-lag // 86400)
        return (datetime.date.fromisoformat(text) - datetime.timedelta(days=days)).isoformat()
    earlier = datetime.datetime.fromisoformat(text) - datetime.timedelta(seconds=lag)
    written = earlier.isoformat(sep="T" if "T" in text else " ")
    return written.replace("+00:00", "Z") if text.endswith("Z") else written
