"""Local files that settings name, within the directories that the policy allows."""

from __future__ import annotations

from pathlib import Path

from connectors.sdk.connector import Policy
from connectors.sdk.errors import ConfigurationError


def read_text(
    name: str, policy: Policy, field: str, *, what: str = "the text", encoding: str = "utf-8"
) -> str:
    """The text of a file; `what` could be given in its place. Raises ConfigurationError."""
    path = Path(name).expanduser()
    if policy.roots is not None and not any(
        path.resolve().is_relative_to(root.resolve()) for root in policy.roots
    ):
        raise ConfigurationError(
            "This source may not read files in this directory",
            where=field,
            hint=f"Paste {what} instead",
        )
    try:
        return path.read_text(encoding=encoding)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise ConfigurationError(
            f"The file cannot be read: {reason}", where=field, hint=f"Give a path or {what}"
        ) from None
