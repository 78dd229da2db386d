"""Rows as JSON texts, decoded on demand, with the reason if that fails."""

from __future__ import annotations

import json
from collections.abc import Sequence

from connectors.formats import base
from connectors.formats.texts.source import TOO_LONG
from connectors.sdk import (
    JsonValue,
    LineBatch,
    Row,
    RowDecodeError,
    RowProblem,
    canonical,
    redact,
)

_LONGEST_INTEGER = 100


def batch(
    texts: Sequence[bytes],
    places: Sequence[int],
    *,
    name: str,
    noun: str,
    key: Sequence[str],
    problems: Sequence[RowProblem] = (),
    max_row: int = 0,
) -> LineBatch:
    """A batch of JSON texts; `places` are their numbers, `noun` is their name ("line")."""

    def decode(text: bytes, index: int) -> Row:
        position = base.at(name, f"{noun} {places[index]}")
        try:
            data = canonical.parse(text)
        except ValueError as error:
            cut = text.endswith(TOO_LONG)
            reason = base.too_large(max_row) if cut else _reason(error, text)
            text = text.removesuffix(TOO_LONG)
        else:
            if isinstance(data, dict):
                return Row(data, position)
            raise RowDecodeError(not_an_object(text, position, noun))
        shown: JsonValue = {noun: redact.shorten(text.decode(errors="replace"))}
        message = f"This {noun} {reason}"
        raise RowDecodeError(base.problem(position, message, shown, key=certain_key(text, key)))

    return LineBatch(lines=texts, decode=decode, problems=problems)


def not_an_object(text: bytes, position: str, noun: str) -> RowProblem:
    """The problem of a JSON text that is not an object."""
    kinds = {b"[": "an array", b'"': "text", b"t": "a boolean", b"f": "a boolean", b"n": "null"}
    kind = kinds.get(text[:1], "a number")
    shown: JsonValue = {noun: redact.shorten(text.decode(errors="replace"))}
    return base.problem(position, f"This {noun} is not an object but {kind}", shown)


def _reason(error: ValueError, raw: bytes) -> str:
    text = str(error)
    try:
        raw.decode()
    except UnicodeDecodeError as invalid:
        return f"is not valid UTF-8 (byte {invalid.start + 1})"
    if "surrogate" in text:
        return "contains a lone surrogate, which is not valid text (RFC 8259, section 8.2)"
    if text == canonical.TOO_DEEP or any(word in text for word in ("ecursion", "nested", "depth")):
        return f"is nested more than {canonical.DEEPEST} levels deep"
    if text == canonical.TOO_LONG:
        return f"cannot be used: {text[0].lower()}{text[1:]}"
    return f"is not valid JSON: {redact.shorten(text, 160)}"


def certain_key(text: bytes, fields: Sequence[str]) -> str | None:
    """The key of an invalid JSON text, if it can be read anyway."""
    if not fields:
        return None
    try:
        decoded = text.decode(errors="surrogateescape")
        data = json.loads(decoded, parse_float=lambda _: None, parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    parts = [_part(data.get(field)) for field in fields]
    return parts[0] if len(parts) == 1 else canonical.join_key(parts)


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) < _LONGEST_INTEGER else None


def _part(value: object) -> str | None:
    part = canonical.key_part(value)
    if part is not None:
        try:
            part.encode()
        except UnicodeEncodeError:  # a lone surrogate in the key
            return None
    return part
