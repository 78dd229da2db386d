"""The words for yes and no in filters, casts and deletion flags.

Text is read by its meaning (``"N"`` is no, ``"Ja"`` is yes), not by its presence. Any other word is
an error of its row: guessing would keep or delete the wrong rows.
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.sdk import redact

TRUE = frozenset(
    "true t yes y 1 on ja j waar oui si sí x wahr vrai vero verdadero sim".split()  # noqa: SIM905
)
FALSE = frozenset(
    "false f no n 0 off nee nein onwaar non falsch faux falso não nao".split()  # noqa: SIM905
)
"""In lower case: English, Dutch, German, French, Italian, Spanish and Portuguese, including the
booleans that spreadsheets write in those languages."""

_EARLIEST = 10**8
"""A smaller number (Unix seconds, 1973) is not a time."""
_MILLISECONDS = 10**11
_LATEST = 10**15
_DATE_OF_DOTNET = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/")
_NO_TIME = re.compile(r"0{4}-0{2}-0{2}|0001-01-01")
"""How MySQL, .NET and Go represent a missing time."""


class FlagError(ValueError):
    """A flag that is neither yes nor no; `path` is its field."""

    def __init__(self, path: str, value: Any, reason: str) -> None:
        super().__init__(f"{path} is {redact.shorten(repr(value), 60)}, which {reason}")
        self.path = path


def read(value: Any) -> bool:
    """Yes or no, including 1 and 0. Raises ValueError for everything else."""
    if type(value) is bool:
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in TRUE:
            return True
        if word in FALSE:
            return False
        if word in ("1.0", "0.0"):
            return word == "1.0"
    elif isinstance(value, (int, float, Decimal)) and value in (0, 1):
        return value == 1
    raise ValueError("is neither yes nor no")


def holds(value: Any) -> bool:
    """Whether a condition is true: `read` for text; null, blank, empty and 0 are false.

    Raises ValueError for text that is not a known word.
    """
    if not isinstance(value, str):
        return bool(value)
    return bool(value.strip()) and read(value)


def is_set(value: Any, now: datetime.datetime | None = None) -> bool:
    """Whether a flag such as ``deleted`` or a time such as ``deleted_at`` is set.

    Null, blank and empty are not set. A time is set once it has passed; the year 1, which
    programs write for a missing time, and future times are not set. Raises ValueError for
    anything else that is neither yes nor no.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return False
    if isinstance(value, (dict, list)):
        return bool(value)
    try:
        return read(value)
    except ValueError:
        moment = _moment(value)
        if moment is None:
            raise ValueError("is neither yes nor no, and not a time") from None
    return moment.year > 1 and moment <= (now or datetime.datetime.now(datetime.UTC))


def _moment(value: Any) -> datetime.datetime | None:
    """A time in ISO 8601, Unix seconds or milliseconds, or the old .NET format."""
    if isinstance(value, str):
        text = value.strip()
        if _NO_TIME.match(text):
            return datetime.datetime.min.replace(tzinfo=datetime.UTC)
        if found := _DATE_OF_DOTNET.fullmatch(text):
            return _unix(Decimal(found[1]) / 1000)
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    if not number.is_finite() or not _EARLIEST <= number.copy_abs() < _LATEST:
        return None
    return _unix(number / 1000 if abs(number) >= _MILLISECONDS else number)


def _unix(seconds: Decimal) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromtimestamp(float(seconds), datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return None
