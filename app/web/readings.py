"""Translate the description of a schedule, which is in English."""

from __future__ import annotations

import re

from babel.dates import get_day_names, get_month_names

from app.web.languages import current, gettext


def _(text: str) -> str:
    """Mark a text for the catalogues; it is translated when shown."""
    return text


def _some(item: str) -> str:
    """A pattern for one or more of them: `a`, `a and b`, `a, b and c`."""
    return f"{item}(?:, {item})*(?: and {item})?"


_NAMES = {
    str(name): (names, place)
    for names in (get_day_names, get_month_names)
    for place, name in names(locale="en").items()
}
_NAME = f"(?:{'|'.join(_NAMES)})"
_NUMBERS, _TIMES = _some(r"\d\d?"), _some(r"\d\d:\d\d")
_RANGES = _some(f"{_NAME}(?: to {_NAME})?")

_PHRASES = [
    (re.compile(f"(?:{pattern})(?:, |$)"), text)
    for pattern, text in (
        (r"(?P<zone>[\w/+-]+) time(?=$)", _("%(zone)s time")),
        ("only when started by hand", _("only when started by hand")),
        ("every hour, on the hour", _("every hour, on the hour")),
        ("every minute", _("every minute")),
        (r"every (?P<n>\d+) minutes", _("every %(n)s minutes")),
        (r"every (?P<n>\d+) hours", _("every %(n)s hours")),
        (r"every day at (?P<times>\d\d:\d\d)", _("every day at %(times)s")),
        ("every day", _("every day")),
        (f"at (?P<m>{_NUMBERS}) minutes past every hour", _("at %(m)s minutes past every hour")),
        (
            rf"at (?P<m>{_NUMBERS}) minutes past every (?P<n>\d+) hours from midnight",
            _("at %(m)s minutes past every %(n)s hours from midnight"),
        ),
        (f"at (?P<times>{_TIMES})", _("at %(times)s")),
        (f"on days? (?P<days>{_NUMBERS}) of the month", _("on day %(days)s of the month")),
        (f"in (?P<months>{_RANGES})", _("in %(months)s")),
        (f"(?P<days>{_RANGES})", _("on %(days)s")),
        (
            "whenever '(?P<cron>[^']*)' matches the clock",
            _("whenever '%(cron)s' matches the clock"),
        ),
    )
]


def reading(words: str) -> str:
    """The translated description of a schedule; unchanged if a phrase is unknown."""
    if current().language == "en":
        return words
    parts, place = [], 0
    while place < len(words):
        for pattern, text in _PHRASES:
            if match := pattern.match(words, place):
                found = {name: _translated(value) for name, value in match.groupdict().items()}
                parts.append(gettext(text) % found)
                place = match.end()
                break
        else:
            return words
    return ", ".join(parts)


def _translated(text: str) -> str:
    """A list of times, numbers or names."""
    text = re.sub(f" (and|to) (?=[0-9]|{_NAME})", lambda m: f" {gettext(m[1])} ", text)
    return re.sub(rf"\b{_NAME}\b", _name, text)


def _name(match: re.Match[str]) -> str:
    names, place = _NAMES[match[0]]
    return str(names(locale=current())[place])
