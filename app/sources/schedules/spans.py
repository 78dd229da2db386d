"""Spans of time as people write them: `6 hours`, `7 days`."""

from __future__ import annotations

import re

_SPAN = re.compile(r"(\d+)\s*(second|minute|hour|day|week)s?")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}


def span_seconds(text: str) -> int:
    """Seconds of ``"6 hours"``, ``"7 days"``… Raises ValueError with an example."""
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is not a span of time; write for example `6 hours` or `7 days`")
    return int(match[1]) * _SECONDS[match[2]]
