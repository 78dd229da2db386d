"""Every page of a read in order, and the evidence that it was complete."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace

from connectors.sdk.counting import counted
from connectors.sdk.errors import ConnectorError, ThrottledError
from connectors.sdk.findings import Findings
from connectors.sdk.http.client import CancelledError, HttpClient, Request
from connectors.sdk.paging import advice
from connectors.sdk.paging.base import Paginator
from connectors.sdk.paging.build import known, paginator
from connectors.sdk.paging.detect import Detector
from connectors.sdk.paging.ledger import Ledger, Verdict
from connectors.sdk.paging.pages import Asked, Page, PageFetcher
from connectors.sdk.paging.settings import AutoPages, NoPages, PaginationConfig
from connectors.sdk.paging.styles import SinglePage
from connectors.sdk.rows import Proof

_REFUSALS = (400, 404, 410, 416, 422)
"""Statuses with which servers reject a page after the last one."""
STYLE = "pagination"
UNPAGED = "unpaged"
"""Names of findings: the paging style; that no usual page parameter has an effect."""


class Pages:
    """The pages of one read. Iterate once; `paginator` is known after the first page.

    `key` are the paths that identify a row. `findings` save the next read the detection.
    `settings`: the connector has a setting `pagination`.
    """

    def __init__(
        self,
        fetch: PageFetcher,
        config: PaginationConfig,
        base: Request,
        client: HttpClient,
        *,
        parallel: int = 1,
        key: Sequence[str] = (),
        findings: Findings | None = None,
        settings: bool = True,
    ) -> None:
        self._fetch = fetch
        self._config = config
        self._base = base
        self._client = client
        self._parallel = parallel
        self._key = tuple(key)
        self._findings = findings or Findings()
        self._ledger = Ledger(
            key,
            repeats=not isinstance(config, NoPages) and config.repeats,
            more=config.more,
            settings=settings,
        )
        self.paginator: Paginator | None = None
        self.following: Request | None = None
        """The request after the latest page; None if it was the last."""

    @property
    def total(self) -> int | None:
        return self.paginator.total if self.paginator else None

    def verdict(self) -> Verdict:
        """The evidence, once every page was read. Raises DataError if there is more."""
        assert self.paginator is not None
        return self._ledger.verdict(self.paginator, stated=isinstance(self._config, NoPages))

    def so_far(self) -> Verdict:
        """The evidence after the first page and style detection, for a check.

        Raises DataError if the page is the last one and the source states that there is more.
        """
        if self.following is None:
            return self.verdict()
        assert self.paginator is not None
        style = advice.setting(self.paginator.settings)
        rows = self._ledger.rows
        named = counted(rows, "row")
        if self.total is not None:
            named = f"{rows:,} of {counted(self.total, 'row')}"
        return Verdict(Proof.LAST_LINK, "", f"{named}; the next page by {style}")

    def __iter__(self) -> Iterator[Page]:
        found = paginator(self._config, self._base, self._client.join)
        if found is None and isinstance(self._config, AutoPages):
            style = self._findings.get(STYLE)
            found = known(style, self._config, self._base, self._client.join)
        start = found or SinglePage(self._base)
        page = self._fetch(start.first(), 1, ())
        if page.answer.status == 304:
            yield page
            return
        if page.answer.cut:
            self.paginator = start
            yield page
            return
        second: Page | None = None
        if found is None:
            found, second = self._detected(page)
        self.paginator = found
        self._take(page, found)
        yield page
        if second is None and self.following is not None and self._parallel > 1:
            with contextlib.closing(self._in_parallel(found.ahead(page), found)) as ahead:
                for page in ahead:
                    if page.answer.cut:
                        yield page
                        return
                    if not self._take(page, found):
                        return
                    yield page
                    if self.following is None:
                        return
        while self.following is not None:
            end = (*found.end_status, *_REFUSALS) if found.verifies else found.end_status
            page = second or self._fetch(self.following, page.number + 1, end)
            second = None
            if page.answer.cut:  # what follows is not known
                yield page
                return
            if not self._take(page, found):
                return
            yield page

    def _take(self, page: Page, found: Paginator) -> bool:
        """Add a page and determine what follows. False: ignore the page."""
        if not self._ledger.add(page, found):
            self.following = None
            return False
        self.following = found.next(page)
        if not page.past_end:
            self._ledger.counted(found.total, page.rows)
        return True

    def _detected(self, page: Page) -> tuple[Paginator, Page | None]:
        """The paginator for the style of page 1, and page 2 if it was requested."""
        assert isinstance(self._config, AutoPages)
        detector = Detector(self._config, self._base, self._client.join, self._probe, self._key)
        probes = self._findings.get(UNPAGED) is not True
        found, second = detector.style(page, probes=probes)
        if detector.certain:
            self._findings.settle(STYLE, found.settings)
        elif detector.ignored and page.rows:
            self._findings.settle(UNPAGED, True)
        return found, second

    def _probe(self, request: Request) -> Page | None:
        """Request page 2 with parameters that may be unsupported; None if the source refuses."""
        try:
            return self._fetch(replace(request, once=True), 2, ())
        except (CancelledError, ThrottledError):
            raise
        except ConnectorError:
            return None

    def _in_parallel(
        self, requests: Iterator[Request], found: Paginator
    ) -> Generator[Page, None, None]:
        """Pages of known requests, several at a time, yielded in order."""
        waiting: deque[Future[Asked]] = deque()
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="pages") as pool:
            try:
                for number, request in enumerate(requests, 2):
                    waiting.append(pool.submit(self._fetch.ask, request, number, found.end_status))
                    if len(waiting) > self._parallel:
                        yield self._result(waiting.popleft())
                while waiting:
                    yield self._result(waiting.popleft())
            except BaseException:
                # A closed generator must not wait for pages in progress.
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
