"""Sentences for people that a program can word anew: in another language, or for another front end.

A `Message` is its English text, so it goes wherever text goes. It also carries a code, the template
and the facts, from which a page makes the sentence in the reader's language. A `Remedy` says what
to do next in words of the command line; pages and the API have their own words for its code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from connectors.sdk.redact import redact

Fact = str | int | float
"""A `Message` is a `str`, so a fact may be a sentence of its own."""


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

    def worded(
        self, choose: Callable[[str, str | None, int], str], number: Callable[[int], str]
    ) -> str:
        """The sentence by another template.

        `choose` gets the template, the plural and `n` (1 without a plural); `number` writes what
        the template formats with `{…:,}`.
        """
        count = self.facts["n"] if self.plural is not None else 1
        template = choose(self.template, self.plural, int(count))
        facts = {name: _worded(fact, choose, number) for name, fact in self.facts.items()}
        return template.format(**facts)

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
    """A number that `{…:,}` writes in the reader's way."""

    write: Callable[[int], str]

    def __format__(self, form: str) -> str:
        return self.write(int(self)) if form == "," else int(self).__format__(form)


def _worded(
    fact: Fact, choose: Callable[[str, str | None, int], str], number: Callable[[int], str]
) -> Fact:
    if isinstance(fact, Message):
        return fact.worded(choose, number)
    if isinstance(fact, int):
        found = _Number(fact)
        found.write = number
        return found
    return fact
