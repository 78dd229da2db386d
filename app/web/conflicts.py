"""Forms know the version that they were made from, and say who changed it since.

A form has the field `version`. Sent back, it is compared with what is stored: where that differs,
nothing is saved, and the page offers to compare, to overwrite (`overwrite`, the version that the
person was shown then) or to reload.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from app.audit import diff as changes
from app.audit.diff import Diff
from app.http.documents import dumps, plain
from app.http.revisions import moment, token


@dataclass(frozen=True, slots=True)
class Conflict:
    """Who changed it last and when, the version now, and each difference, stored and typed."""

    by: str
    at: datetime
    version: str
    differences: Diff


def version(changed: datetime, part: object = None) -> str:
    """The version of a form; with `part`, which is all that it edits, other parts may change."""
    return token(changed) if part is None else f"{token(changed)}.{_digest(part)}"


def sent(form: Mapping[str, Any]) -> str:
    """The version that a form which was sent was made from, or that it shall overwrite."""
    return str(form.get("overwrite") or form.get("version") or "")


def since(form: Mapping[str, Any], changed: datetime, part: object = None) -> datetime | None:
    """The moment after which nobody may have changed it; None if the form has no version.

    `changed` and `part`: as they are stored now.
    """
    made, _dot, digest = sent(form).partition(".")
    if digest and digest == _digest(part):
        return changed  # what changed is not what the form edits
    return moment(made)


def conflict(
    by: str, at: datetime, now: str, stored: Mapping[str, Any], typed: Mapping[str, Any]
) -> Conflict:
    """What a page shows; `stored` and `typed` are documents without secrets."""
    old, new = (plain(dict(_leaves(one))) for one in (stored, typed))
    return Conflict(by.partition(":")[2] or by, at, now, changes.diff(old, new))


def _leaves(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, member in node.items():
        here = f"{path}.{name}" if path else str(name)
        if isinstance(member, Mapping) and member:
            yield from _leaves(member, here)
        else:
            yield here, member


def _digest(part: object) -> str:
    return sha256(dumps(part)).hexdigest()[:16]
