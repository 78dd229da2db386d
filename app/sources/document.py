"""A source as a document, for `source:import`, `source:export` and forms."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from app.mapping.spec import MappingSpec
from app.sources.schedules import schedule as schedules
from app.sources.schedules.spans import span_seconds as span_seconds
from connectors.sdk import ConfigurationError, OpenRegisterError
from connectors.sdk.config import faults


class DriftPolicy(StrEnum):
    """What a run does about drift."""

    IGNORE = "ignore"
    WARN = "warn"
    """Report it with the run and continue."""
    HOLD = "hold"
    """Stop before anything is written, until a user accepts the new fields."""


class OnMissing(StrEnum):
    """What happens to an object whose row is missing from the source."""

    KEEP = "keep"
    DELETE = "delete"


_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


JUDGED_AFTER = 1000
"""Rows after which a run may be stopped because too many failed."""


class _Document(BaseModel):
    # built on first use: a command needs few of the models it imports
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True
    )


class TargetPlace(_Document):
    """A register and one of its schemas, by slug."""

    register_: str = Field(alias="register")
    schema_: str = Field(alias="schema")


class TargetDocument(TargetPlace):
    """One of several targets, with its own mapping."""

    mapping: MappingSpec = Field(default_factory=MappingSpec)


class SourceOptions(_Document):
    """Settings of a source; the others follow the instance's settings."""

    title: Annotated[str, Field(max_length=200)] = Field(
        default="", description="Name to display; default: the name of the source"
    )
    batch_size: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="Rows per transaction; default: the setting `source.batch_size`"
    )
    lanes: Annotated[int, Field(ge=1, le=8)] = Field(
        default=2, description="Transactions at the same time, 1 to 8"
    )
    delete_guard: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="Share of its objects a run may delete without approval; "
        "default: `source.delete_guard_share`",
    )
    delete_guard_count: Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        description="Objects that a run may always delete, whatever their share; "
        "default: `source.delete_guard_count`",
    )
    error_share: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="Share of the rows that may fail before a run stops, checked after "
        f"{JUDGED_AFTER:,} rows; default: a run stops if all of the first {JUDGED_AFTER:,} fail",
    )
    drift: DriftPolicy = Field(
        default=DriftPolicy.WARN, description="What to do if the fields of the source change"
    )
    fresh_within: str | None = Field(
        default=None,
        description="Maximum age of the data (`6 hours`); older data raises an alert",
    )
    full_every: str | None = Field(
        default=None,
        description="Read everything again after this time (`7 days`), even if only changes "
        "are read normally",
    )
    local_fields: tuple[str, ...] = Field(
        default=(), description="Properties that users may edit here and a sync does not change"
    )

    @field_validator("lanes", "drift", mode="before")
    @classmethod
    def _default_for_null(cls, value: object, info: ValidationInfo) -> object:
        return cls.model_fields[str(info.field_name)].default if value is None else value

    @field_validator("fresh_within", "full_every")
    @classmethod
    def _is_span(cls, value: str | None) -> str | None:
        if value is not None:
            span_seconds(value)
        return value


class SourceDocument(SourceOptions):
    """The whole document. `target` + `mapping` is short for one entry of `targets`."""

    name: str
    type: str
    connection: dict[str, Any] = Field(default_factory=dict)
    target: TargetPlace | None = None
    targets: tuple[TargetDocument, ...] = ()
    mapping: MappingSpec | None = None
    schedule: str = "manual"
    timezone: str = "UTC"
    on_missing: OnMissing = OnMissing.KEEP
    enabled: bool = True
    version: Literal[1] = 1

    @field_validator("name")
    @classmethod
    def _is_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("use lower case letters, digits, - and _")
        return value

    @model_validator(mode="after")
    def _targets_agree(self) -> Self:
        if (self.target is None) == (not self.targets):
            raise ValueError("set either `target` (with `mapping`) or `targets`")
        if self.targets and self.mapping is not None:
            raise ValueError("with `targets`, every target needs its own `mapping`")
        if self.on_missing is OnMissing.DELETE and not all(t.mapping.key for t in self.places()):
            raise ValueError(
                "`on_missing: delete` needs a key, without which rows cannot be recognised"
            )
        return self

    @model_validator(mode="after")
    def _schedule_parses(self) -> Self:
        try:
            schedules.parse(self.schedule, self.timezone)
        except OpenRegisterError as error:
            raise ValueError(str(error)) from None
        return self

    def places(self) -> tuple[TargetDocument, ...]:
        """Every target with its mapping, in either notation."""
        if self.target is None:
            return self.targets
        return (
            TargetDocument(
                register=self.target.register_,
                schema=self.target.schema_,
                mapping=self.mapping or MappingSpec(),
            ),
        )

    def options(self) -> dict[str, Any]:
        """The part described by `SourceOptions`, without missing values."""
        own = SourceOptions.model_fields
        return self.model_dump(mode="json", include=set(own), exclude_defaults=True)


def parse(document: dict[str, Any], *, where: str = "") -> SourceDocument:
    """Validate a document. Raises ConfigurationError that lists every invalid field."""
    try:
        return SourceDocument.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(
            "The source document is not valid", where=where, faults=faults(error, "(document)")
        ) from None
