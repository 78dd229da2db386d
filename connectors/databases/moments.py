"""Cursor values that are times or numbers in text: detect future values, subtract the lag."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

_MOMENT = re.compile(
    r"(?P<date>\d{4,}-\d\d-\d\d)"
    r"(?:(?P<sep>[T ])(?P<clock>\d\d:\d\d(?::\d\d(?:\.\d+)?)?)"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_DIGITS = re.compile(r"\d+", re.ASCII)

FAR = timedelta(days=1)
"""A value this far in the future is an error, not a difference of clocks or timezones."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The current time of the source without a timezone: in UTC, and in the server's own zone."""

    utc: datetime
    local: datetime

    def present(self, value: str, *, zoned: bool = False) -> str | None:
        """The current time in the form of `value`, if that is a time after it; else None.

        If the value has no timezone and is not `zoned` (in UTC), the later clock counts, because
        either may have produced it.
        """
        found = _MOMENT.fullmatch(value)
        if found is None:
            return None
        now = self.utc if zoned or found["zone"] else max(self.utc, self.local)
        zone = found["zone"] or ""
        if zone not in ("", "Z"):
            now += _offset(zone)
        text = now.isoformat(sep=found["sep"] or " ", timespec="microseconds") + zone
        text = text if found["sep"] else text[:10]
        beyond = len(found["date"]) > 10 or value[:19] > text[:19]
        return text if beyond else None


def is_far(value: str, present: str) -> bool:
    """Whether a value is so far in the future that it must be an error.

    Both as stored by a dialect: the time may be quoted or preceded by a word.
    """
    later, now = _MOMENT.search(value), _MOMENT.search(present)
    if later is None or now is None:  # seconds since 1970
        return True
    return len(later["date"]) > 10 or _date(later["date"]) - _date(now["date"]) > FAR


def is_number(text: str) -> bool:
    """Whether a text is just an integer."""
    return _DIGITS.fullmatch(text) is not None


def less(text: str, lag: Decimal) -> str | None:
    """A number or time in text, minus its lag, in the same form; None if it is neither.

    A number keeps its width, because texts are compared character by character.
    """
    if is_number(text):
        return f"{max(0, int(text) - int(lag.to_integral(ROUND_CEILING))):0{len(text)}d}"
    found = _MOMENT.fullmatch(text)
    if found is None or len(found["date"]) > 10:
        return None
    try:
        if not found["sep"]:
            return (_date(text) - timedelta(days=float(lag))).date().isoformat()
        moment = datetime.fromisoformat(text) - timedelta(seconds=float(lag))
    except (ValueError, OverflowError):  # before the first possible day
        return ""
    zone = found["zone"] or ""
    return moment.replace(tzinfo=None).isoformat(sep=found["sep"]) + zone


def _date(text: str) -> datetime:
    return datetime.fromisoformat(text[:10])


def _offset(zone: str) -> timedelta:
    digits = zone[1:].replace(":", "")
    span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return -span if zone[0] == "-" else span
