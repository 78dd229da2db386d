"""The `mapping` block of a source document, validated for its form only.

`app.mapping.compile` compiles it against a schema; `docs/mapping.md` documents it for users.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from connectors.sdk import ConfigModel, ConfigurationError
from connectors.sdk.config import faults

CastName: TypeAlias = Literal[
    "string", "integer", "number", "boolean", "date", "datetime", "json", "list"
]


class Cast(ConfigModel):
    """A requested conversion, which may do what coercion never guesses."""

    type: CastName
    format: str | None = Field(
        None, description="date, datetime: a strptime layout such as %d-%m-%Y, or unix, unix_ms"
    )
    zone: str | None = Field(None, description="datetime: time zone of times without an offset")
    decimal: Literal[".", ","] = Field(".", description="number, integer: the decimal sign")
    separator: str = Field(",", description="list: separator between the items", min_length=1)


class Lookup(ConfigModel):
    """A relation: the object of another schema whose property `by` has this value."""

    model_config = ConfigDict(populate_by_name=True)

    schema_slug: str = Field(alias="schema", description="Schema to search")
    register_slug: str | None = Field(
        None, alias="register", description="Its register; default: that of the source"
    )
    by: str = Field(description="Property of that schema to compare")
    take: str = Field("uuid", description="uuid, or a property of the object found")
    missing: Literal["error", "null"] = Field(
        "error", description="What to do with a value without an object"
    )


class FieldSpec(ConfigModel):
    """The origin of one target property: exactly one of path, template and constant."""

    path: str | None = None
    template: str | None = None
    constant: Any = None
    table: str | dict[str, Any] | None = Field(
        None, description="Translate the value with a table: its name in `tables`, or the table"
    )
    lookup: Lookup | None = None
    default: Any = Field(None, description="Value if the source value is missing or null")
    null_if: tuple[Any, ...] = Field((), description="Values that mean null")
    cast: CastName | Cast | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> FieldSpec:
        origins = self.model_fields_set & {"path", "template", "constant"}
        if len(origins) != 1:
            raise ValueError("set exactly one of path, template and constant")
        return self


class MappingSpec(ConfigModel):
    """The whole block. If it is empty, every field of the row is copied under its own name."""

    filter: str | dict[str, Any] | None = Field(
        None, description="Expression or JsonLogic document; only rows that match are synced"
    )
    key: tuple[str, ...] = Field(
        (), description="Target properties (or source paths) that identify a row"
    )
    fields: dict[str, str | FieldSpec] = Field(
        default_factory=dict, description="Target property: source path, template or more"
    )
    constants: dict[str, Any] = Field(default_factory=dict, description="Target property: value")
    passthrough: bool | None = Field(
        None, description="Start from all fields of the row; the default if no fields are mapped"
    )
    unset: tuple[str, ...] = Field((), description="Target properties to remove at the end")
    casts: dict[str, CastName | Cast] = Field(default_factory=dict)
    null_if: tuple[Any, ...] | dict[str, tuple[Any, ...]] = Field(
        (), description="Values that mean null: for every property, or by property"
    )
    tables: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Lookup tables by name, for map(…) and `table`"
    )

    @field_validator("key", "unset", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        if value is None:
            return ()
        return (value,) if isinstance(value, str) else value

    @field_validator("tables", mode="before")
    @classmethod
    def _text_keys(cls, value: Any) -> Any:
        # YAML parses the keys of {1: open, true: yes} as a number and a boolean
        if not isinstance(value, dict):
            return value
        return {
            name: {_key_text(key): result for key, result in table.items()}
            if isinstance(table, dict)
            else table
            for name, table in value.items()
        }

    @property
    def takes_everything(self) -> bool:
        """Whether the object starts from all fields of the row."""
        if self.passthrough is None:
            return not self.fields and not self.constants
        return self.passthrough


def _key_text(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


def parse_mapping(document: dict[str, Any], *, where: str = "") -> MappingSpec:
    """Parse a mapping block. Raises ConfigurationError that lists every invalid field."""
    try:
        return MappingSpec.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(
            "The mapping is not valid",
            where=where,
            faults=faults(error, "(mapping)"),
            hint="The mapping language is described in docs/mapping.md",
        ) from None
