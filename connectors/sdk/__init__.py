"""The public interface for connector authors.

Names are imported from their modules on first use, because every command needs the redactor and
the errors and must not import everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.sdk.exports import lazily

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
    from connectors.sdk.findings import Findings
    from connectors.sdk.rows import (
        Batch,
        Cursor,
        End,
        FieldError,
        JsonValue,
        KeyRange,
        LineBatch,
        Proof,
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
    "findings": ("Findings",),
    "rows": (
        "Batch",
        "Cursor",
        "End",
        "FieldError",
        "JsonValue",
        "KeyRange",
        "LineBatch",
        "Proof",
        "Row",
        "RowBatch",
        "RowData",
        "RowDecodeError",
        "RowProblem",
        "Stage",
    ),
}

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
    "Findings",
    "JsonValue",
    "KeyRange",
    "LimitError",
    "Limits",
    "LineBatch",
    "MemoryState",
    "MissingError",
    "OpenRegisterError",
    "Policy",
    "Proof",
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

__getattr__ = lazily(__name__, _MODULES)
