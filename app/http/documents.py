"""JSON representations of results, shared by the API and by scripts that read the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from connectors.sdk import canonical


def plain(value: Any) -> Any:
    """Times in UTC, UUIDs as text, bytes in hex, dataclasses as objects; the rest unchanged."""
    match value:
        case datetime():
            return canonical.moment(value)
        case UUID():
            return str(value)
        case Enum():
            return value.value
        case bytes():
            return value.hex()
        case Mapping():
            return {str(name): plain(member) for name, member in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    return value


def dumps(document: Any) -> bytes:
    """JSON of what `plain` takes, numbers exact."""
    return canonical.dumps_in_order(plain(document))


moment = canonical.moment
