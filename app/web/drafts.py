"""A source that is being added, between the steps of its form.

It travels in a hidden field, sealed with the key of the instance: credentials that were entered
at one step are not shown in the page of the next, and nothing is stored before the last one.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from app.application import Application
from app.errors import SecretKeyError, UsageError
from app.http.identity import Identity
from app.web.languages import gettext as _

LONGEST = 24 * 3600
"""Seconds for which a draft can be continued."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known so far. `title` proposes a name."""

    type: str
    connection: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    untested: bool = False

    def having(self, **changes: Any) -> Draft:
        """The draft with some members changed."""
        return replace(self, **changes)


def seal(app: Application, identity: Identity, draft: Draft) -> str:
    """The draft as a hidden field; only the same person can continue it."""
    sealed = {**asdict(draft), "user": identity.user.id, "at": int(time.time())}
    return app.box.encrypt({"draft": sealed}).decode("ascii")


def unseal(app: Application, identity: Identity, text: str) -> Draft:
    """The draft of a hidden field. Raises UsageError unless it is one of this person."""
    stale = UsageError(_("This form is no longer valid"), hint=_("Start again"))
    try:
        found = app.box.decrypt(text.encode("ascii", "replace"))
    except SecretKeyError:
        raise stale from None
    document = found.get("draft") if isinstance(found, dict) else None
    if not isinstance(document, dict) or document.pop("user") != identity.user.id:
        raise stale
    if time.time() - document.pop("at") > LONGEST:
        raise stale
    return Draft(**document)
