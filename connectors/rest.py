"""REST APIs: any HTTP interface that returns rows, in one page or many."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson
import xxhash

from connectors._rest_config import RestConfig as RestConfig
from connectors._rest_config import Scalar
from connectors.formats import BodyReader, decoded, sample_of
from connectors.sdk import (
    Batch,
    CheckResult,
    ConfigurationError,
    Connector,
    Cursor,
    End,
    FieldFact,
    JsonValue,
    Proof,
    Row,
    RowData,
    redact,
    truth,
)
from connectors.sdk.bodies.shapes import Shape, likely_wrapper
from connectors.sdk.counting import counted
from connectors.sdk.http.auth import authenticator, with_secret_query
from connectors.sdk.http.client import Answer, CancelledError, HttpClient, Request
from connectors.sdk.http.failures import clock_of
from connectors.sdk.http.timeouts import QUICK, hurried, limited, timeouts
from connectors.sdk.paging.bodies import encoded
from connectors.sdk.paging.details import Details
from connectors.sdk.paging.distinct import likely_key
from connectors.sdk.paging.gather import Gatherer, field_facts
from connectors.sdk.paging.incremental import HighWater, step_back, with_cursor
from connectors.sdk.paging.ledger import Verdict
from connectors.sdk.paging.pages import Page, PageFetcher
from connectors.sdk.paging.walk import Pages
from connectors.sdk.paths import MISSING, at

_ACCEPT = {
    "auto": "application/json, */*;q=0.5",
    "json": "application/json",
    "ndjson": "application/x-ndjson, application/json;q=0.5",
    "csv": "text/csv, */*;q=0.5",
    "xml": "application/xml, text/xml, */*;q=0.5",
}


class RestConnector(Connector[RestConfig]):
    """Reads rows from a REST API."""

    type = "rest"
    title = "REST API"
    summary = "Rows of any HTTP API, as JSON, NDJSON, CSV or XML, with any paging style"
    Config = RestConfig

    def check(self) -> CheckResult:
        limits = self.context.limits
        with self._client(retries=min(1, limits.retries)) as client:
            pages = self._pages(client, self._fetcher(client))
            walk = iter(pages)
            page = next(walk)
            evidence = _of_beginning(page) if page.answer.cut else pages.so_far()
            style = pages.paginator.name if pages.paginator else "none"
            facts: dict[str, JsonValue] = {
                "status": page.answer.status,
                "format": self._bodies.format_of(page.answer),
                "rows on the first page": page.rows,
                "rows in all": pages.total,
                "pagination": style,
            }
            if page.records is not None:
                facts["records"] = page.records or "(the response itself)"
            advice = self._advice(page)
            decision: dict[str, JsonValue] | None = None
            if evidence.silent:
                decision = {"pagination": "none"}
            elif evidence.doubt:
                advice = [*advice, evidence.doubt]
            if server := page.answer.headers.get("Server"):
                facts["server"] = server
            return CheckResult(
                message=_summary(page.rows, pages.total, evidence),
                facts={**facts, **client.facts()},
                fields=_fields(page),
                warnings=[*client.warnings(), *self._bodies.warnings, *advice],
                row_estimate=page.rows if style == "none" else pages.total,
                evidence=evidence.evidence,
                decision=decision,
            )

    def _advice(self, page: Page) -> list[str]:
        """Settings that the rows seem to require."""
        wrapper = "" if self.config.row else likely_wrapper(page.items[:100])
        if not wrapper:
            return []
        return [
            f"Every row has its fields in {wrapper!r}; to use them directly, set row: {wrapper}"
        ]

    def default_key(self) -> Sequence[str]:
        with self._client(retries=min(1, self.context.limits.retries)) as client:
            page = self._fetcher(client)(self._base(None), 1)
        name = likely_key(page.items or sample_of(page.batches, 1000))
        return (name,) if name else ()

    def read(self, cursor: Cursor | None = None) -> Iterator[Batch]:
        config = self.config
        cursor = cursor if cursor and cursor.get("request") == self._identity() else None
        since = cursor.get("high") if cursor else None
        conditions = _conditions(cursor) if config.conditional and not config.details else {}
        water = HighWater(config.incremental, since) if config.incremental else None
        since = water.value if water else None  # a cursor in the future is ignored
        with self._client() as client, contextlib.suppress(CancelledError):
            pages = self._pages(client, self._fetcher(client, conditions), since)
            gatherer = Gatherer(self.context.limits.batch_size, self._is_deleted())
            first: Page | None = None
            last: Page | None = None
            for page in pages:
                if page.answer.status == 304:
                    yield gatherer.last(End.UNCHANGED, cursor, None, Proof.NOT_MODIFIED)
                    return
                first, last = first or page, page
                if water is not None:
                    _see(water, page)
                yield from gatherer.add(page, pages.total)
                if page.answer.cut:
                    yield gatherer.rest()
                    return
            verdict = pages.verdict()
            if verdict.because is None:
                # A cursor after rows that may be missing would skip them for ever.
                safe = water if water is not None and water.in_order else None
                doubt = _about_cursor(verdict, water)
                end, reached = End.UNPROVEN, self._cursor(safe, None)
            else:
                end, doubt = End.FULL if since is None else End.INCREMENTAL, ""
                alone = first is last and verdict.in_body
                reached = self._cursor(water, first if alone else None)
            closing = gatherer.last(end, reached, pages.total, verdict.because, doubt)
            closing.warnings = [*self._bodies.warnings, *(water.warnings() if water else ())]
            yield closing

    # Requests.

    def _client(self, retries: int | None = None) -> HttpClient:
        config = self.config
        secret = {name: value.get_secret_value() for name, value in config.secret_headers.items()}
        redact.remember(*secret.values())
        waits = timeouts(config.timeout, self.context.limits)
        for_auth = waits
        if retries is not None:  # a user is waiting
            # who sets timeout knows that the source is slow
            given = config.timeout is not None
            quick = replace(waits, connect=min(waits.connect, QUICK))
            waits = quick if given else hurried(waits)
            for_auth = replace(waits, read=min(waits.read, QUICK))
        until = self.context.until
        if until is not None and config.timeout is not None:
            until = max(until, time.monotonic() + waits.read + QUICK)
        return HttpClient(
            config.url,
            replace(self.context, until=until),
            tls=config.tls,
            auth=with_secret_query(
                authenticator(config.auth, limited(self.context, for_auth, retries), config.tls),
                config.secret_query,
            ),
            headers=config.headers | secret,
            timeouts=waits,
            per_minute=config.calls_per_minute,
            connections=config.parallel,
            retries=retries,
        )

    def _base(self, since: JsonValue) -> Request:
        """The request before paging, for all rows or for recent changes."""
        config = self.config
        back = None
        query = dict(config.query)
        if config.incremental is not None:
            if since is not None:
                back = step_back(since, config.incremental.lag)
            if config.incremental.param:
                query[config.incremental.param] = config.incremental.value
        pairs = [
            (name, _spelled(value))
            for name, values in with_cursor(query, back).items()
            for value in (values if isinstance(values, list) else [values])
        ]
        headers = {} if self._sets("Accept") else {"Accept": _ACCEPT[config.format]}
        body = with_cursor(config.body, back)
        content, media = encoded(body, self._sets("Content-Type"))
        if media:
            headers["Content-Type"] = media
        return Request(config.method, config.address, pairs, headers, content)

    def _sets(self, header: str) -> str:
        """The user's value for a header; empty if unset."""
        config = self.config
        given = config.headers | {
            name: value.get_secret_value() for name, value in config.secret_headers.items()
        }
        return next((v for name, v in given.items() if name.lower() == header.lower()), "")

    def _fetcher(self, client: HttpClient, conditions: dict[str, str] | None = None) -> PageFetcher:
        config = self.config
        self._bodies = self._body_reader()
        complete = None
        if config.details:
            headers = {} if self._sets("Accept") else {"Accept": "application/json"}
            details = Details(config.details, client, config.url, headers, config.parallel)
            complete = details.complete
        return PageFetcher(
            client,
            config.records,
            decode=self._decoded,
            complete=complete,
            conditions=conditions,
            shape=Shape(config.errors, config.row, config.columns),
            findings=self.context.findings,
            about=self._bodies.about,
            cut=self._enough if self.context.wanted or self.context.until else None,
        )

    def _enough(self, answer: Answer, last: bool) -> bytes | None:
        """As `Cut`: the rows that are wanted, or all that are there at the end of the time."""
        wanted = 0 if last else self.context.wanted
        return None if wanted is None else self._bodies.beginning(answer, wanted)

    def _pages(self, client: HttpClient, fetch: PageFetcher, since: JsonValue = None) -> Pages:
        config = self.config
        return Pages(
            fetch,
            config.pagination,
            self._base(since),
            client,
            parallel=1 if config.details else config.parallel,
            key=self.context.key,
            findings=self.context.findings,
        )

    def _is_deleted(self) -> Any:
        path, equals, word = self.config.deleted.partition("=")
        if not path:
            return None

        def is_deleted(row: RowData) -> bool:
            value = at(row, path)
            if equals:
                return value is not MISSING and str(value) == word
            try:
                return value is not MISSING and truth.is_set(value)
            except ValueError as error:
                raise truth.FlagError(path, value, str(error)) from None

        return is_deleted

    # Bodies.

    def _body_reader(self) -> BodyReader:
        config = self.config
        return BodyReader(
            config.format,
            records=config.records,
            errors=config.errors,
            options=config.csv,
            is_deleted=self._is_deleted(),
            context=self.context,
        )

    def _decoded(self, answer: Answer, what: str) -> Sequence[Batch] | None:
        """The rows of a body that is not JSON; None for JSON."""
        batches = self._bodies.batches(answer, what)
        if batches is not None and self.config.details:
            raise ConfigurationError("details work on JSON only", where=what)
        return batches

    # Cursors.

    def _identity(self) -> str:
        """Changes when the request does, because a cursor belongs to one request."""
        base = self._base(None)
        incremental = self.config.incremental
        parts = [base.method, base.full_url, self.config.records, (base.body or b"").decode()]
        parts.append(incremental.field if incremental else "")
        if self.config.row or self.config.columns:  # the same response would give other rows
            parts.append(f"{self.config.row} {self.config.columns}")
        return xxhash.xxh3_64_hexdigest(orjson.dumps(parts))

    def _cursor(self, water: HighWater | None, only: Page | None) -> Cursor | None:
        """The cursor for the next read; `only` is the page if there was only one."""
        cursor: Cursor = {}
        if water is not None and water.value is not None:
            cursor["high"] = water.value
        elif water is None and only is not None and self.config.conditional:
            # An ETag covers one page and proves nothing about the others.
            for name, header in (("etag", "ETag"), ("modified", "Last-Modified")):
                if value := only.headers.get(header):
                    cursor[name] = value
        return {**cursor, "request": self._identity()} if cursor else None


