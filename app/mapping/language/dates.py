"""Dates and times as text: ISO 8601 as JSON Schema's formats want it, nothing guessed.

`date` is RFC 3339 full-date (``2024-01-31``), `date-time` is RFC 3339 date-time, which needs an
offset (``2024-01-31T10:00:00+01:00``). What is spelled so already stays as it is. Normal form of
anything else: capital T and Z, no zeros at the end of a fraction, ``Z`` for a zero offset. The
offset itself is kept; digits of a fraction are never cut.
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
"""Characters of a layout for dates."""


def zone(name: str) -> tzinfo:
    """The IANA time zone of that name. Raises ValueProblem."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueProblem(f"{name!r} is not a time zone such as Europe/Amsterdam") from error


def to_date(text: str) -> str:
    """A date in normal form; a time is accepted only where it is midnight, so nothing is lost.

    Raises ValueProblem. Whether the day exists is the validator's question.
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
        raise ValueProblem("is not an ISO date (2024-01-31); name its format in a cast") from None
    raise ValueProblem("has a time of day, which a date would lose")


def to_date_time(text: str) -> str:
    """A date-time: RFC 3339 as it is spelled, any other in normal form.

    Raises ValueProblem without an offset: a zone is not guessed.
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
            "is not an ISO date and time (2024-01-31T10:00:00Z); name its format in a cast"
        ) from None
    if moment.tzinfo is None:
        raise ValueProblem("has no time zone; name one in a cast: {type: datetime, zone: …}")
    return iso(moment)


def iso(moment: datetime) -> str:
    """A datetime that has a zone, in normal form."""
    text = moment.isoformat()
    if "." in text:
        text = re.sub(r"\.(\d*?)0+(?=[+-])", r".\1", text)
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def read(value: object, layout: str | None, where: tzinfo | None) -> datetime:
    """Read a moment: ISO text, text after a strptime layout, or ``unix``/``unix_ms`` numbers.

    A moment without an offset is taken to be in `where`; it stays without a zone if there is
    none. Raises ValueProblem.
    """
    if layout in {"unix", "unix_ms"}:
        return _from_unix(value, 1000 if layout == "unix_ms" else 1, where)
    if layout is not None and len(layout) > LONGEST_LAYOUT:
        raise ValueProblem(f"the format is longer than {LONGEST_LAYOUT} characters")
    if not isinstance(value, str):
        raise ValueProblem("is not text; for numbers the format is unix or unix_ms")
    text = value.strip()
    try:
        moment = (
            datetime.strptime(text, layout)  # noqa: DTZ007 - the zone comes below, if any
            if layout
            else datetime.fromisoformat(text)
        )
    except re.error:  # strptime makes a pattern of the layout
        raise ValueProblem(f"{layout!r} names a part of the date twice") from None
    except ValueError:
        expected = f"after the format {layout}" if layout else "in ISO form (2024-01-31)"
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
