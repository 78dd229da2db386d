"""Dates and times as text: ISO 8601 in the formats of JSON Schema, without guessing.

`date` is RFC 3339 full-date (``2024-01-31``), `date-time` is RFC 3339 date-time, which requires an
offset (``2024-01-31T10:00:00+01:00``). Text in these formats is unchanged. Anything else is
normalised: capital T and Z, no trailing zeros in a fraction, ``Z`` for a zero offset. The offset
is kept, and digits of a fraction are never truncated.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from app.mapping.language.errors import ValueProblem

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATE_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<time>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?"
    r" ?(?P<offset>[Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_MIDNIGHT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]00:00(?::00(?:\.0+)?)? ?(?:[Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)

LONGEST_LAYOUT = 100
"""Maximum characters of a date layout."""


def zone(name: str) -> tzinfo:
    """The IANA time zone with that name. Raises ValueProblem."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueProblem(f"{name!r} is not a time zone such as Europe/Amsterdam") from error


def to_date(text: str) -> str:
    """A normalised date; a time is accepted only at midnight, so that nothing is lost.

    Raises ValueProblem. The validator checks whether the day exists.
    """
    if _DATE.fullmatch(text):
        return text
    stripped = text.strip()
    if _DATE.fullmatch(stripped):
        return stripped
    midnight = _MIDNIGHT.fullmatch(stripped)
    if midnight:
        return midnight[1]
    try:
        return date.fromisoformat(stripped).isoformat()
    except ValueError:
        pass
    try:
        datetime.fromisoformat(stripped)
    except ValueError:
        raise ValueProblem("is not an ISO date (2024-01-31); set its format in a cast") from None
    raise ValueProblem("has a time of day, which a date would lose")


def to_date_time(text: str) -> str:
    """A date-time: RFC 3339 unchanged, anything else normalised.

    Raises ValueProblem without an offset, because a timezone is never guessed.
    """
    if _RFC_3339.fullmatch(text):
        return text
    stripped = text.strip()
    exact = _DATE_TIME.fullmatch(stripped)
    if exact:
        fraction = (exact["fraction"] or "").rstrip("0")
        offset = exact["offset"].upper()
        return (
            f"{exact['date']}T{exact['time']}{'.' + fraction if fraction else ''}"
            f"{'Z' if offset in {'+00:00', '-00:00'} else offset}"
        )
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        raise ValueProblem(
            "is not an ISO date and time (2024-01-31T10:00:00Z); set its format in a cast"
        ) from None
    if moment.tzinfo is None:
        raise ValueProblem("has no time zone; set one in a cast: {type: datetime, zone: …}")
    return iso(moment)


def iso(moment: datetime) -> str:
    """A datetime with timezone, normalised."""
    text = moment.isoformat()
    if "." in text:
        text = re.sub(r"\.(\d*?)0+(?=[+-])", r".\1", text)
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def read(value: object, layout: str | None, where: tzinfo | None) -> datetime:
    """Parse a time: ISO text, text in a strptime layout, or ``unix``/``unix_ms`` numbers.

    A time without an offset is in `where`, or stays without timezone if that is None. Raises
    ValueProblem.
    """
    if layout in {"unix", "unix_ms"}:
        return _from_unix(value, 1000 if layout == "unix_ms" else 1, where)
    if layout is not None and len(layout) > LONGEST_LAYOUT:
        raise ValueProblem(f"the format is longer than {LONGEST_LAYOUT} characters")
    if not isinstance(value, str):
        raise ValueProblem("is not text; use the format unix or unix_ms for numbers")
    text = value.strip()
    try:
        moment = (
            datetime.strptime(text, layout)  # noqa: DTZ007 - the zone comes below, if any
            if layout
            else datetime.fromisoformat(text)
        )
    except re.error:  # strptime builds a pattern from the layout
        raise ValueProblem(f"{layout!r} contains a part of the date twice") from None
    except ValueError:
        expected = f"in the format {layout}" if layout else "in ISO format (2024-01-31)"
        raise ValueProblem(f"is not a date {expected}") from None
    if moment.tzinfo is None and where is not None:
        return moment.replace(tzinfo=where)
    return moment


def _from_unix(value: object, divisor: int, where: tzinfo | None) -> datetime:
    try:
        seconds = Decimal(str(value)) / divisor
        moment = datetime.fromtimestamp(float(seconds), UTC)
        return moment.astimezone(where) if where is not None else moment
    except (ArithmeticError, OverflowError, OSError, ValueError):
        raise ValueProblem("is not a number of seconds or milliseconds since 1970") from None
