"""Cells of a worksheet as JSON, in the canonical form of `connectors.sdk.canonical`.

A cell that cannot be read without changing its value is a `Bad` cell. Its row becomes a problem,
because an empty cell would clear an existing value.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import orjson

from connectors.sdk import canonical

BLANK = b'""'
TRUE, FALSE = b"true", b"false"


class Bad(NamedTuple):
    """An unreadable cell: its displayed value, and the reason."""

    shown: str
    message: str
    is_error: bool = False
    """Whether it is an error value of the spreadsheet (``#N/A``), which may be read as null."""


Cell: TypeAlias = "bytes | Bad"
Convert: TypeAlias = Callable[[bytes], Cell]


@dataclass(slots=True)
class Line:
    """One row of a sheet, counted from 0; `cells` begin in column A, as JSON."""

    row: int
    cells: list[bytes]
    bad: dict[int, Bad] = field(default_factory=dict)


class Refused(Exception):  # noqa: N818 (an answer, not an error of this process)
    """The workbook cannot be read: `kind` is the error class of `connectors.sdk` to raise."""

    def __init__(self, kind: str, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.kind, self.what, self.hint = kind, what, hint


DAMAGED_HINT = "Nothing was deleted; upload it again"


def damaged(reason: object = "") -> Refused:
    said = " ".join(str(reason).split())[:100]
    return Refused(
        "DataError",
        f"The workbook is damaged or incomplete{f' ({said})' if said else ''}",
        DAMAGED_HINT,
    )


def locked() -> Refused:
    return Refused(
        "AuthenticationError",
        "The workbook is password-protected",
        "Save a copy without a password",
    )


def no_workbook(what: str = "This is not a workbook") -> Refused:
    return Refused(
        "DataError",
        what,
        "Use xlsx, xlsm, xlsb, xls or ods; for text set format: csv",
    )


def text(value: str) -> bytes:
    return orjson.dumps(value)


def error(code: str) -> Bad:
    """A cell with an error value: ``#N/A``, ``#SPILL!``, ``Err:502`` or a future one."""
    return Bad(code, f"The cell contains the error {code}", is_error=True)


def no_result(formula: str) -> Bad:
    return Bad(
        formula,
        "The formula has no saved result; open the workbook in a spreadsheet program and save it",
    )


# Numbers

_PLAIN = re.compile(rb"-?(?:0|[1-9]\d{0,14})(?:\.\d{0,13}[1-9])?")
_WHOLE = re.compile(rb"-?\d+")
_EXACT_TO = 2**53
_DIGITS = 15
"""Significant digits of a spreadsheet number; further digits become zero."""


def number(value: bytes) -> Cell:
    """A number as written in the file.

    Above 2^53 a spreadsheet keeps 15 digits: an identifier with 19 digits is changed, and two may
    become equal. An integer that a program wrote with more digits is exact.
    """
    if len(value) <= 16 and _PLAIN.fullmatch(value) and value != b"-0":
        return value
    value = value.strip()
    if _WHOLE.fullmatch(value):
        if len(value) > canonical.LONGEST_NUMBER:
            return _no_number(value)
        whole = int(value)
        if abs(whole) >= _EXACT_TO and _significant(value) == _DIGITS:
            return _rounded(value)
        return b"%d" % whole
    try:
        found = float(value)
        if abs(found) >= _EXACT_TO and _significant(value) >= _DIGITS:
            return _rounded(value)
        return canonical.dumps(canonical.number(found))
    except ValueError:  # not a number, or infinite
        return _no_number(value)


def spelled(value: float) -> bytes:
    """The digits of a number stored in binary."""
    if type(value) is int:
        return b"%d" % value
    if value.is_integer() and abs(value) < _EXACT_TO:
        return b"%d" % value
    return repr(value).encode()


def _significant(value: bytes) -> int:
    digits = re.split(rb"[eE]", value)[0].lstrip(b"+-").replace(b".", b"")
    return len(digits.strip(b"0"))


def _rounded(value: bytes) -> Bad:
    return Bad(
        _shown(value),
        "A number of more than 15 digits, which spreadsheets round. Format the column as text",
    )


def _no_number(value: bytes) -> Bad:
    return Bad(_shown(value), "The cell does not contain a number")


def _shown(value: bytes) -> str:
    return value[:60].decode(errors="replace")


# Dates and durations

_BUILT_IN_DATES = frozenset({*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)})
_BUILT_IN_TIMES = frozenset({18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56})
_BUILT_IN_SPANS = frozenset({46})
_NOT_CODE = re.compile(r'"[^"]*"|\\.|_.|\*.')
_SPAN = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_BRACKETS = re.compile(r"\[[^\]]*\]")


def kind_of(format_id: int, code: str | None) -> str:
    """What a number format displays: ``number``, ``date``, ``time`` (of day) or ``span``.

    ECMA-376 part 1, section 18.8.30 (numFmts).
    """
    if code is None:
        if format_id in _BUILT_IN_SPANS:
            return "span"
        if format_id in _BUILT_IN_TIMES:
            return "time"
        return "date" if format_id in _BUILT_IN_DATES else "number"
    first = _NOT_CODE.sub("", code).split(";")[0]
    if _SPAN.search(first):
        return "span"
    letters = set(_BRACKETS.sub("", first).lower().replace("general", "").replace("am/pm", ""))
    if letters & {"y", "d"}:
        return "date"
    if letters & {"h", "s"}:
        return "time"
    return "date" if "m" in letters else "number"


def converter(kind: str, *, from_1904: bool) -> Convert:
    """The function that converts the number in a cell to its value."""
    if kind == "number":
        return number
    if kind == "span":
        return functools.lru_cache(4096)(_span)
    return functools.lru_cache(65536)(
        functools.partial(_moment, is_time=kind == "time", from_1904=from_1904)
    )


_DAY = 86_400_000  # milliseconds
_EPOCH = dt.datetime(1899, 12, 30)  # noqa: DTZ001 (cells have no zone)
_EPOCH_1904 = dt.datetime(1904, 1, 1)  # noqa: DTZ001


def _moment(value: bytes, *, is_time: bool, from_1904: bool) -> Cell:
    """ISO 8601 for a serial number; docs/connectors/excel.md covers days before March 1900."""
    try:
        serial = float(value)
        span = dt.timedelta(milliseconds=round(serial * _DAY))
    except (ValueError, OverflowError):
        return _no_date(value)
    if 0 <= serial < 1 and (is_time or (serial > 0 and not from_1904)):
        if span.days:  # the last half millisecond of the day
            span = dt.timedelta(milliseconds=_DAY - 1)
        return text((_EPOCH + span).time().isoformat())
    try:
        if from_1904:
            return moment(_EPOCH_1904 + span)
        if serial < 1 or 60 <= serial < 61:
            return _no_date(value)
        return moment(_EPOCH + span + dt.timedelta(days=serial < 60))
    except OverflowError:
        return _no_date(value)


def moment(value: dt.datetime) -> bytes:
    """A date if the time is exactly midnight: workbooks do not distinguish the two."""
    if value.time() == dt.time():
        return text(value.date().isoformat())
    return text(value.isoformat())


def _no_date(value: bytes) -> Bad:
    shown = _shown(value)
    return Bad(shown, f"The number {shown} is formatted as a date, but is not a valid date")


def _span(value: bytes) -> Cell:
    try:
        return text(duration(dt.timedelta(milliseconds=round(float(value) * _DAY))))
    except (ValueError, OverflowError):
        return Bad(_shown(value), "The cell does not contain a duration")


def duration(span: dt.timedelta) -> str:
    """ISO 8601 in hours, like spreadsheets: ``PT36H5M``."""
    seconds = span.total_seconds()
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [f"{hours}H" if hours else "", f"{minutes}M" if minutes else ""]
    parts.append(f"{rest:g}S" if rest or not any(parts) else "")
    return f"{sign}PT{''.join(parts)}"


_MIDNIGHT = re.compile(r"T00:00(:00(\.0+)?)?Z?$")


def iso(value: str) -> bytes:
    """A date written as text in the file."""
    return text(_MIDNIGHT.sub("", value.strip()))


def column(letters: str) -> int:
    """``A`` is 0, ``Z`` 25, ``AA`` 26."""
    found = 0
    for letter in letters.upper():
        found = found * 26 + ord(letter) - ord("A") + 1
    return found - 1
