"""In which language a sentence is said that commands, programs and pages share."""

from __future__ import annotations


class Wording:
    """English; the pages have one that follows the language of their reader."""

    def gettext(self, text: str) -> str:
        """The text in that language."""
        return text

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """The text that belongs to a number."""
        return singular if number == 1 else plural

    def number(self, value: int) -> str:
        """A number as people read it."""
        return f"{value:,}"


ENGLISH = Wording()
