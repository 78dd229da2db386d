"""Validation of names chosen by users, and escaping for SQL patterns."""

from __future__ import annotations

import re

from app.errors import UsageError

_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
_LONGEST_SLUG = 100


def check_slug(kind: str, slug: str) -> str:
    """The slug itself. Raises UsageError if it is not valid in URLs and view names."""
    if not _SLUG.fullmatch(slug) or len(slug) > _LONGEST_SLUG:
        raise UsageError(
            f"{slug!r} is not a valid name for a {kind}",
            hint="Use lower case letters, digits, - and _, starting with a letter or digit "
            f"(at most {_LONGEST_SLUG})",
        )
    return slug
