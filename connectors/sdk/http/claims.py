"""Claims of tokens that we sign: values, and a few placeholders in texts.

This is not a template engine: claims are also created in the web process, which a language with
loops or text multiplication could block for ever.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.sdk import redact

_PLACEHOLDER = re.compile(
    r"\{\{\s*(?:(?P<now>now)(?:\s*(?P<sign>[+-])\s*(?P<seconds>[0-9]{1,9}))?"
    r"|(?P<uuid>uuid)|(?P<source>source))\s*\}\}"
)
_TEMPLATE = re.compile(r"\{[{%#]")
KNOWN = "{{ now }}, {{ now + 60 }}, {{ now - 60 }} (Unix seconds), {{ uuid }} and {{ source }}"


@dataclass(frozen=True, slots=True)
class Names:
    """The values of the placeholders."""

    now: int
    source: str


def check(claims: Mapping[str, Any]) -> None:
    """Raise ValueError naming the first claim that contains other placeholders."""
    for path, text in _texts(claims, ""):
        left = _PLACEHOLDER.sub("", text)
        if _TEMPLATE.search(left):
            raise ValueError(f"{path}: {redact.shorten(text, 60)!r} may contain only {KNOWN}")


def filled(claims: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """The claims with placeholders filled in; a text that is only a placeholder keeps its type."""
    return {name: _filled(value, names) for name, value in claims.items()}


def _filled(value: Any, names: Names) -> Any:
    if isinstance(value, dict):
        return filled(value, names)
    if isinstance(value, list):
        return [_filled(item, names) for item in value]
    if not isinstance(value, str):
        return value
    whole = _PLACEHOLDER.fullmatch(value.strip())
    if whole is not None:
        return _value(whole, names)
    return _PLACEHOLDER.sub(lambda found: str(_value(found, names)), value)


def _value(found: re.Match[str], names: Names) -> Any:
    if found["uuid"]:
        return str(uuid.uuid4())
    if found["source"]:
        return names.source
    seconds = int(found["seconds"] or 0)
    return names.now - seconds if found["sign"] == "-" else names.now + seconds


def _texts(value: Any, path: str) -> list[tuple[str, str]]:
    """Every text within a value, with its path."""
    if isinstance(value, str):
        return [(path, value)]
    members: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        members = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    return [
        text
        for name, member in members
        for text in _texts(member, f"{path}.{name}" if path else str(name))
    ]
