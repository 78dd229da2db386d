"""The one redactor: no secret leaves through a log line, an error, an audit row or a page."""

from __future__ import annotations

import re
import threading
from urllib.parse import quote

MASK = "***"

_known: set[str] = set()
_lock = threading.Lock()
_pattern: re.Pattern[str] | None = None

_SHAPES = (
    # user:password@ in any URL
    (
        re.compile(
            r"(?P<head>(?<![a-zA-Z0-9+.-])[a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s/:@]*:)[^\s/@]+(?=@)"
        ),
        rf"\g<head>{MASK}",
    ),
    (
        re.compile(
            r"(?i)(?P<head>\b(?:bearer|basic)\s+)(?!auth(?:entication|orization)\b)[A-Za-z0-9._~+/=-]{8,}"
        ),
        rf"\g<head>{MASK}",
    ),
    (
        re.compile(
            r"(?i)(?P<head>[?&](?:api[_-]?key|token|access_token|password|secret|sig|signature)=)[^&\s\"']+"
        ),
        rf"\g<head>{MASK}",
    ),
)


def remember(*secrets: str) -> None:
    """Register plain secrets that must never be shown.

    One of less than five characters is masked where it stands as a word: inside other words it
    would only mangle them.
    """
    global _pattern
    with _lock:
        before = len(_known)
        for secret in secrets:
            if secret:
                _known.update({secret, quote(secret, safe="")})
        if len(_known) != before:
            ordered = sorted(_known, key=len, reverse=True)
            _pattern = re.compile("|".join(_exactly(secret) for secret in ordered))


def _exactly(secret: str) -> str:
    escaped = re.escape(secret)
    return escaped if len(secret) > 4 else rf"(?<!\w){escaped}(?!\w)"


def redact(text: str) -> str:
    """`text` with every known secret and everything shaped like one masked.

    A NUL character, which no log line and no column can hold, is shown as its symbol.
    """
    text = text.replace("\0", "\N{SYMBOL FOR NULL}")
    if _pattern is not None:
        text = _pattern.sub(MASK, text)
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


def shorten(text: str, limit: int = 300) -> str:
    """A redacted one-line excerpt for an error message."""
    line = redact(" ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"
