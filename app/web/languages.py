"""The languages of the pages: catalogues in `locale/`, one of which applies to each request.

Messages are English in the code. The `.po` files are read directly, so that no compiled copy can be
out of date.
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
    """The language chosen by the user, or the best match for the browser's languages."""
    picked = request.cookies.get(COOKIE, "")
    if picked in LANGUAGES:
        return picked
    wanted = [
        part.partition(";")[0].strip()
        for part in request.headers.get("accept-language", "").split(",")
    ]
    return negotiate_locale(wanted, list(LANGUAGES), sep="-") or "en"


def use(language: str) -> None:
    """Use this language for the rest of the request."""
    _current.set(language)


def current() -> Locale:
    """The current locale, for numbers and times."""
    return Locale.parse(_current.get())


def gettext(text: str) -> str:
    """The text in the current language; unchanged without a translation."""
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
    """Dependency of every page: selects the language of the user."""
    use(choose(request))
