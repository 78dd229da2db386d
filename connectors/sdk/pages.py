"""Every page of a read: fetched, checked to be one, and handed on in order."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.sdk import autopaging
from connectors.sdk.bodies import Items, checked, digest_of, excerpt, items_of, kind, parse_json
from connectors.sdk.errors import AccessDeniedError, AuthenticationError, DataError, FatalError
from connectors.sdk.http import Answer, HttpClient, Request
from connectors.sdk.pagination import AutoPages, PaginationConfig
from connectors.sdk.paginators import Numbered, Paginator, Seen
from connectors.sdk.records import MISSING, at, find_rows
from connectors.sdk.refusals import failure_in, may_hide_an_error
from connectors.sdk.rows import Batch, RowData, RowProblem
from connectors.sdk.shapes import Shape
from connectors.sdk.totals import total_counter

_EMPTY_IN_A_ROW = 100
"""Pages without rows that may follow each other before they are taken for a loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Seen):
    """A page and its rows: decoded `items`, or `batches` of another format."""

    items: Sequence[RowData] = ()
    places: Sequence[int] | None = None
    """Positions of the items from 1 where some were no rows; None: 1, 2, 3, …"""
    faults: Mapping[int, RowProblem] = field(default_factory=dict)
    """The items that cannot be used, by their place among `items`."""
    problems: Sequence[RowProblem] = ()
    batches: Sequence[Batch] = ()
    answer: Answer
    found: Sequence[Any] = ()
    """The items as they came: before details, and those that are no objects included."""
    raws: Sequence[bytes] | None = None
    """The raw forms of the items, made where the page was fetched; None: not yet."""
    records: str | None = None
    """Where in the document the rows were found."""

    digest: bytes = b""
    """Equal digests mean equal rows in equal order."""

    @property
    def label(self) -> str:
        return f"page {self.number}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What came for a page; its body was not looked at yet."""

    number: int
    request: Request
    answer: Answer
    ended: bool
    """The status alone says that there is no page, or that nothing moved."""


