"""What may be stored: the canonical form of an object, and why the database cannot hold one."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, TypeAlias

from connectors.sdk import FieldError, RowData, canonical

Stored: TypeAlias = tuple[bytes, bytes]
"""An object in its canonical form, and the SHA-256 of that (32 bytes); a bare tuple is quick."""


def stored(data: RowData) -> Stored | FieldError:
    """How an object is stored, or why it cannot be."""
    try:
        json = canonical.dumps(data)
    except (TypeError, ValueError, RecursionError):
        return _fault(data)
    if b"\\u0000" in json and (nul := _nul_fault(data, "")) is not None:
        return nul
    return json, sha256(json).digest()


def _fault(data: Any) -> FieldError:
    """Why an object cannot be written as JSON."""
    waiting: list[tuple[Any, str, int]] = [(data, "", 0)]
    while waiting:
        value, path, depth = waiting.pop()
        if depth >= canonical.DEEPEST:
            return FieldError(".".join(path.split(".")[:3]), canonical.TOO_DEEP)
        if isinstance(value, str) and not _encodable(value):
            return FieldError(path, "contains a lone surrogate, which is not valid text")
        if isinstance(value, dict):
            if not all(map(_encodable, value)):
                return FieldError(
                    path, "a field's name contains a lone surrogate, which is not valid text"
                )
            waiting += [(member, _below(path, name), depth + 1) for name, member in value.items()]
        elif isinstance(value, list):
            waiting += [(item, _below(path, str(at)), depth + 1) for at, item in enumerate(value)]
    return FieldError("", "cannot be written as JSON")


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _nul_fault(value: Any, path: str) -> FieldError | None:
    """The first text with a NUL character, which PostgreSQL's jsonb cannot store."""
    if isinstance(value, str):
        return (
            FieldError(path, "contains a NUL character, which cannot be stored")
            if "\0" in value
            else None
        )
    members: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        if any("\0" in name for name in value):
            return FieldError(path, "a field's name has a NUL character, which cannot be stored")
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    faults = (
        _nul_fault(member, f"{path}.{name}" if path else str(name)) for name, member in members
    )
    return next((fault for fault in faults if fault is not None), None)
