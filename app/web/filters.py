"""Display formats of the pages: times, numbers, durations, JSON, in the current language."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from babel.dates import format_datetime, format_skeleton, format_timedelta
from babel.numbers import format_decimal
from jinja2 import Environment
from markupsafe import Markup, escape

from app.http.documents import dumps
from app.web import answers
from app.web.languages import current, gettext, ngettext
from app.web.readings import reading
from app.web.remedies import button
from app.wording import Wording
from connectors.sdk.message import Message

LONG_TEXT = 80
"""Characters of a value shown in a table cell; hovering shows all."""

DOTS = {
    "active": "good",
    "done": "good",
    "fresh": "good",
    "waiting": "good",
    "idle": "off",
    "partial": "warn",
    "held": "warn",
    "stale": "warn",
    "due": "busy",
    "queued": "busy",
    "running": "busy",
    "error": "bad",
    "failed": "bad",
    "crashed": "bad",
    "cancelled": "off",
    "released": "off",
    "disabled": "off",
    "create": "good",
    "restore": "good",
    "update": "busy",
    "delete": "bad",
    "deleted": "bad",
    "rejected": "bad",
    "unchanged": "off",
    "filtered": "off",
}
"""The colour of a state's dot, always shown with its name."""

CONDITIONS = {
    "healthy": ("good", gettext("Healthy")),
    "attention": ("warn", gettext("Needs attention")),
    "failing": ("bad", gettext("Failing")),
    "paused": ("off", gettext("Paused")),
    "never_run": ("off", gettext("Never run")),
}
"""The health of a source: the colour of its dot, and the words."""

FATES = {"leave": "unchanged", "filter": "filtered", "reject": "rejected"}
"""Names for preview rows that would not be written."""

STAGES = {
    "read": gettext("reading"),
    "filter": gettext("filtering"),
    "map": gettext("mapping"),
    "key": gettext("key"),
    "coerce": gettext("conversion"),
    "validate": gettext("validation"),
}
"""The stage at which a row was rejected, in words."""


def install(environment: Environment) -> None:
    """Give the templates these filters."""
    environment.filters |= {
        "ago": ago,
        "moment": moment,
        "day": day,
        "number": number,
        "translated": translated,
        "duration": duration,
        "reading": reading,
        "pretty": pretty,
        "cell": cell,
        "bytes": size,
    }
    environment.globals["dots"] = DOTS
    environment.globals["conditions"] = CONDITIONS
    environment.globals["button"] = button
    environment.globals["fates"] = FATES
    environment.globals["stages"] = STAGES


def translated(text: str) -> str:
    """A sentence of the application in the language in force."""
    return text.worded(IN_FORCE) if isinstance(text, Message) else gettext(text)


def ago(value: datetime | None) -> Markup | str:
    """A time as `3 minutes ago`, with the exact time on hover; a dash for none."""
    if value is None:
        return Markup('<span class="none">–</span>')
    elapsed = value - datetime.now(UTC)
    words = format_timedelta(elapsed, add_direction=True, locale=current(), threshold=1.2)
    if abs(elapsed.total_seconds()) < 5:
        words = gettext("just now")
    return _time(value, words)


def moment(value: datetime | str, zone: Any = UTC) -> Markup:
    """An exact time in a zone, as text."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    exact = format_datetime(at, "EEE d MMM y HH:mm:ss", tzinfo=zone, locale=current())
    return _time(at, exact)


def day(value: date) -> str:
    """`27 Nov`."""
    return format_skeleton("MMMd", value, locale=current())


def _time(value: datetime, words: str) -> Markup:
    exact = f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        value.astimezone(UTC).isoformat(), exact, words
    )


def number(value: float | None) -> str:
    """A number with the language's thousands separator; a dash for none."""
    return "–" if value is None else format_decimal(value, locale=current())


class _InForce(Wording):
    """The language of the current user."""

    def gettext(self, text: str) -> str:
        return gettext(text)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return ngettext(singular, plural, number)

    def number(self, value: int) -> str:
        return number(value)


IN_FORCE = _InForce()


def duration(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{format_decimal(round(seconds, 1), locale=current())} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left} min" if hours else f"{minutes} min {rest} s"


def size(value: int | None) -> str:
    """Bytes as MB."""
    return "–" if value is None else f"{format_decimal(round(value / 1e6, 1), locale=current())} MB"


def pretty(value: Any) -> str:
    """JSON to read, indented by two."""
    return answers.indented(answers.plain(value))


def cell(value: Any) -> Markup | str:
    """A JSON value in a table cell: short, with long ones shown on hover."""
    if value is None:
        return Markup('<span class="none">–</span>')
    if isinstance(value, (datetime, date)):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else dumps(value).decode()
    if len(text) <= LONG_TEXT:
        return escape(text)
    return Markup('<span title="{}">{}…</span>').format(text[:2000], text[:LONG_TEXT])
