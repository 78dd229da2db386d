"""Secrets of a source being defined: given by reference, or kept from the stored source."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from app.application import Application
from app.errors import ConfigurationError, SecretKeyError
from app.sources import store
from app.sources.model import Source


def resolve(secrets: Mapping[str, str]) -> dict[str, str]:
    """The secrets with references resolved. Raises ConfigurationError listing each failure."""
    faults: dict[str, str] = {}
    resolved = {}
    for name, value in secrets.items():
        try:
            resolved[name] = lookup(value)
        except LookupError as error:
            faults[name] = str(error.args[0])
    if faults:
        raise ConfigurationError("A secret reference cannot be resolved", faults=faults)
    return resolved


def lookup(value: str) -> str:
    """Resolve one value; other values are returned unchanged. Raises LookupError."""
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


@dataclass(frozen=True, slots=True)
class Kept:
    """The secrets as ``{dotted field: secret}``; `lost`: they exist, but no key decrypts them."""

    plain: Mapping[str, str] = field(default_factory=dict)
    lost: SecretKeyError | None = None


def read(
    app: Application, connection: sa.Connection, existing: Source | None, type_name: str
) -> Kept:
    """The secrets kept from a source; none if the type differs or there is no source."""
    if existing is None or existing.type != type_name:
        return Kept()
    try:
        return Kept(store.secrets(connection, existing.id, app.box))
    except SecretKeyError as error:
        return Kept(lost=error)


@contextmanager
def explained(kept: Kept) -> Iterator[None]:
    """Explain that fields are missing because no key decrypts them."""
    try:
        yield
    except ConfigurationError as error:
        if kept.lost is None:
            raise
        raise ConfigurationError(
            "The stored secrets cannot be read, so enter them again with the rest",
            where=error.where,
            faults=error.faults,
            hint=kept.lost.hint,
        ) from None


def replaced(kept: Kept, given: Mapping[str, str]) -> Sequence[str]:
    """A message about new secrets that replaced those that no key decrypts."""
    if kept.lost is None or not given:
        return ()
    fields = ", ".join(sorted(given))
    text = f"The stored secrets could not be read and were replaced by {fields}; "
    return [text + "if the source had others, enter them again too"]
