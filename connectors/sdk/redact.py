"""The redactor: no secret may appear in a log line, error, audit entry or page."""

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

    A secret of fewer than five characters is masked only as a whole word, to avoid mangling
    other words.
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
    """`text` with all known secrets, and everything that looks like one, masked.

    A NUL character, which cannot be logged or stored, is replaced by its symbol.
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
