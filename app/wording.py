"""The language of sentences shared by commands, programs and pages."""

from __future__ import annotations


class Wording:
    """English; the pages use one in the user's language."""

    def gettext(self, text: str) -> str:
        """The text in that language."""
        return text

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """The text for a number."""
        return singular if number == 1 else plural

    def number(self, value: int) -> str:
        """A formatted number."""
        return f"{value:,}"


ENGLISH = Wording()
