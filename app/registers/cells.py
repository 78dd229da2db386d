"""Table cells for spreadsheets, neutralised so that none is executed as a formula."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from connectors.sdk import canonical

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_TRIGGERS = tuple("=+-@\t\r\n＝＋－＠")
"""What makes a spreadsheet treat a text as a formula (OWASP, "CSV Injection")."""


def neutral(text: str) -> str:
    """`text` with a leading apostrophe if a spreadsheet would evaluate it; numbers stay."""
    if text.startswith(_TRIGGERS) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


_SPLITS = re.compile(r"([;|\t\r\n]\"*)([=+\-@＝＋－＠][^;|\t\r\n]*)")


def split_neutral(text: str) -> str:
    """`text`, also neutralised where a spreadsheet splits it at a semicolon, a bar, a tab or a line
    break.

    Excel splits CSV at the list separator of its region, `;` in most of Europe. A cell `a;=1+1`
    becomes two cells there despite quotes, which count only at the beginning of a cell.
    """

    def led(found: re.Match[str]) -> str:
        # the last piece continues in the next cell: `-1,2+cmd` is not a number if `;` splits
        keep = found.end() < len(text) and _NUMBER.fullmatch(found[2])
        return found[0] if keep else f"{found[1]}'{found[2]}"

    return _SPLITS.sub(led, text)


def cell(value: Any) -> Any:
    """A value as text, number, flag or None; lists and objects as their JSON."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return neutral(value)
        case datetime():
            return canonical.moment(value)
        case UUID():
            return str(value)
        case dict() | list():
            return canonical.dumps_in_order(value).decode()
        case _:
            return value if isinstance(value, Decimal) else neutral(str(value))
