"""Versions of what people and programs edit: a change says from which one it was made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from app.errors import ChangedError
from app.http.problems import PreconditionError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 253_402_300_799_999_999  # the last microsecond that a datetime can hold
_TAG = re.compile(r'\s*(?:W/)?"([0-9]{1,18})(?:-[0-9a-f]+)?"\s*')


def token(changed: datetime) -> str:
    """The version of what was changed last at that moment, in digits."""
    return str((changed - _EPOCH) // timedelta(microseconds=1))


def moment(text: str) -> datetime | None:
    """The moment of a token; None for any other text."""
    if not re.fullmatch("[0-9]{1,18}", text) or int(text) > _LATEST:
        return None
    return _EPOCH + timedelta(microseconds=int(text))


@contextmanager
def precondition(if_match: str | None) -> Iterator[datetime | None]:
    """The moment that If-Match names, None without one; a change since then is a failed one.

    The ETag of an answer is a version and a hash of the answer. Only the version counts: what a
    run writes on a source is not what somebody edits.
    """
    since = None
    if if_match is not None and if_match.strip() != "*":
        found = _TAG.fullmatch(if_match)
        since = moment(found[1]) if found else None
        if since is None:
            raise PreconditionError(f"No version has the ETag {if_match[:60]}")
    try:
        yield since
    except ChangedError as error:
        if since is None:
            raise
        raise PreconditionError(error.what) from None
