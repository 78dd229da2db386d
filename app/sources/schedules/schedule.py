"""When a source is due: a written schedule in a time zone, and the moments it names.

The rule for clock changes, in the words the documentation uses:

- A moment that the clocks jump over (spring) comes at the first instant after the jump.
- A moment that comes twice (autumn) counts the first time only.
- `every N …`, `hourly` and cron expressions whose hour field is `*` follow elapsed time: they
  neither pause nor double in either change.

`every N minutes|hours` names the multiples of N since 1970 in UTC. Hosts so agree on them
without asking each other, and a host's own cron that looks every N minutes never finds a job
due a few seconds too late.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from app.sources.schedules.words import words
from connectors.sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from croniter import croniter

EXAMPLES = (
    "manual",
    "every 15 minutes",
    "every 2 hours",
    "hourly",
    "daily",
    "daily 03:30",
    "30 6 * * mon-fri",
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = timedelta(days=366)
_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}

_EVERY = re.compile(r"every\s+(?:(\d{1,6})\s+)?(minute|hour)s?")
_DAILY = re.compile(r"daily(?:\s+(?:at\s+)?(\d{1,2}):(\d{2}))?")
# croniter knows more letters (random and hashed fields), which would name other moments each time
_CRON_FIELD = re.compile(
    r"(?:[0-9*/,#?-]|l|sun|mon|tue|wed|thu|fri|sat"
    r"|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)+"
)

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "daily",
    "@midnight": "daily",
    "@hourly": "hourly",
}
"""Short names of Vixie's cron (crontab(5)); @reboot is not a time and not among them."""
_SECONDS = "seconds "
"""In front of six fields, the first of which is then the second: ``seconds 30 0 6 * * *``."""
_LONGEST_TEXT = 500

_Next = Callable[[datetime], datetime | None]


class ScheduleError(ConfigurationError):
    """A schedule or time zone that cannot be understood."""

    default_hint = "Write one of: " + ", ".join(f"'{example}'" for example in EXAMPLES)


@dataclass(frozen=True)
class Schedule:
    """A parsed schedule; two are equal when written alike in the same zone."""

    text: str
    timezone: str
    _words: str = field(compare=False, repr=False)
    _next: _Next = field(compare=False, repr=False)

    @property
    def manual(self) -> bool:
        """Whether it never names a moment."""
        return self.text == "manual"

    def next_after(self, moment: datetime) -> datetime | None:
        """The first moment, in UTC, strictly later than the aware `moment`; None when manual."""
        return self._next(moment.astimezone(UTC))

    def upcoming(self, count: int, after: datetime) -> list[datetime]:
        """The next `count` moments in the schedule's own zone; empty when manual."""
        zone = ZoneInfo(self.timezone)
        moments: list[datetime] = []
        moment = self.next_after(after)
        while moment is not None and len(moments) < count:
            moments.append(moment.astimezone(zone))
            moment = self.next_after(moment)
        return moments

    def describe(self) -> str:
        """The schedule in plain English, as `every day at 03:30, Europe/Amsterdam time`."""
        return self._words


@lru_cache(maxsize=4096)
def parse(text: str, timezone: str = "UTC") -> Schedule:
    """Read a schedule as written by a person. Raises `ScheduleError` with examples."""
    zone = _zone(timezone)
    if len(text) > _LONGEST_TEXT:
        raise ScheduleError(f"A schedule has {_LONGEST_TEXT} characters at most")
    written = " ".join(text.lower().split())
    written = _NICKNAMES.get(written, written)
    if written == "manual":
        return Schedule("manual", timezone, "only when started by hand", lambda _: None)
    if match := _EVERY.fullmatch(written):
        return _every(int(match[1] or 1), match[2], timezone, zone)
    if written == "hourly":
        return _every(1, "hour", timezone, zone)
    if match := _DAILY.fullmatch(written):
        return _daily(written, match[1], match[2], timezone, zone)
    return _cron(text, written, timezone, zone)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = available_timezones()
        folded = {zone.lower(): zone for zone in known}
        near = get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
        meant = f"; did you mean '{folded[near[0]]}'?" if near else ""
        raise ScheduleError(
            f"'{name}' is not a time zone{meant}",
            hint="Use a name of the IANA database, for example 'Europe/Amsterdam' or 'UTC'",
        ) from None


