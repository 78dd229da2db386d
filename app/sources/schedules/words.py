"""A cron expression in plain English, where it is simple enough to be said in one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_MOST_TIMES = 6
"""Times of day that are named one by one."""


def words(expression: str) -> str | None:
    """`30 6 * * mon-fri` → `at 06:30, Monday to Friday`; None for what is too involved.

    `expression` has five fields in lower case and is known to be valid.
    """
    minute, hour, day, month, weekday = expression.split()
    when = _when(minute, hour)
    weekdays = _names(weekday, _DAYS, first=0)
    months = _names(month, _MONTHS, first=1)
    days = _list(day, "day", "days")
    if when is None or weekdays is None or months is None or days is None:
        return None
    if weekdays and days:  # cron takes either of the two
        return None
    parts = [when]
    if weekdays:
        parts.append(weekdays)
    elif days:
        parts.append(f"on {days} of the month")
    elif "every" not in when:
        parts.append("every day")
    if months:
        parts.append(f"in {months}")
    return ", ".join(parts)


def _when(minute: str, hour: str) -> str | None:
    minutes, hours = _numbers(minute), _numbers(hour)
    if minutes and hours and len(minutes) * len(hours) <= _MOST_TIMES:
        return "at " + _joined([f"{h:02}:{m:02}" for h in hours for m in minutes])
    if hour in ("*", "*/1"):
        if minute in ("*", "*/1"):
            return "every minute"
        if step := re.fullmatch(r"\*/(\d+)", minute):
            # 60 is no multiple of every step: the last gap of an hour is then shorter
            return f"every {step[1]} minutes" if 60 % max(int(step[1]), 1) == 0 else None
        if minutes:
            return f"at {_joined([f'{m:02}' for m in minutes])} minutes past every hour"
    step = re.fullmatch(r"\*/(\d+)", hour)
    if step and minutes and 24 % max(int(step[1]), 1) == 0:
        past = _joined([f"{m:02}" for m in minutes])
        return f"at {past} minutes past every {step[1]} hours from midnight"
    return None


def _numbers(text: str) -> list[int]:
    """The numbers of a list; empty for anything else."""
    if not re.fullmatch(r"\d+(,\d+)*", text):
        return []
    return sorted({int(part) for part in text.split(",")})


def _names(text: str, names: Sequence[str], *, first: int) -> str | None:
    """A field of names or numbers; empty for `*`, None for what is too involved."""
    if text in ("*", "?"):
        return ""
    found = []
    for part in text.split(","):
        ends = [_name(end, names, first) for end in part.split("-")]
        if len(ends) > 2 or None in ends:
            return None
        found.append(" to ".join(filter(None, ends)))
    return _joined(found)


def _name(text: str, names: Sequence[str], first: int) -> str | None:
    if text.isdigit():
        place = int(text) - first
        return names[place] if 0 <= place < len(names) else None
    return next((name for name in names if len(text) == 3 and name.lower().startswith(text)), None)


def _list(text: str, one: str, many: str) -> str | None:
    if text in ("*", "?"):
        return ""
    numbers = _numbers(text)
    if not numbers:
        return None
    return f"{one if len(numbers) == 1 else many} {_joined([str(n) for n in numbers])}"


def _joined(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
