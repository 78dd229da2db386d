"""The values of SQLite as JSON: their types come from the values and the declared types."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from connectors.databases import convert
from connectors.databases.tuples import ConvertItem
from connectors.sdk import canonical
from connectors.sdk.rows import JsonValue


def converter(declared: str) -> ConvertItem:
    """The converter of a column; the declared type decides if the value is ambiguous."""
    kind = declared.partition("(")[0].strip().upper()
    from_text = {
        "DATETIME": _timestamp,
        "TIMESTAMP": _timestamp,
        "TIMESTAMPTZ": _utc,
        "TIMESTAMP WITH TIME ZONE": _utc,
        "TIME": _time,
        "JSON": convert.json,
        "JSONB": convert.json,
    }.get(kind)
    if kind in ("BOOLEAN", "BOOL"):
        return _boolean
    if from_text is None:
        return _value

    def refined(item: Any) -> JsonValue:
        value = _value(item)
        return from_text(value) if isinstance(value, str) else value

    return refined


def _value(item: Any) -> JsonValue:
    if isinstance(item, bytes):
        return base64.b64encode(item).decode("ascii")
    if isinstance(item, float):
        return canonical.number(item)
    if isinstance(item, str) and not item.isascii():
        try:
            item.encode()
        except UnicodeEncodeError:
            raise ValueError("The text is not UTF-8") from None
    value: JsonValue = item
    return value


def _boolean(item: Any) -> JsonValue:
    return bool(item) if isinstance(item, int) and item in (0, 1) else _value(item)


def _timestamp(text: str) -> str:
    """Text of a DATETIME column as ISO 8601; other text, which SQLite allows, is unchanged."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is None:
        return convert.timestamp(text) if len(text) > 10 else text
    return _utc(text)


def _utc(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return convert.utc(moment.isoformat())


def _time(text: str) -> str:
    try:
        return convert.time(text)
    except ValueError:
        return text
