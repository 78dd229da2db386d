"""The meaning of a field or header name for paging, in any naming style."""

from __future__ import annotations

import re
from typing import Any

from connectors.sdk import truth as table

_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\d_A-Z])")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./-]\d{1,2}[./-]\d{4}")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEXT = _set(
    "next nextpage nextlink nexturl nextcursor nexttoken nextpagetoken nextpageurl nextoffset"
    " nextstart nextid nextkey nextmarker nextrecordsurl nexthref continue"
    " volgende siguiente suivant suivante nächste nächster naechste weiter prossimo prossima"
    " próximo próxima proximo proxima seguinte nästa nasta neste næste naeste seuraava następna"
    " nastepna další dalsi sonraki następny"
)
"""*Next* in several languages."""
_TOKEN = _set(
    "cursor cursors token continuation continuationtoken resumption resumptiontoken scroll"
    " bookmark marker"
)
_MORE = _set("more hasmore moreresults moreitems hasnext hasnextpage meer weitere más")
_DONE = _set(
    "done complete eof exhausted end islast lastpage islastpage last iscomplete isend atend laatste"
)
_ELSEWHERE = _set(
    "no not read learn see show info information informatie informationen details help about docs"
    " documentation lees lezen"
)
"""More about something else, or no more."""
_CUT = ("exceed", "truncat", "incomplete")
_OTHER_WAY = _set(
    "prev previous vorige anterior précédent precedent zurück first self before start back"
    " current this sync delta csrf xsrf access auth authorization refresh bearer"
    " security session request rate ratelimit"
)
_NOT_A_PAGE = _set(
    "update updated release run refresh date time due check reset birthday event delay after"
    " step steps at version maintenance appointment payment invoice js"
)
_NOTHING = frozenset({"", "null", "none", "nil", "-1", "undefined"})


def words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: ``hasNextPage``, ``has-next_page``, ``@nextLink``."""
    return tuple(word.lower() for word in _WORD.findall(_HUMP.sub("_", name)))


def is_next(name: tuple[str, ...]) -> bool:
    """Whether a field of this name leads to the next page."""
    if not NEXT.isdisjoint(name):
        return _OTHER_WAY.isdisjoint(name) and _NOT_A_PAGE.isdisjoint(set(name) - {"after", "at"})
    return False


def is_token(name: tuple[str, ...]) -> bool:
    """Whether a field of this name probably contains a token for the next page."""
    return not _TOKEN.isdisjoint(name) and _OTHER_WAY.isdisjoint(name)


def is_more(name: tuple[str, ...]) -> bool:
    """Whether a flag of this name indicates more rows."""
    if _MORE.isdisjoint(name):
        return "has" in name and is_next(name)
    return _ELSEWHERE.isdisjoint(name)


def is_done(name: tuple[str, ...]) -> bool:
    """Whether a flag of this name indicates the end."""
    if "more" in name and {"no", "not"} & set(name):
        return True
    if not name or not _OTHER_WAY.isdisjoint(name):
        return False
    inner = tuple(word for word in name if word not in ("is", "at", "of", "page", "the"))
    if inner[:1] == ("end",):
        return inner == ("end",) or inner[1:2] in (("records",), ("data",), ("list",), ("results",))
    return len(inner) == 1 and inner[0] in _DONE


def is_strict_end(name: tuple[str, ...]) -> bool:
    """Whether a flag of this name is about pages and nothing else that could be complete."""
    return is_more(name) or not {"last", "islast", "lastpage", "islastpage", "end"}.isdisjoint(name)


def is_cut(name: tuple[str, ...]) -> bool:
    """Whether a flag of this name indicates a truncated response."""
    return any(word.startswith(_CUT) for word in name)


def truth(value: Any) -> bool | None:
    """The value of a flag: a boolean, a text, or 0 and 1; None for anything else."""
    try:
        return table.read(value)
    except ValueError:
        return None


def is_nothing(value: Any) -> bool:
    """Whether a link or token means that nothing follows: null, an empty text, false, -1."""
    if value is None or value is False or value == -1:
        return True
    if isinstance(value, str):
        return value.strip().lower() in _NOTHING
    return isinstance(value, (list, dict)) and not value


def is_moment(value: Any) -> bool:
    """Whether a text is a date or time rather than a token."""
    return isinstance(value, str) and _DATE.match(value) is not None
