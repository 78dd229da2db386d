"""Rows that move between pages while they are read: nothing may be lost or deleted."""

from __future__ import annotations

from benchmarks.soak_faults import ROWS, BrokenError, Installation
from tests.servers.http_api import Answer, Call, HttpApi, answer

_PAGE = 500
_RUNS = (
    "SELECT count(*) FROM openregister.runs r JOIN openregister.sources s ON s.id = r.source_id"
    " WHERE s.name = :name AND r.complete = {complete}"
)
_LIVE = (
    "SELECT count(*) FROM openregister.objects o JOIN openregister.sources s ON s.id = o.source_id"
    " WHERE s.name = :name AND o.deleted IS NULL"
)


class _Pages:
    """A paged API with a total, whose rows can be made to move."""

    def __init__(self) -> None:
        self.rows = [{"code": f"{number:05}"} for number in range(ROWS)]
        self.moves = ""

    def __call__(self, call: Call) -> Answer:
        page = call.number("page", 1)
        rows = self.rows
        if self.moves == "touched" and page > 1:  # sorted by change: the first row is the last now
            rows = [*rows[1:], rows[0]]
        elif self.moves == "deleted" and page > 2:  # one has gone, those behind it moved up
            rows = [*rows[:_PAGE], *rows[_PAGE + 1 :]]
        elif self.moves == "added" and page > 1:  # a row was put in front of the others
            rows = [rows[-1], *rows[:-1]]
        here = rows[(page - 1) * _PAGE : page * _PAGE]
        return answer({"items": here, "total": len(rows)})


def rows_move(here: Installation, name: str) -> None:
    """Every kind of move, each between two undisturbed runs; the objects must not change."""
    pages = _Pages()
    with HttpApi() as api:
        api.on("/rows", pages)
        connection = {"url": api.url, "endpoint": "/rows", "pagination": "page"}
        here.define_as(name, "rest", connection, on_missing="delete")
        here.call("background:cron")
        for moves in ("touched", "deleted", "added"):
            pages.moves = moves
            here.call("source:run", name)
            if (live := here.scalar(_LIVE, name=name)) != ROWS:
                raise BrokenError(f"{live} objects instead of {ROWS} after rows were {moves}")
            pages.moves = ""
            here.call("source:run", name)
        counted = [
            here.scalar(_RUNS.format(complete=complete), name=name)
            for complete in ("true", "false")
        ]
        if counted != [4, 3]:
            raise BrokenError(f"{counted[0]} complete runs and {counted[1]} others, not 4 and 3")
