"""Secrets by reference: `env:NAME` and `file:PATH`, for people on the host only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from app.errors import ConfigurationError


def resolve(secrets: Mapping[str, str]) -> dict[str, str]:
    """The secrets with references replaced. Raises ConfigurationError naming each that fails."""
    faults: dict[str, str] = {}
    resolved = {}
    for field, value in secrets.items():
        try:
            resolved[field] = lookup(value)
        except LookupError as error:
            faults[field] = str(error.args[0])
    if faults:
        raise ConfigurationError("A secret cannot be looked up", faults=faults)
    return resolved


def lookup(value: str) -> str:
    """One value; what is no reference comes back as it is. Raises LookupError."""
    kind, colon, name = value.partition(":")
    if colon and kind == "env":
        found = os.environ.get(name)
        if found is None:
            raise LookupError(f"the environment has no variable {name}")
        return found
    if colon and kind == "file":
        try:
            return Path(name).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise LookupError(f"file {name} cannot be read: {error}") from None
    return value
