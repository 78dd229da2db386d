"""What helps next, in the words of the pages: the text of a button, and where it leads.

A `Remedy` names commands; its code names the entry here. A remedy without an entry is not shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from app.web.languages import gettext
from connectors.sdk.message import Remedy


def _(text: str) -> str:
    """Mark a text for the catalogues; it is translated where it is shown."""
    return text


@dataclass(frozen=True, slots=True)
class Button:
    """`post`: it does something, so it is a form and for register admins only."""

    text: str
    path: str
    post: bool = False


BUTTONS = {
    "test": Button(_("Test connection"), "/sources/{source}/connection"),
    "show-rejected": Button(_("Show the rows"), "/sources/{source}/errors"),
    "review-held": Button(_("Review deletions"), "/sources/{source}/runs"),
    "run": Button(_("Run now"), "/sources/{source}/run", post=True),
    "set-key": Button(_("Set a key"), "/sources/{source}/mapping"),
    "show-runs": Button(_("Show the runs"), "/sources/{source}/runs"),
}


def button(remedy: object) -> Button | None:
    """The button of a remedy, in the language in force; None where the pages have none."""
    if not isinstance(remedy, Remedy) or remedy.code not in BUTTONS:
        return None
    found = BUTTONS[remedy.code]
    facts = {name: quote(str(fact), safe="") for name, fact in remedy.facts.items()}
    return Button(gettext(found.text), found.path.format(**facts), found.post)
