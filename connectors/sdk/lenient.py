"""Parse JSON with values that cannot be stored, so that only their rows are rejected.

`canonical.loads`, which is faster, rejects the whole document for a lone surrogate, an invalid
byte, a number with a million digits or a thousand levels. This parser keeps such values, and
`fault` reports why a row cannot be stored.
"""

from __future__ import annotations

import json
import re
import uuid
from decimal import Decimal
from typing import Any

from connectors.sdk import canonical

_TOO_DEEP = f"too deep {uuid.uuid4()}"
"""Marks where a document was cut off; a sender cannot know it."""
_MARGIN = 100
"""Levels above the rows: documents are cut off far below `canonical.DEEPEST` of any row."""
_STRUCTURE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]', re.DOTALL)
_OPEN = b"{["

NOT_TEXT = "contains a lone surrogate or an invalid byte, which is not valid text"


def loads(raw: bytes) -> Any:
    """Parse JSON in UTF-8. Raises ValueError for invalid JSON.

    Invalid bytes become lone surrogates, too long numbers become Decimals, and what is nested
    too deeply is cut off.
    """
    text = raw.decode("utf-8", "surrogateescape")
    try:
        return _loads(text)
    except RecursionError:
        cut = _cut_off(raw).decode("utf-8", "surrogateescape")
    try:
        return _loads(cut)
    except RecursionError:
        raise ValueError(canonical.TOO_DEEP) from None


def _loads(text: str) -> Any:
    return json.loads(
        text,
        parse_float=canonical.exact_float,
        parse_int=canonical.exact_int,
        parse_constant=Decimal,  # NaN and infinity, which `fault` reports
    )


def _cut_off(raw: bytes) -> bytes:
    """The document with a mark in place of everything nested too deeply."""
    pieces: list[bytes] = []
    depth = kept = 0
    limit = canonical.DEEPEST + _MARGIN
    for found in _STRUCTURE.finditer(raw):
        token = found[0]
        if len(token) > 1:
            continue
        if token in _OPEN:
            depth += 1
            if depth == limit:
                pieces += [raw[kept : found.start()], b'"%b"' % _TOO_DEEP.encode()]
        else:
            if depth == limit:
                kept = found.end()
            depth -= 1
    return b"".join([*pieces, raw[kept:]]) if depth < limit else raw


def fault(row: Any) -> tuple[str, str] | None:
    """The path of the first value that cannot be stored, and the reason; None if all can."""
    waiting: list[tuple[str, Any, int]] = [("", row, 1)]
    while waiting:
        path, item, depth = waiting.pop()
        kind = type(item)
        if kind is str:
            if item == _TOO_DEEP:
                return path.partition(".")[0], canonical.TOO_DEEP
            if not is_text(item):
                return path, NOT_TEXT
        elif kind is Decimal or kind is int or kind is float:
            try:
                canonical.value(item)
            except ValueError as error:
                return path, str(error)
        elif kind is dict or kind is list:
            if depth > canonical.DEEPEST:
                return path.partition(".")[0], canonical.TOO_DEEP
            members = item.items() if kind is dict else enumerate(item)
            for name, member in members:
                if isinstance(name, str) and not is_text(name):
                    return path, f"a field's name {NOT_TEXT}"
                below = f"{path}.{name}" if path else str(name)
                waiting.append((below, member, depth + 1))
    return None


def is_text(text: str) -> bool:
    """Whether this is text that can be stored, without lone surrogates."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_SHOWN_LEVELS = 8
_SHOWN_NUMBER = 100


def shown(item: Any, level: int = 0) -> Any:
    """A displayable form of a value that cannot be stored: JSON, with odd parts written out."""
    if isinstance(item, dict):
        if level >= _SHOWN_LEVELS:
            return "{…}"
        return {shown(str(name)): shown(member, level + 1) for name, member in item.items()}
    if isinstance(item, (list, tuple)):
        return "[…]" if level >= _SHOWN_LEVELS else [shown(each, level + 1) for each in item]
    if isinstance(item, str):
        if item == _TOO_DEEP:
            return "…"
        if not is_text(item):
            item = item.encode("utf-8", "backslashreplace").decode()
        return item.replace("\0", "\N{SYMBOL FOR NULL}")  # PostgreSQL cannot store it
    if item is None or isinstance(item, bool):
        return item
    try:
        return canonical.value(item)
    except ValueError:
        text = str(item) if not isinstance(item, int) else "a very long number"
        return text if len(text) <= _SHOWN_NUMBER else f"{text[:_SHOWN_NUMBER]}…"