def _every(count: int, unit: str, timezone: str, zone: ZoneInfo) -> Schedule:
    step = count * _UNITS[unit]
    if not timedelta() < step <= _LONGEST:
        raise ScheduleError(f"'every {count} {unit}s' is out of range (1 minute to 366 days)")
    if step == _UNITS["hour"]:
        # the zone's own full hour, also where the offset from UTC is a broken one
        return Schedule(
            "hourly",
            timezone,
            "every hour, on the hour",
            lambda after: _by_elapsed_time("0 * * * *", zone, after),
        )
    words = f"every {unit}" if count == 1 else f"every {count} {unit}s"
    text = f"every {count} {unit}" + ("s" if count > 1 else "")
    return Schedule(
        text, timezone, words, lambda after: _EPOCH + ((after - _EPOCH) // step + 1) * step
    )


def _daily(
    written: str, hour: str | None, minute: str | None, timezone: str, zone: ZoneInfo
) -> Schedule:
    hours, minutes = int(hour or 0), int(minute or 0)
    if hours > 23 or minutes > 59:
        raise ScheduleError(f"'{written}' names no time of day (00:00 to 23:59)")
    clock = f"{hours:02}:{minutes:02}"
    return Schedule(
        "daily" if hour is None else f"daily {clock}",
        timezone,
        f"every day at {clock}, {timezone} time",
        lambda after: _by_the_clock(f"{minutes} {hours} * * *", zone, after),
    )


def _cron(text: str, expression: str, timezone: str, zone: ZoneInfo) -> Schedule:
    from croniter import CroniterBadDateError, CroniterError

    seconds = expression.startswith(_SECONDS)
    fields = expression.removeprefix(_SECONDS).split(" ")
    if not all(_CRON_FIELD.fullmatch(part) for part in fields):
        raise ScheduleError(f"'{text}' is not a schedule")
    if len(fields) == 6 and not seconds:
        raise ScheduleError(
            f"'{text}' has six fields: write '{_SECONDS}{expression}' if the first is the second"
        )
    if len(fields) != (6 if seconds else 5):
        raise ScheduleError(f"'{text}' is not a schedule")
    try:
        matches = _matches(expression, _EPOCH)
        matches.get_next(datetime)
    except CroniterBadDateError:
        raise ScheduleError(f"The cron expression '{text}' names a day that never comes") from None
    except (CroniterError, ValueError, KeyError, ArithmeticError, IndexError, TypeError):
        raise ScheduleError(
            f"'{text}' is not a cron expression: minute (0-59), hour (0-23), day (1-31), month "
            "(1-12 or jan-dec) and weekday (0-7 or sun-sat)"
        ) from None
    fallback = f"whenever '{expression}' matches the clock"
    next_moment = _by_elapsed_time if matches.expanded[1] == ["*"] else _by_the_clock
    said = words(" ".join(fields[-5:])) if not seconds or fields[0] == "0" else None
    return Schedule(
        expression,
        timezone,
        f"{said or fallback}, {timezone} time",
        lambda after: next_moment(expression, zone, after),
    )


def _by_the_clock(expression: str, zone: ZoneInfo, after: datetime) -> datetime:
    """The next wall-clock match; each happens once, whatever the clocks do."""
    matches = _matches(expression, after.astimezone(zone).replace(tzinfo=None))
    while True:
        moment = _instant(_advance(matches), zone)
        # an earlier match may have been moved by a jump to where we are already
        if moment > after:
            return moment


def _by_elapsed_time(expression: str, zone: ZoneInfo, after: datetime) -> datetime:
    """The next match while the offset stays; else look again from the change of the offset."""
    start, offset = after, _offset(after, zone)
    matches = _matches(expression, (start + offset).replace(tzinfo=None))
    while True:
        moment = _advance(matches).replace(tzinfo=UTC) - offset
        if _offset(moment, zone) == offset:
            return moment
        start = _change(start, moment, zone)
        offset = _offset(start, zone)
        inclusive = (start + offset - timedelta(seconds=1)).replace(tzinfo=None)
        matches = _matches(expression, inclusive)


def _matches(expression: str, start: datetime) -> croniter:
    from croniter import croniter  # takes time that schedules without a cron expression should not

    if expression.startswith(_SECONDS):
        return croniter(expression.removeprefix(_SECONDS), start, second_at_beginning=True)
    return croniter(expression, start)


def _advance(matches: croniter) -> datetime:
    moment: datetime = matches.get_next(datetime)
    return moment


def _instant(clock: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which clocks in `zone` show the naive `clock` or have jumped past it."""
    moment = clock.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == clock:
        return moment
    return _change(clock.replace(tzinfo=zone, fold=1).astimezone(UTC), moment, zone)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    # an aware moment in a ZoneInfo always has an offset; `or` satisfies the signature
    return moment.astimezone(zone).utcoffset() or timedelta()


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second in (before, after] from which the offset of `zone` is no longer `before`'s."""
    offset = _offset(before, zone)
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), zone) == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
