"""Pages, messages and the manual keep to the house rules of English."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from app.web import languages
from tests.places import ROOT
from tests.unit.house import english


def wrong(texts: Iterable[tuple[Path, str]]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {place}"
        for path, text in texts
        for place in english.found(text)
    ]


def test_the_manual() -> None:
    pages = list(english.pages())
    assert len(pages) > 40
    assert wrong(pages) == []


def test_templates_and_catalogues() -> None:
    templates = list((ROOT / "app/web/templates").rglob("*.html"))
    assert len(templates) > 20
    assert wrong((path, path.read_text(encoding="utf-8")) for path in templates) == []
    for path in languages.LOCALES.rglob("messages.po"):
        with path.open("rb") as file:
            messages = [each for message in read_po(file) for each in [message.id or ""]]
        texts = [text for each in messages for text in ([each] if isinstance(each, str) else each)]
        assert len(texts) > 500
        assert wrong((path, text) for text in texts) == []


def test_messages_and_help() -> None:
    assert wrong(english.code(docstrings=False)) == []


def test_docstrings() -> None:
    assert wrong(english.code(docstrings=True)) == []


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("This is no valid JSON", False),
        ("There is no such file", True),
        ("It is no longer there", True),
        ("Objects\nin step with a source", False),
        ("MENDED", False),
        ("a recommendation", True),
    ],
)
def test_a_rule_finds_its_phrase_as_whole_words(text: str, right: bool) -> None:
    assert (not english.found(text)) is right
