"""Numbers of things in messages: ``1 row``, ``2,300 rows``."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """The number with its noun; `many` where that is not `one` with an s: ``entries``.

    A verb may go with it: ``counted(n, "row has", "rows have")``.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
