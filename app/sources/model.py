"""A source as defined, and as stored."""

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
    """The register and schema for rows, and the mapping document."""

    register_id: int
    schema_id: int
    mapping: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SourceDraft:
    """The complete definition of a source, without its state.

    `connection` contains no secrets; `secrets` are ``{dotted field: secret}``, and None keeps the
    stored ones.
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
    """Its connection was set up on the pages or through the API, so it is restricted."""


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
    """A stored source without its secrets."""

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
    changed_by: str
    """Who changed the definition last, at `updated`; empty if nobody said."""
    rejected: int
    """Rows in quarantine."""
    rejected_since: datetime | None
    """When the first of them was first rejected."""
    targets: tuple[SourceTarget, ...]

    @property
    def title(self) -> str:
        """What people call it."""
        return str(self.options.get("title") or self.name)


def to_document(source: Source) -> dict[str, Any]:
    """The source as a document for `manage.save`, without secrets."""
    document: dict[str, Any] = {
        "name": source.name,
        "type": source.type,
        "connection": source.connection,
    }
    places = [{"register": target.register, "schema": target.schema} for target in source.targets]
    if len(source.targets) == 1:
        document |= {"target": places[0], "mapping": source.targets[0].mapping}
    else:
        document["targets"] = [
            {**place, "mapping": target.mapping}
            for place, target in zip(places, source.targets, strict=True)
        ]
    document |= {
        "schedule": source.schedule,
        "timezone": source.timezone,
        "on_missing": source.on_missing,
        **source.options,
    }
    if not source.enabled:
        document["enabled"] = False
    return document
