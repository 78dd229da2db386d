"""Deleting for good: the person types the name of what goes."""

from __future__ import annotations

from app.errors import UsageError
from app.web.languages import gettext as _


def require(typed: str, name: str) -> None:
    """Raise UsageError unless the name was typed."""
    if typed.strip() != name:
        raise UsageError(
            _("Nothing was deleted, because the name was not typed"),
            hint=_("Type “%s” to confirm") % name,
        )
