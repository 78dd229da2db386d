"""Every text of the pages is translated, and no translation is left over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from app.web import languages

WEB = Path(languages.__file__).parent
PLACEHOLDER = re.compile(r"%\(\w+\)s|%s")


def _texts() -> set[str]:
    found = extract_from_dir(
        WEB,
        method_map=[("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")],
        keywords={"_": None, "gettext": None, "ngettext": (1, 2)},
    )
    return {text[0] if isinstance(text, tuple) else text for _, _, text, _, _ in found}


@pytest.mark.parametrize("language", [name for name in languages.LANGUAGES if name != "en"])
def test_every_text_is_translated_with_its_placeholders(language: str) -> None:
    with (languages.LOCALES / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalogue = read_po(file)
    missing = [text for text in _texts() if not (found := catalogue.get(text)) or not found.string]
    assert missing == []
    for message in catalogue:
        if isinstance(message.id, str) and message.id:
            assert set(PLACEHOLDER.findall(message.id)) == set(
                PLACEHOLDER.findall(str(message.string))
            ), message.id
