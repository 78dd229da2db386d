"""Every text of the pages is translated: those of templates and code, of fields and of settings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from app.database import errors as database_errors
from app.database import instance_settings
from app.http import problems
from app.sources.document import SourceOptions
from app.sources.settings import connector_types
from app.sync import report
from app.users.roles import Role
from app.users.sign_in import SignInError
from app.web import filters, forms, languages, rendering

APP = Path(languages.__file__).parents[1]
PLACEHOLDER = re.compile(r"%\(\w+\)s|%s")


def _texts() -> set[str]:
    found = extract_from_dir(
        APP,
        method_map=[
            *((f"{place}.py", "python") for place in ("web/**", "sync/report", "sources/warnings")),
            ("web/templates/**.html", "jinja2.ext:babel_extract"),
        ],
        keywords={"_": None, "gettext": None, "ngettext": (1, 2)},
    )
    return {text[0] if isinstance(text, tuple) else text for _, _, text, _, _ in found}


def _sentences_about_servers() -> set[str]:
    by = database_errors
    words = [*by._BY_STATE.values(), *by._BY_CLASS.values(), *(each for _, each in by._BY_TEXT)]
    words += [by._CROWDED, by._OTHER, by._LOST]
    return {text for each in words for text in (each.what, each.hint or each.kind.default_hint)} - {
        ""
    }


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


def _messages() -> set[str]:
    """The sentences that the application and the connectors give to pages."""
    found: set[str] = set()
    for part in (APP, APP.parent / "connectors", APP.parent / "jobs"):
        for path in part.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Message":
                    plural = [one.value for one in node.keywords if one.arg == "plural"]
                    found |= {ast.literal_eval(text) for text in (node.args[1], *plural)}
    return found


def _words_of(fields: Iterable[forms.Field]) -> Iterator[str]:
    for field in fields:
        yield forms.label(field.path.rpartition(".")[2])
        yield field.help
        yield from _words_of(field.children)
        for _, variant in field.variants:
            yield from _words_of(variant)


def _variants_of(fields: Iterable[forms.Field]) -> Iterator[str]:
    for field in fields:
        yield from _variants_of(field.children)
        for kind, variant in field.variants:
            yield kind
            yield from _variants_of(variant)


def _words_of_fields() -> set[str]:
    languages.use("en")
    types = connector_types.types()
    found = [forms.Form(connector_types.schema(one["type"])).fields() for one in types]
    found.append(forms.Form(SourceOptions.model_json_schema()).fields())
    texts = {text for fields in found for text in (*_words_of(fields), *_variants_of(fields))}
    for one in types:
        texts |= {one["title"], one["summary"]}
    for known in instance_settings.known():
        texts |= {known.help, forms.label(known.key.rpartition(".")[2])}
    return texts - {""}


def _words_of_states() -> set[str]:
    """What the pages translate by a variable: states, actions, figures, roles, reasons."""
    texts = {str(state) for state in report.RunState} | set(report.COUNTER_NAMES)
    texts |= set(filters.DOTS) | set(rendering.THEMES) | {str(role) for role in Role}
    return texts | set(report.PROOFS.values()) | {"manual", "cron", "api", "and", "to"}


def _words_of_problems() -> set[str]:
    """The titles of error pages, and the fixed sentences that they hold."""
    kinds = (
        problems.NotSignedInError,
        problems.ForbiddenError,
        problems.CsrfError,
        problems.PreconditionError,
        SignInError,
    )
    texts = {*problems.TITLES.values(), problems.FAILED, *(kind.default_hint for kind in kinds)}
    texts |= {"The request is not valid", "The query takes too long", "Wrong name or password"}
    texts |= {"The request lacks the session's CSRF token", "The request comes from another site"}
    texts |= {"You are not signed in", "Add a filter, or leave out _search or _order"}
    return texts | {"Not Found", "Method Not Allowed"} | _sentences_about_servers()


@pytest.mark.parametrize("language", [name for name in languages.LANGUAGES if name != "en"])
def test_every_word_of_fields_settings_states_and_problems_is_translated(language: str) -> None:
    texts = _words_of_fields() | _words_of_states() | _words_of_problems() | _messages()
    assert len(texts) > 300
    with (languages.LOCALES / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalogue = read_po(file)
    known_texts = {
        text
        for m in catalogue
        if m.string and "fuzzy" not in m.flags
        for text in (m.id if isinstance(m.id, tuple) else (m.id,))
    }
    assert texts - known_texts == set()


@pytest.mark.parametrize("language", [name for name in languages.LANGUAGES if name != "en"])
def test_a_catalogue_holds_nothing_that_no_page_can_show(language: str) -> None:
    used = _texts() | _words_of_fields() | _words_of_states() | _words_of_problems() | _messages()
    with (languages.LOCALES / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        ids = {m.id[0] if isinstance(m.id, tuple) else m.id for m in read_po(file)}
    assert ids - used == {""}