def _of_beginning(page: Page) -> Verdict:
    """What a test can say of an answer whose end it did not wait for."""
    said = f"{counted(page.rows, 'row')} came in the time of a test, and the answer went on"
    return Verdict(None, f"{said}. The test did not wait for its end.", said)


def _conditions(cursor: Cursor | None) -> dict[str, str]:
    names = (("etag", "If-None-Match"), ("modified", "If-Modified-Since"))
    return {header: str(cursor[name]) for name, header in names if cursor and name in cursor}


def _spelled(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _see(water: HighWater, page: Page) -> None:
    water.now = clock_of(page.answer.headers) or water.now
    for item in page.items:
        water.see(item, page.label)
    for row in itertools.chain.from_iterable(map(decoded, page.batches)):
        if isinstance(row, Row):
            water.see(row.data, row.position)


def _about_cursor(verdict: Verdict, water: HighWater | None) -> str:
    """The doubt, and what happens to the cursor of an incremental read."""
    if water is None or water.value is None:
        return verdict.doubt
    if water.in_order:
        return f"{verdict.doubt} The next run continues after the last row."
    return f"{verdict.doubt} The cursor is unchanged, because the rows are not sorted by it."


def _summary(rows: int, total: int | None, evidence: Verdict) -> str:
    if evidence.doubt:
        return evidence.evidence
    if total is not None:
        return f"{counted(rows, 'row')} on the first page, {total:,} in total"
    return f"{counted(rows, 'row')} on the first page"


def _fields(page: Page) -> list[FieldFact]:
    return field_facts([*page.items[:100], *sample_of(page.batches, 100)][:100])
