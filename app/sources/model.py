"""A source as somebody wants it, and as it is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from connectors.sdk import JsonValue

Status = Literal["active", "disabled", "error"]
OnMissing = Literal["keep", "delete"]


@dataclass(frozen=True, slots=True)
class TargetDraft:
    """Where rows shall go, and the mapping document that makes objects of them."""

    register_id: int
    schema_id: int
    mapping: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SourceDraft:
    """A source as somebody wants it: the whole definition, without its state.

    `connection` holds no secrets; `secrets` are ``{dotted field: secret}``, and None keeps the
    ones that are stored.
    """

    name: str
    type: str
    connection: Mapping[str, JsonValue]
    targets: Sequence[TargetDraft]
    secrets: Mapping[str, str] | None = None
    schedule: str = "manual"
    timezone: str = "UTC"
    on_missing: OnMissing = "keep"
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    enabled: bool = True
    confined: bool = False
    """Its connection was set up in the pages or by the API, so it may not go everywhere."""


@dataclass(frozen=True, slots=True)
class SourceTarget:
    """Target number `target` of a source, with the slugs of its register and schema."""

    target: int
    register_id: int
    register: str
    schema_id: int
    schema: str
    mapping: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A source as it is stored, all but its secrets."""

    id: int
    name: str
    type: str
    connection: dict[str, Any]
    has_secrets: bool
    schedule: str
    timezone: str
    on_missing: OnMissing
    options: dict[str, Any]
    enabled: bool
    confined: bool
    status: Status
    status_reason: str | None
    failures: int
    cursor: dict[str, Any] | None
    cursor_fingerprint: bytes | None
    last_sync: datetime | None
    last_full: datetime | None
    last_run_id: int | None
    last_run_state: str | None
    created: datetime
    updated: datetime
    findings: dict[str, Any]
    rejected: int
    """Rows in quarantine."""
    rejected_since: datetime | None
    """When the first of them was rejected first."""
    targets: tuple[SourceTarget, ...]
