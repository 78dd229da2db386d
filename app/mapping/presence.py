"""Detect source fields that a mapping uses but no row has: probably a misspelling.

A missing field is not an error of a row, so only many rows together reveal it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from difflib import get_close_matches

from app.mapping.plan import RowPlan
from connectors.sdk import RowData
from connectors.sdk.counting import counted
from connectors.sdk.paths import MISSING

ENOUGH = 10
"""Minimum number of rows for a warning; fewer only if they are all rows of the source."""


class Presence:
    """Checks some rows for the fields that plans read."""

    def __init__(self, plans: Iterable[RowPlan]) -> None:
        self._absent = {name: get for plan in plans for name, get in plan.reads.items()}
        self._names: dict[str, None] = {}
        self.rows = 0

    def see(self, data: RowData) -> None:
        """Check one row."""
        self.rows += 1
        if not self._absent:
            return
        for name in [name for name, get in self._absent.items() if get(data) is not MISSING]:
            del self._absent[name]
        if self.rows <= ENOUGH:
            self._names.update(dict.fromkeys(data))

    def warnings(self, *, whole: bool, known: Container[str] = ()) -> list[str]:
        """One sentence for each field that no row has.

        `whole`: these are all rows. `known`: fields that earlier reads saw, which have disappeared
        rather than being misspelled.
        """
        if not self.rows or (self.rows < ENOUGH and not whole):
            return []
        some = counted(self.rows, "row") if whole else f"the first {counted(self.rows, 'row')}"
        return [
            f"The mapping uses the field {name!r}, which occurs in none of {some}"
            f"{self._meant(name)}"
            for name in self._absent
            if name not in known
        ]

    def _meant(self, name: str) -> str:
        near = get_close_matches(name, self._names, 1, 0.6)
        return f"; did you mean {near[0]!r}?" if near and near[0] != name else ""
