"""Secrets of a source that is being defined: given by reference, or kept from before."""

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
    """The secrets with references replaced. Raises ConfigurationError naming each that fails."""
    faults: dict[str, str] = {}
    resolved = {}
    for name, value in secrets.items():
        try:
            resolved[name] = lookup(value)
        except LookupError as error:
            faults[name] = str(error.args[0])
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


@dataclass(frozen=True, slots=True)
class Kept:
    """The secrets as ``{dotted field: secret}``; `lost`: there are some, but no key opens them."""

    plain: Mapping[str, str] = field(default_factory=dict)
    lost: SecretKeyError | None = None


def read(
    app: Application, connection: sa.Connection, existing: Source | None, type_name: str
) -> Kept:
    """What is kept of a source; of another type, or of none, nothing is."""
    if existing is None or existing.type != type_name:
        return Kept()
    try:
        return Kept(store.secrets(connection, existing.id, app.box))
    except SecretKeyError as error:
        return Kept(lost=error)


@contextmanager
def explained(kept: Kept) -> Iterator[None]:
    """Say of fields that are missing because no key opens them that this is the reason."""
    try:
        yield
    except ConfigurationError as error:
        if kept.lost is None:
            raise
        raise ConfigurationError(
            "The stored secrets cannot be read, so they have to be entered again with the rest",
            where=error.where,
            faults=error.faults,
            hint=kept.lost.hint,
        ) from None


def replaced(kept: Kept, given: Mapping[str, str]) -> Sequence[str]:
    """What to say after new secrets took the place of those that no key opened."""
    if kept.lost is None or not given:
        return ()
    fields = ", ".join(sorted(given))
    text = f"The stored secrets could not be read and were replaced by {fields}; "
    return [text + "if the source had others, enter them again too"]
