"""Sentences for people that a program can reword: in another language, or for another front end.

A `Message` is its English text, so it goes wherever text goes. It also carries a code, the template
and the facts, from which a page makes the sentence in the reader's language. A `Remedy` says what
to do next in words of the command line; pages and the API have their own words for its code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self

from connectors.sdk.redact import redact

Fact = str | int | float
"""A `Message` is a `str`, so a fact may be a sentence of its own."""


class Words(Protocol):
    """A language: catalogues as of gettext, and the way to write a number."""

    def gettext(self, text: str, /) -> str: ...

    def ngettext(self, singular: str, plural: str, number: int, /) -> str: ...

    def number(self, value: int, /) -> str: ...


class Message(str):
    """`Message("no-match", "0 of {read:,} rows match the filter", read=12)`.

    `template` is in the form of `str.format`. Where `plural` is given, the fact `n` decides
    between the two.
    """

    code: str
    template: str
    plural: str | None
    facts: Mapping[str, Fact]

    def __new__(
        cls, code: str, template: str, /, *, plural: str | None = None, **facts: Fact
    ) -> Self:
        chosen = template if plural is None or facts["n"] == 1 else plural
        self = super().__new__(cls, chosen.format(**facts))
        self.code, self.template, self.plural, self.facts = code, template, plural, facts
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[str, str], dict[str, Any]]:
        return (self.code, self.template), {"plural": self.plural, **self.facts}

    def worded(self, words: Words) -> str:
        """The sentence in another language; `{…:,}` in the template writes a number its way."""
        if self.plural is None:
            template = words.gettext(self.template)
        else:
            template = words.ngettext(self.template, self.plural, int(self.facts["n"]))
        return template.format(**{name: _worded(fact, words) for name, fact in self.facts.items()})

    def redacted(self) -> Self:
        """The same without secrets."""
        hidden = {
            name: fact.redacted() if isinstance(fact, Message) else redact(fact)
            for name, fact in self.facts.items()
            if isinstance(fact, str)
        }
        return type(self)(self.code, self.template, plural=self.plural, **{**self.facts, **hidden})

    def as_json(self) -> dict[str, Any]:
        """What `from_json` takes."""
        facts = {
            name: fact.as_json() if isinstance(fact, Message) else fact
            for name, fact in self.facts.items()
        }
        found: dict[str, Any] = {"code": self.code, "template": self.template, "facts": facts}
        return found if self.plural is None else {**found, "plural": self.plural}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises KeyError for what `as_json` never wrote."""
        facts = {
            name: Message.from_json(fact) if isinstance(fact, dict) else fact
            for name, fact in document["facts"].items()
        }
        return cls(document["code"], document["template"], plural=document.get("plural"), **facts)


class Remedy(Message):
    """What to do next. The text names commands; pages show a button instead, by the code."""


def stored(text: str) -> str | dict[str, Any]:
    """A text for a JSON column, without secrets: a `Message` keeps its code and facts."""
    return text.redacted().as_json() if isinstance(text, Message) else redact(text)


def restored(value: str | Mapping[str, Any]) -> str:
    """What `stored` made a value of."""
    return value if isinstance(value, str) else Message.from_json(value)


class _Number(int):
    """A number that `{…:,}` writes as `words` do."""

    words: Words

    def __format__(self, form: str) -> str:
        return self.words.number(int(self)) if form == "," else int(self).__format__(form)


def _worded(fact: Fact, words: Words) -> Fact:
    if isinstance(fact, Message):
        return fact.worded(words)
    if isinstance(fact, int):
        found = _Number(fact)
        found.words = words
        return found
    return fact
