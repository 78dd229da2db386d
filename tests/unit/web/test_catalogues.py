"""Every text of the pages is translated: those of templates and code, of fields and of settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from app.database import instance_settings
from app.sources import connector_types
from app.sources.document import SourceOptions
from app.sync import report
from app.web import forms, languages

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


def _words_of(fields: Iterable[forms.Field]) -> Iterator[str]:
    for field in fields:
        yield forms.label(field.path.rpartition(".")[2])
        yield field.help
        yield from _words_of(field.children)
        for _, variant in field.variants:
            yield from _words_of(variant)


@pytest.mark.parametrize("language", [name for name in languages.LANGUAGES if name != "en"])
def test_every_field_of_every_connector_and_every_setting_is_translated(language: str) -> None:
    languages.use("en")
    texts = {
        text
        for one in connector_types.types()
        for text in _words_of(forms.Form(connector_types.schema(one["type"])).fields())
    }
    texts |= set(_words_of(forms.Form(SourceOptions.model_json_schema()).fields()))
    texts |= {known.help for known in instance_settings.known()} | set(report.PROOFS.values())
    assert len(texts) > 200
    with (languages.LOCALES / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalogue = read_po(file)
    known_texts = {m.id for m in catalogue if m.string and "fuzzy" not in m.flags}
    assert texts - known_texts - {""} == set()
