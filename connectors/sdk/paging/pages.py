"""One page of a read: fetch it, validate it, and extract its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.sdk.bodies.records import find_rows
from connectors.sdk.bodies.refusals import failure_in, may_hide_an_error
from connectors.sdk.bodies.shapes import Shape
from connectors.sdk.errors import DataError
from connectors.sdk.findings import Findings
from connectors.sdk.http.client import Answer, HttpClient, Request
from connectors.sdk.http.cut import Cut
from connectors.sdk.paging.base import Seen
from connectors.sdk.paging.bodies import (
    Items,
    checked,
    digest_of,
    excerpt,
    items_of,
    kind,
    parse_json,
)
from connectors.sdk.paging.totals import total_counter
from connectors.sdk.paths import MISSING, at
from connectors.sdk.rows import Batch, RowData, RowProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Seen):
    """A page and its rows: decoded `items`, or `batches` for other formats."""

    items: Sequence[RowData] = ()
    places: Sequence[int] | None = None
    """Positions of the items from 1 if some were not rows; None: 1, 2, 3, …"""
    faults: Mapping[int, RowProblem] = field(default_factory=dict)
    """The unusable items, by their index in `items`."""
    problems: Sequence[RowProblem] = ()
    batches: Sequence[Batch] = ()
    answer: Answer
    found: Sequence[Any] = ()
    """The original items, before details and including those that are not objects."""
    raws: Sequence[bytes] | None = None
    """The raw forms of the items, if created when the page was fetched."""

    digest: bytes = b""
    """Equal digests mean equal rows in the same order."""

    @property
    def label(self) -> str:
        return f"page {self.number}"


@dataclass(frozen=True, slots=True)
class Asked:
    """The response for a page; its body is not parsed yet."""

    number: int
    request: Request
    answer: Answer
    ended: bool
    """The status alone says that there is no such page, or that nothing changed."""


class PageFetcher:
    """Requests a page and extracts its rows from JSON (or the format of `decode`).

    `hint` replaces the hints about settings, for a connector that has no such settings.
    """

    def __init__(
        self,
        client: HttpClient,
        records: str = "",
        *,
        decode: Callable[[Answer, str], Sequence[Batch] | None] | None = None,
        complete: Callable[[list[RowData], str], list[RowData]] | None = None,
        conditions: Mapping[str, str] | None = None,
        shape: Shape | None = None,
        findings: Findings | None = None,
        about: Callable[[Answer], Any] | None = None,
        hint: str = "",
        cut: Cut | None = None,
    ) -> None:
        self._hint = hint
        self._cut = cut
        self._about = about or (lambda answer: None)
        self._findings = Findings() if records or findings is None else findings
        self._shape = shape or Shape()
        self._client = client
        self._records = records
        known = self._findings.get("records")
        self._found: str | None = records or (known if isinstance(known, str) else None)
        self._decode = decode
        self._complete = complete
        self._conditions = dict(conditions or {})

    def __call__(self, request: Request, number: int, end_status: tuple[int, ...] = ()) -> Page:
        return self.page(self.ask(request, number, end_status))

    def ask(self, request: Request, number: int, end_status: tuple[int, ...] = ()) -> Asked:
        """The network part; called from several threads after the first page."""
        asked = replace(request, what=f"page {number}")
        accept = end_status
        if number == 1 and self._conditions:
            asked.headers = asked.headers | self._conditions
            accept = (304,)
        answer = self._client.request(asked, accept=accept, cut=self._cut)
        return Asked(number, asked, answer, answer.status in accept or answer.status == 204)

    def page(self, asked: Asked) -> Page:
        """The CPU part, which would be slower on several threads."""
        try:
            return self._page(asked)
        except DataError as error:
            if error.where == f"page {asked.number}":  # about the body as a whole: add its URL
                error.where = asked.request.where
            error.hint = self._hint or error.hint
            raise

    def _page(self, asked: Asked) -> Page:
        number, request, answer = asked.number, asked.request, asked.answer
        if asked.ended:
            return _page(number, request, answer, None, rows=0, past_end=answer.status != 204)
        batches = self._decode(answer, f"page {number}") if self._decode else None
        if batches is not None:
            rows = sum(len(batch) + len(batch.problems) for batch in batches)
            digest = digest_of(raw for batch in batches for raw in (*batch.raw(), b"\n"))
            about = self._about(answer)
            return _page(number, request, answer, about, rows=rows, batches=batches, digest=digest)
        return self._from_json(number, request, answer)

    def _from_json(self, number: int, request: Request, answer: Answer) -> Page:
        where = request.where
        document = parse_json(answer, where)
        failure = failure_in(document, self._records, self._shape.errors)
        if failure is not None:
            raise DataError(
                f"The response has status {answer.status} but is an error ({failure}): "
                f"{excerpt(answer)}",
                where=where,
            )
        found = self._rows(document, answer, where)
        found, take = self._shape.rows(found, document, where)
        items = items_of(found, f"page {number}", take)
        digest = items.digest
        if self._complete is not None:
            items = self._completed(items, f"page {number}", self._complete)
        return _page(
            number,
            request,
            answer,
            document,
            rows=len(found),
            found=found,
            items=items.rows,
            raws=items.raws,
            digest=digest,
            faults=items.faults,
            records=self._found,
        )

    def _completed(
        self, items: Items, label: str, complete: Callable[[list[RowData], str], list[RowData]]
    ) -> Items:
        """The items with their details; unusable items are not requested."""
        usable = [place for place in range(len(items.rows)) if place not in items.faults]
        rows = list(items.rows)
        whole = complete([rows[place] for place in usable], label)
        for place, row in zip(usable, whole, strict=True):
            rows[place] = row
        return checked(rows, label, items.faults)

    def _is_empty(self, document: Any, answer: Answer) -> bool:
        """Whether null is an empty list, as Go and others write it: the total shows it, or the
        user configured the path of the rows and nothing indicates an error.
        """
        if total_counter("").read(document, answer.headers, -1) == 0:
            return True
        return bool(self._records) and not may_hide_an_error(document)

    def _rows(self, document: Any, answer: Answer, where: str) -> list[Any]:
        path = self._found
        if path is None:
            path = find_rows(document)
            if path is None:
                raise DataError(
                    f"No list of rows was found in the response: {excerpt(answer)}",
                    where=where,
                    hint="Set records to the path of the list (a dot for the response itself)",
                )
            self._found = path
        found = at(document, path)
        if isinstance(found, list):
            if found:  # with empty lists, the wrong one is too easily chosen
                self._findings.settle("records", path, where=where)
            return found
        if isinstance(found, dict) and self._records:  # the user configured that this is the row
            return [found]
        if found is None and self._is_empty(document, answer):
            return []
        said = "is missing" if found is MISSING else f"is {kind(found)}"
        list_of_rows = (
            f"list of rows {path!r}" if path else "response should be a list of rows, but it"
        )
        raise DataError(
            f"The {list_of_rows} {said}: {excerpt(answer)}",
            where=where,
            hint="Nothing was deleted; check records, and whether the source has changed",
        )


def _page(number: int, request: Request, answer: Answer, document: Any, **more: Any) -> Page:
    return Page(
        number=number,
        request=request,
        url=answer.url,
        headers=answer.headers,
        document=document,
        answer=answer,
        **more,
    )
