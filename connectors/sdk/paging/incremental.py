"""Read only changes since the last run: track the highest value, and step back from it."""

from __future__ import annotations

import datetime
import re
import time
from decimal import Decimal
from typing import Any

from pydantic import Field

from connectors.sdk import canonical, redact
from connectors.sdk.config import ConfigModel
from connectors.sdk.counting import counted
from connectors.sdk.errors import DataError
from connectors.sdk.paths import at
from connectors.sdk.rows import JsonValue, RowData

_CURSOR = re.compile(r"\{\{\s*cursor\s*\}\}")
_BY_CHANCE = 3
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_DIGITS = re.compile(r"[+-]?\d+(\.\d+)?")
_TIME_NAME = re.compile(
    r"(?i)date|datum|time|tijd|stamp|modif|updat|chang|edit|creat|wijzig|mutat|since|seen|_at$|At$|_ts$"
)
"""Names of fields that contain times."""
_SKEW = datetime.timedelta(minutes=10)
"""How far two clocks may differ."""
_OTHER_END = datetime.timedelta(hours=26)


class IncrementalConfig(ConfigModel):
    """Read only rows changed since the last run.

    The source must return rows with ``field >= cursor``. `lag` goes back further, for rows that
    became visible late; reading a row twice is harmless.
    """

    field: str = Field(description="Path of the time (or increasing number) of a row's last change")
    param: str = Field(
        default="",
        description="Query parameter for the value; or use {{ cursor }} in query or body",
    )
    value: str = Field(default="{{ cursor }}", description="Format of the parameter")
    lag: float = Field(
        default=0, ge=0, description="Seconds to go back (for a number: amount to subtract)"
    )


def has_cursor(value: Any) -> bool:
    """Whether a setting contains ``{{ cursor }}``."""
    if isinstance(value, str):
        return _CURSOR.search(value) is not None
    if isinstance(value, dict):
        return any(has_cursor(member) for member in value.values())
    return isinstance(value, list) and any(has_cursor(member) for member in value)


def with_cursor(value: Any, cursor: str | None) -> Any:
    """A setting with the cursor filled in; members that need a missing cursor are removed."""
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
    """The highest value of a field in a read.

    Times later than `now` are ignored: a source asked for rows since 2062 would never return any.
    `now` is the source's clock if it reports it (Unix seconds), else ours.
    """

    def __init__(self, config: IncrementalConfig, start: JsonValue = None) -> None:
        self._field = config.field
        self._is_time = _TIME_NAME.search(config.field) is not None
        self.now = time.time()
        self.value: JsonValue = None
        self._before: Any = None
        self._falls = self._rises = 0
        self._order: Any = None
        self._ahead: list[str] = []
        self._strange: list[str] = []
        if start is not None and not self._is_ahead(order := _order(start, config.field), start):
            self.value, self._order = start, order

    @property
    def in_order(self) -> bool:
        """Whether rows came in ascending order, so that no lower value is still to come.

        A few rows may be in order by chance, so more than three steps are required.
        """
        return self._falls == 0 and self._rises > _BY_CHANCE

    def see(self, row: RowData, position: str) -> None:
        """Process one row. A row without a value is ignored."""
        value = at(row, self._field)
        if not isinstance(value, (str, int, float, Decimal)) or value in ("", True, False):
            return
        try:
            order = _order(value, position)
        except DataError:
            order = None
        if order is None or (self._order is not None and type(order) is not type(self._order)):
            self._strange.append(f"{redact.shorten(repr(value), 40)} ({position})")
            return
        if self._is_ahead(order, value):
            self._ahead.append(f"{redact.shorten(str(value), 40)} ({position})")
            return
        if self._before is not None and type(order) is type(self._before):
            self._falls += order < self._before
            self._rises += order > self._before
        self._before = order
        if self._order is None or order > self._order:
            self._order = order
            self.value = value if not isinstance(value, Decimal) else str(value)

    def _is_ahead(self, order: Any, value: JsonValue) -> bool:
        """Whether a value is a time in the future.

        Numbers are times only in a field whose name suggests it: Unix time, or a date written as
        a number.
        """
        now = datetime.datetime.fromtimestamp(self.now, datetime.UTC)
        if isinstance(order, datetime.datetime):
            # a time without a timezone, or a date alone, may be that of any timezone
            aware = datetime.datetime.fromisoformat(str(value)).tzinfo is not None
            return order > now + (_SKEW if aware else _OTHER_END)
        if not self._is_time:
            return False
        for low, high, limit in (
            (10**9, 10**10, Decimal(self.now) + int(_SKEW.total_seconds())),
            (10**12, 10**13, Decimal(self.now + _SKEW.total_seconds()) * 1000),
            (19000101, 99991232, Decimal((now + _OTHER_END).strftime("%Y%m%d"))),
            (
                19000101 * 10**6,
                99991232 * 10**6,
                Decimal((now + _OTHER_END).strftime("%Y%m%d%H%M%S")),
            ),
        ):
            if low <= order < high:
                return bool(order > limit)
        return False

    def warnings(self) -> list[str]:
        """What was ignored. Raises DataError if there was nothing else."""
        if self._strange and self._order is None:
            raise DataError(
                f"{self._field} is neither a time (ISO 8601) nor a number: {self._strange[0]}",
                hint="Set incremental.field to the field with the time of the last change",
            )
        found = []
        if self._ahead:
            found.append(
                f"{self._field} is in the future in {counted(len(self._ahead), 'row')}, such as "
                f"{self._ahead[0]}; the cursor stays below it, so that later changes are found"
            )
        if self._strange:
            found.append(
                f"{self._field} has another type in "
                f"{counted(len(self._strange), 'row')}, such as "
                f"{self._strange[0]}; they were ignored for the cursor"
            )
        return found


def _order(value: JsonValue, where: str) -> Any:
    """A comparable form of a value: a Decimal or a UTC time. Raises DataError.

    Digits are a number, even if they could be a date: 20231231 is next to 20231232.
    """
    if isinstance(value, (int, float, Decimal)):
        value = str(value)
    text = str(value)
    if not _DIGITS.fullmatch(text):
        try:
            return _moment(text)
        except (ValueError, OverflowError):
            pass
    try:
        number = Decimal(text)
        canonical.number(number)
    except (ArithmeticError, ValueError):
        raise DataError(
            f"{text[:40]!r} is neither a time (ISO 8601) nor a number",
            where=where,
            hint="Set incremental.field to the field with the time of the last change",
        ) from None
    return number


def _moment(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=datetime.UTC)
    return moment.astimezone(datetime.UTC)


def step_back(value: JsonValue, lag: float) -> str:
    """The cursor to send: `lag` before `value`, in the source's format."""
    order = _order(value, "the stored cursor")
    if not lag:
        return str(value)
    if isinstance(order, Decimal):
        return f"{canonical.number(order - Decimal(str(lag)))}"
    text = str(value)
    try:
        if _DAY.fullmatch(text):
            days = -(-lag // 86400)
            return (datetime.date.fromisoformat(text) - datetime.timedelta(days=days)).isoformat()
        earlier = datetime.datetime.fromisoformat(text) - datetime.timedelta(seconds=lag)
    except OverflowError:  # before the year 1
        return text
    written = earlier.isoformat(sep="T" if "T" in text else " ")
    return written.replace("+00:00", "Z") if text.endswith("Z") else written
