"""The settings of a connector: one pydantic model from which everything else derives.

The CLI options, the web form, the JSON Schema of `source:types`, validation, redaction and the
split into public settings and encrypted secrets all come from the model's fields.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from connectors.sdk import cleartext
from connectors.sdk.errors import ConfigurationError
from connectors.sdk.wording import said

C = TypeVar("C", bound="ConnectorConfig")


class ConfigModel(BaseModel):
    """Base of every settings model and its nested models."""

    # built on first use: a command needs few of the models it imports
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True
    )


class ConnectorConfig(ConfigModel):
    """Base of a connector's `Config`. Mark secrets as `SecretStr`; nest with `ConfigModel`."""

    @classmethod
    def tidied(cls, document: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """A connection document as it should be stored, and messages for the user.

        A connector moves secrets out of unencrypted settings here, if it can.
        """
        return document, cleartext.in_url(document)


def faults(error: ValidationError, whole: str) -> dict[str, str]:
    """Errors by dotted path, without class names; `whole` stands for the document itself."""
    return {
        ".".join(part for part in map(str, fault["loc"]) if "[" not in part) or whole: said(
            fault["type"], fault.get("ctx")
        )
        for fault in error.errors(include_input=False, include_url=False)
    }


def parse(model: type[C], document: dict[str, Any], *, where: str = "") -> C:
    """Validate a connection document. Raises ConfigurationError that lists every invalid field."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(
            "The connection settings are not valid",
            where=where,
            faults=faults(error, "(connection)"),
            hint="`openregister source:types TYPE` lists all fields",
        ) from None


def secrets_of(config: BaseModel, prefix: str = "") -> dict[str, str]:
    """Every secret of a parsed config as ``{dotted path: plain value}``."""
    found: dict[str, str] = {}

    def walk(node: Any, path: str) -> None:
        if isinstance(node, SecretStr):
            if node.get_secret_value():
                found[path] = node.get_secret_value()
        elif isinstance(node, BaseModel):
            for name in type(node).model_fields:
                walk(getattr(node, name), f"{path}.{name}" if path else name)
        elif isinstance(node, dict):
            for name, member in node.items():
                walk(member, f"{path}.{name}" if path else str(name))
        elif isinstance(node, (list, tuple)):
            for index, member in enumerate(node):
                walk(member, f"{path}.{index}" if path else str(index))

    walk(config, prefix)
    return found


def split(document: dict[str, Any], config: BaseModel) -> tuple[dict[str, Any], dict[str, str]]:
    """Split a connection document into public settings and ``{dotted path: secret}``."""
    secrets = secrets_of(config)

    def strip(node: Any, path: str) -> Any:
        if isinstance(node, dict):
            return {
                name: strip(member, f"{path}.{name}" if path else name)
                for name, member in node.items()
                if (f"{path}.{name}" if path else name) not in secrets
            }
        if isinstance(node, list):
            return [
                None if f"{path}.{i}" in secrets else strip(member, f"{path}.{i}")
                for i, member in enumerate(node)
            ]
        return node

    public: dict[str, Any] = strip(document, "")
    return public, secrets


def merge(public: dict[str, Any], secrets: dict[str, str]) -> dict[str, Any]:
    """The inverse of `split`: the whole document for `parse`."""
    import copy

    document = copy.deepcopy(public)
    for path, secret in secrets.items():
        node: Any = document
        *parents, last = path.split(".")
        for name in parents:
            node = node[int(name)] if isinstance(node, list) else node.setdefault(name, {})
        if isinstance(node, list):
            node[int(last)] = secret
        else:
            node[last] = secret
    return document
