"""What a connector author imports.

A name is looked up in its module when it is first asked for: the redactor and the errors, which
every command needs, must not cost the import of everything else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.sdk.config import ConfigModel, ConnectorConfig
    from connectors.sdk.connector import (
        CheckResult,
        Connector,
        Context,
        FieldFact,
        Limits,
        MemoryState,
        Policy,
        SecretState,
    )
    from connectors.sdk.errors import (
        AccessDeniedError,
        AuthenticationError,
        ConfigurationError,
        ConnectorError,
        DataError,
        FatalError,
        LimitError,
        MissingError,
        OpenRegisterError,
        RetriableError,
        ThrottledError,
        TrustError,
        UnreachableError,
    )
    from connectors.sdk.rows import (
        Batch,
        Cursor,
        End,
        FieldError,
        JsonValue,
        KeyRange,
        LineBatch,
        Row,
        RowBatch,
        RowData,
        RowDecodeError,
        RowProblem,
        Stage,
    )

_MODULES = {
    "config": ("ConfigModel", "ConnectorConfig"),
    "connector": (
        "CheckResult",
        "Connector",
        "Context",
        "FieldFact",
        "Limits",
        "MemoryState",
        "Policy",
        "SecretState",
    ),
    "errors": (
        "AccessDeniedError",
        "AuthenticationError",
        "ConfigurationError",
        "ConnectorError",
        "DataError",
        "FatalError",
        "LimitError",
        "MissingError",
        "OpenRegisterError",
        "RetriableError",
        "ThrottledError",
        "TrustError",
        "UnreachableError",
    ),
    "rows": (
        "Batch",
        "Cursor",
        "End",
        "FieldError",
        "JsonValue",
        "KeyRange",
        "LineBatch",
        "Row",
        "RowBatch",
        "RowData",
        "RowDecodeError",
        "RowProblem",
        "Stage",
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "Batch",
    "CheckResult",
    "ConfigModel",
    "ConfigurationError",
    "Connector",
    "ConnectorConfig",
    "ConnectorError",
    "Context",
    "Cursor",
    "DataError",
    "End",
    "FatalError",
    "FieldError",
    "FieldFact",
    "JsonValue",
    "KeyRange",
    "LimitError",
    "Limits",
    "LineBatch",
    "MemoryState",
    "MissingError",
    "OpenRegisterError",
    "Policy",
    "RetriableError",
    "Row",
    "RowBatch",
    "RowData",
    "RowDecodeError",
    "RowProblem",
    "SecretState",
    "Stage",
    "ThrottledError",
    "TrustError",
    "UnreachableError",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
