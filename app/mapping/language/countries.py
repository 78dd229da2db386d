"""ISO 3166 country codes by code or name, in eleven languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

_LANGUAGES = ("en", "nl", "de", "fr", "es", "it", "pt", "da", "sv", "nb", "pl")


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    from babel import Locale  # slow to import, and few mappings use countries
    from babel.core import get_global

    english: Mapping[str, str] = Locale("en").territories
    codes = {code for code in english if len(code) == 2 and code.isalpha()}
    known = {code.casefold(): code for code in codes}
    for alias, replacements in get_global("territory_aliases").items():
        if len(alias) == 3 and alias.isalpha() and len(replacements) == 1:
            known[alias.casefold()] = replacements[0]
    for language in _LANGUAGES:
        territories: Mapping[str, str] = Locale(language).territories
        for code, name in territories.items():
            if code in codes:
                known.setdefault(slug(name), code)
    return known


def slug(text: str, separator: str = "-") -> str:
    """Lower-case ASCII letters and digits; all other characters separate."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    kept = plain.encode("ascii", "ignore").decode().lower()
    return separator.join(re.findall(r"[a-z0-9]+", kept))


def code(name: str) -> str | None:
    """The two-letter ISO 3166 code for a country's code or name; None if unknown."""
    known = _countries()
    return known.get(name.casefold()) or known.get(slug(name))
