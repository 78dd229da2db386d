"""The languages of the pages: catalogues in `locale/`, one of them in force for each request.

Messages are English in the code. The `.po` files are read as they are, so that there is no
compiled copy of them that could be out of date.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from io import BytesIO
from pathlib import Path

from babel import Locale, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from fastapi import Request

LANGUAGES = {"en": "English", "nl": "Nederlands"}
COOKIE = "openregister_language"
LOCALES = Path(__file__).parent / "locale"

_current: ContextVar[str] = ContextVar("language", default="en")


def choose(request: Request) -> str:
    """The language the person picked, else the best of those that the browser asks for."""
    picked = request.cookies.get(COOKIE, "")
    if picked in LANGUAGES:
        return picked
    wanted = [
        part.partition(";")[0].strip()
        for part in request.headers.get("accept-language", "").split(",")
    ]
    return negotiate_locale(wanted, list(LANGUAGES), sep="-") or "en"


def use(language: str) -> None:
    """Speak this language for the rest of the request."""
    _current.set(language)


def current() -> Locale:
    """The locale in force, for numbers and times."""
    return Locale.parse(_current.get())


def gettext(text: str) -> str:
    """The text in the language in force; itself where there is no translation."""
    return _catalogue(_current.get()).gettext(text) if text else ""


def ngettext(singular: str, plural: str, number: int) -> str:
    """The same for a text that depends on a number."""
    return _catalogue(_current.get()).ngettext(singular, plural, number)


@cache
def _catalogue(language: str) -> NullTranslations:
    path = LOCALES / language / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return Translations(compiled)


async def speak(request: Request) -> None:
    """Dependency of every page: what it says is in the language of the one who asks."""
    use(choose(request))