class PageFetcher:
    """Asks for a page and takes its rows out of the JSON (or what `decode` makes of the body)."""

    def __init__(
        self,
        client: HttpClient,
        records: str = "",
        *,
        decode: Callable[[Answer, str], Sequence[Batch] | None] | None = None,
        complete: Callable[[list[RowData], str], list[RowData]] | None = None,
        conditions: Mapping[str, str] | None = None,
        shape: Shape | None = None,
    ) -> None:
        self._shape = shape or Shape()
        self._client = client
        self._records = records
        self._found: str | None = records or None
        self._decode = decode
        self._complete = complete
        self._conditions = dict(conditions or {})

    def __call__(self, request: Request, number: int, end_status: tuple[int, ...] = ()) -> Page:
        return self.page(self.ask(request, number, end_status))

    def ask(self, request: Request, number: int, end_status: tuple[int, ...] = ()) -> Asked:
        """The network's part; called from several threads once the first page is there."""
        asked = replace(request, what=f"page {number}")
        accept = end_status
        if number == 1 and self._conditions:
            asked.headers = asked.headers | self._conditions
            accept = (304,)
        answer = self._client.request(asked, accept=accept)
        return Asked(number, asked, answer, answer.status in accept or answer.status == 204)

    def page(self, asked: Asked) -> Page:
        """The processor's part, which several threads would only do more slowly."""
        number, request, answer = asked.number, asked.request, asked.answer
        if asked.ended:
            return _page(number, request, answer, None, rows=0, past_end=answer.status != 204)
        batches = self._decode(answer, f"page {number}") if self._decode else None
        if batches is not None:
            rows = sum(len(batch) + len(batch.problems) for batch in batches)
            digest = digest_of(raw for batch in batches for raw in (*batch.raw(), b"\n"))
            return _page(number, request, answer, None, rows=rows, batches=batches, digest=digest)
        return self._from_json(number, request, answer)

    def _from_json(self, number: int, request: Request, answer: Answer) -> Page:
        where = request.where
        document = parse_json(answer, where)
        failure = failure_in(document, self._records, self._shape.errors)
        if failure is not None:
            raise DataError(
                f"The answer is an error under status {answer.status} ({failure}): "
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
        """The items with their details; nothing is asked for those that cannot be used."""
        usable = [place for place in range(len(items.rows)) if place not in items.faults]
        rows = list(items.rows)
        whole = complete([rows[place] for place in usable], label)
        for place, row in zip(usable, whole, strict=True):
            rows[place] = row
        return checked(rows, label, items.faults)

    def _is_empty(self, document: Any, answer: Answer) -> bool:
        """Whether null is a list without items, as Go and others write it: the answer's total
        says so, or a person said that the rows are there and nothing speaks of an error.
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
                    f"No list of rows was found in the answer: {excerpt(answer)}",
                    where=where,
                    hint="Set records to the path of the list (a dot for the answer itself)",
                )
            self._found = path
        found = at(document, path)
        if isinstance(found, list):
            return found
        if isinstance(found, dict):
            return [found]
        if found is None and self._is_empty(document, answer):
            return []
        said = "is not there" if found is MISSING else f"is {kind(found)}"
        raise DataError(
            f"The list of rows {path or 'that is the answer'!r} {said}: {excerpt(answer)}",
            where=where,
            hint="Nothing was deleted; check records, and whether the source changed",
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


class Pages:
    """The pages of one read. Iterate once; `paginator` is known after the first page."""

    def __init__(
        self,
        fetch: PageFetcher,
        config: PaginationConfig,
        base: Request,
        client: HttpClient,
        *,
        parallel: int = 1,
    ) -> None:
        self._fetch = fetch
        self._config = config
        self._base = base
        self._client = client
        self._parallel = parallel
        self._digests: dict[bytes, int] = {}
        self._empty = 0
        self.paginator: Paginator | None = None

    @property
    def total(self) -> int | None:
        return self.paginator.total if self.paginator else None

    def __iter__(self) -> Iterator[Page]:
        paginator = autopaging.paginator(self._config, self._base, self._client.join)
        start = paginator.first() if paginator else self._unpaged()
        page = self._fetch(start, 1, ())
        if page.answer.status == 304:
            yield page
            return
        second: Page | None = None
        if paginator is None:
            paginator, second = self._detected(page)
        self.paginator = paginator
        self._check_new(page)
        following = paginator.next(page)
        yield page
        if second is None and following is not None and self._parallel > 1:
            ahead = self._in_parallel(paginator.ahead(page), paginator)
            with contextlib.closing(ahead):
                for page in ahead:
                    self._check_new(page)
                    following = paginator.next(page)
                    yield page
                    if following is None:
                        return
        while following is not None:
            page = second or self._fetch(following, page.number + 1, paginator.end_status)
            second = None
            self._check_new(page)
            following = paginator.next(page)
            yield page

    def _unpaged(self) -> Request:
        assert isinstance(self._config, AutoPages)
        return autopaging.single(self._config, self._base).first()

    def _detected(self, page: Page) -> tuple[Paginator, Page | None]:
        """The paginator that fits the first page, and page 2 when it took that to find out."""
        config = self._config
        assert isinstance(config, AutoPages)
        follow = self._client.join
        found = autopaging.detect(page, config, self._base, follow)
        if found is not None:
            return found, None
        for candidate in autopaging.candidates(page.rows, config, self._base):
            request = candidate.next(page)
            if request is None:  # its total says that this is all
                break
            second = self._probe(request)
            if second is None or autopaging.same_rows(page.items, second.items):
                continue
            if isinstance(candidate, Numbered) and second.rows:
                # A source that counts from 0 gives its second page for page=1.
                zero = autopaging.from_zero(config, self._base)
                other = self._probe(zero.next(page) or request)
                if other and other.rows and not autopaging.same_rows(page.items, other.items):
                    candidate, second = zero, other
            candidate.rows = 0
            return candidate, second
        return autopaging.single(config, self._base), None

    def _probe(self, request: Request) -> Page | None:
        """Page 2 asked for in a way that the source may not know; None when it refuses."""
        try:
            return self._fetch(request, 2, ())
        except (AuthenticationError, AccessDeniedError):
            raise
        except FatalError:
            return None

    def _check_new(self, page: Page) -> None:
        """Raise DataError when this page came before: paging does not advance."""
        if page.rows == 0:
            self._empty += 1
            if self._empty > _EMPTY_IN_A_ROW:
                raise DataError(
                    f"{self._empty} pages without rows in a row, and always a next one",
                    where=page.label,
                    hint="Check pagination: the source may not know its parameters",
                )
            return
        self._empty = 0
        before = self._digests.setdefault(page.digest, page.number)
        if before != page.number:
            raise DataError(
                f"Page {page.number} repeats page {before} word for word: paging goes in a circle",
                where=page.request.where,
                hint="Check pagination: the source may not know its parameters",
            )

    def _in_parallel(
        self, requests: Iterator[Request], paginator: Paginator
    ) -> Generator[Page, None, None]:
        """Pages of known requests, several under way at once, handed on in order."""
        waiting: deque[Future[Asked]] = deque()
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="pages") as pool:
            try:
                for number, request in enumerate(requests, 2):
                    end_status = paginator.end_status
                    waiting.append(pool.submit(self._fetch.ask, request, number, end_status))
                    if len(waiting) > self._parallel:
                        yield self._result(waiting.popleft())
                while waiting:
                    yield self._result(waiting.popleft())
            except BaseException:
                # Whoever stopped listening must not wait for pages under way.
                for future in waiting:
                    future.cancel()
                if not all(future.done() for future in waiting):
                    self._client.close()
                raise

    def _result(self, future: Future[Asked]) -> Page:
        while True:
            try:
                asked = future.result(timeout=0.2)
            except FutureTimeoutError:
                if future.done():
                    raise
                self._client.check_cancelled()
            else:
                return self._fetch.page(asked)
