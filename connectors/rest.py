"""REST APIs: any HTTP interface that answers with rows, in one page or many."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import orjson
import xxhash
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic import JsonValue as Document

from connectors import formats
from connectors.formats import CsvOptions, FormatReader
from connectors.sdk import (
    Batch,
    CheckResult,
    ConfigModel,
    ConfigurationError,
    Connector,
    ConnectorConfig,
    Cursor,
    DataError,
    End,
    FieldFact,
    JsonValue,
    Limits,
    Proof,
    RowData,
    canonical,
    redact,
)
from connectors.sdk.auth import AuthConfig, NoAuth, authenticator
from connectors.sdk.autopaging import likely_key
from connectors.sdk.bodies import excerpt
from connectors.sdk.details import DetailConfig, Details
from connectors.sdk.gather import Gatherer, field_facts
from connectors.sdk.http import Answer, CancelledError, HttpClient, Request, Timeouts, origin_of
from connectors.sdk.incremental import (
    HighWater,
    IncrementalConfig,
    has_cursor,
    step_back,
    with_cursor,
)
from connectors.sdk.pages import Page, PageFetcher, Pages
from connectors.sdk.pagination import AutoPages, PaginationConfig
from connectors.sdk.records import at, failure_in
from connectors.sdk.tls import TlsConfig

Scalar = str | int | float | bool
Format = Literal["auto", "json", "ndjson", "csv", "xml"]

_FORMATS: dict[str, Format] = {
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/jsonlines": "ndjson",
    "application/json-seq": "ndjson",
    "text/csv": "csv",
    "application/csv": "csv",
    "application/xml": "xml",
    "text/xml": "xml",
}
_ACCEPT = {
    "auto": "application/json, */*;q=0.5",
    "json": "application/json",
    "ndjson": "application/x-ndjson, application/json;q=0.5",
    "csv": "text/csv, */*;q=0.5",
    "xml": "application/xml, text/xml, */*;q=0.5",
}


class TimeoutConfig(ConfigModel):
    """Seconds; what is left out is the instance's default."""

    connect: float | None = Field(default=None, gt=0, description="To get a connection")
    read: float | None = Field(default=None, gt=0, description="Between two pieces of an answer")
    total: float | None = Field(
        default=None, gt=0, description="For one request in all, its retries included"
    )


class RestConfig(ConnectorConfig):
    """Connection settings of a REST API."""

    url: str = Field(description="Where the API is; credentials go to this host only")
    endpoint: str = Field(default="", description="Path of the rows below it")
    method: Literal["GET", "POST"] = Field(default="GET", description="HTTP method")
    headers: dict[str, str] = Field(default_factory=dict, description="More request headers")
    secret_headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="Request headers whose values nobody may see"
    )
    query: dict[str, Scalar | list[Scalar]] = Field(
        default_factory=dict, description="Query parameters; {{ cursor }} is filled in"
    )
    body: Document = Field(default=None, description="Body of a POST, sent as JSON; or a text")
    records: str = Field(
        default="", description="Path of the list of rows; found by itself when left out"
    )
    pagination: PaginationConfig = Field(
        default_factory=AutoPages, description="How to get from page to page"
    )
    auth: AuthConfig = Field(default_factory=NoAuth, description="Who we are")
    tls: TlsConfig = Field(default_factory=TlsConfig, description="TLS settings")
    timeout: float | TimeoutConfig | None = Field(
        default=None, description="Seconds to wait for data, or {connect, read, total}"
    )
    format: Format = Field(default="auto", description="Format of the body")
    csv: CsvOptions = Field(default_factory=CsvOptions, description="How a CSV body is written")
    incremental: IncrementalConfig | None = Field(
        default=None, description="Ask only for what changed since the last run"
    )
    deleted: str = Field(
        default="", description="Path of a field that is set when the source deleted the row"
    )
    details: list[DetailConfig] = Field(
        default_factory=list, description="One more request for each row"
    )
    conditional: bool = Field(
        default=True, description="Ask whether anything changed (ETag, Last-Modified)"
    )
    parallel: int = Field(
        default=4, ge=1, le=32, description="Requests under way at once, where that is possible"
    )
    calls_per_minute: int | None = Field(
        default=None, ge=1, description="Never ask more often than this"
    )

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        try:
            origin_of(url)
        except ConfigurationError as error:
            raise ValueError(error.what) from None
        if "@" in urlsplit(url).netloc:
            raise ValueError("must hold no user and password; use auth: {type: basic, …}")
        return url

    @field_validator("endpoint")
    @classmethod
    def _below_url(cls, endpoint: str) -> str:
        if "://" in endpoint:
            raise ValueError("must be a path below url, not an address of its own")
        return endpoint

    @model_validator(mode="after")
    def _agrees(self) -> RestConfig:
        if self.body is not None and self.method == "GET":
            raise ValueError("a body needs method: POST")
        sent = self.incremental is not None and (
            self.incremental.param or has_cursor(self.query) or has_cursor(self.body)
        )
        if self.incremental is not None and not sent:
            raise ValueError("incremental needs a param, or {{ cursor }} in query or body")
        if self.incremental is None and (has_cursor(self.query) or has_cursor(self.body)):
            raise ValueError("{{ cursor }} needs incremental: {field: …}")
        return self

    @property
    def address(self) -> str:
        if not self.endpoint:
            return self.url
        return f"{self.url.rstrip('/')}/{self.endpoint.lstrip('/')}"


class RestConnector(Connector[RestConfig]):
    """Reads rows from a REST API."""

    type = "rest"
    title = "REST API"
    summary = "Rows of any HTTP API, as JSON, NDJSON, CSV or XML, whichever way it pages"
    Config = RestConfig

    def check(self) -> CheckResult:
        limits = self.context.limits
        with self._client(retries=min(1, limits.retries)) as client:
            pages = Pages(self._fetcher(client), self.config.pagination, self._base(None), client)
            walk = iter(pages)
            page = next(walk)
            style = pages.paginator.name if pages.paginator else "none"
            facts: dict[str, JsonValue] = {
                "status": page.answer.status,
                "format": self._format(page.answer),
                "rows on the first page": page.rows,
                "rows in all": pages.total,
                "pagination": style,
            }
            if page.records is not None:
                facts["records"] = page.records or "(the answer itself)"
            if server := page.answer.headers.get("Server"):
                facts["server"] = server
            return CheckResult(
                message=_summary(page.rows, pages.total),
                facts={**facts, **client.facts()},
                fields=_fields(page),
                warnings=client.warnings(),
                row_estimate=page.rows if style == "none" else pages.total,
            )

    def default_key(self) -> Sequence[str]:
        with self._client(retries=min(1, self.context.limits.retries)) as client:
            page = self._fetcher(client)(self._base(None), 1)
        name = likely_key(page.items or [row.data for batch in page.batches for row in batch])
        return (name,) if name else ()

    def read(self, cursor: Cursor | None = None) -> Iterator[Batch]:
        config = self.config
        cursor = cursor if cursor and cursor.get("request") == self._identity() else None
        since = cursor.get("high") if cursor else None
        conditions = _conditions(cursor) if config.conditional and not config.details else {}
        water = HighWater(config.incremental, since) if config.incremental else None
        with self._client() as client, contextlib.suppress(CancelledError):
            fetch = self._fetcher(client, conditions)
            parallel = 1 if config.details else config.parallel
            pages = Pages(fetch, config.pagination, self._base(since), client, parallel=parallel)
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
            end = End.FULL if since is None else End.INCREMENTAL
            reached = self._cursor(water, first if first is last else None)
            because = Proof.LAST_LINK if pages.total is None else Proof.TOTAL
            yield gatherer.last(end, reached, pages.total, because)

    # Requests.

    def _client(self, retries: int | None = None) -> HttpClient:
        config = self.config
        secret = {name: value.get_secret_value() for name, value in config.secret_headers.items()}
        redact.remember(*secret.values())
        return HttpClient(
            config.url,
            self.context,
            tls=config.tls,
            auth=authenticator(config.auth, self.context, config.tls),
            headers=config.headers | secret,
            timeouts=_timeouts(config.timeout, self.context.limits),
            per_minute=config.calls_per_minute,
            connections=config.parallel,
            retries=retries,
        )

    def _base(self, since: JsonValue) -> Request:
        """The request before paging, for everything or for what came since."""
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
        headers = {"Accept": _ACCEPT[config.format]}
        body = with_cursor(config.body, back)
        if body is not None:
            headers["Content-Type"] = "text/plain" if isinstance(body, str) else "application/json"
        content = body.encode() if isinstance(body, str) else body and canonical.dumps(body)
        return Request(config.method, config.address, pairs, headers, content or None)

    def _fetcher(self, client: HttpClient, conditions: dict[str, str] | None = None) -> PageFetcher:
        config = self.config
        complete = None
        if config.details:
            headers = {"Accept": "application/json"}
            details = Details(config.details, client, config.url, headers, config.parallel)
            complete = details.complete
        return PageFetcher(
            client,
            config.records,
            decode=self._decoded,
            complete=complete,
            conditions=conditions,
        )

    def _is_deleted(self) -> Any:
        path = self.config.deleted
        if not path:
            return None
        return lambda row: bool(at(row, path))

    # Bodies.

    def _format(self, answer: Answer) -> Format:
        if self.config.format != "auto":
            return self.config.format
        media = answer.media_type
        if media.endswith("+xml") and "html" not in media:
            return "xml"
        return _FORMATS.get(media, "json")

    def _decoded(self, answer: Answer, what: str) -> Sequence[Batch] | None:
        """The rows of a body that is no JSON; None for one that is."""
        kind = self._format(answer)
        if kind == "json":
            return None
        if self.config.details or self.config.deleted:
            raise ConfigurationError(
                f"details and deleted work on JSON only, and this is {kind}", where=what
            )
        if kind in ("csv", "xml") and answer.media_type in ("application/json", "text/html"):
            raise DataError(
                f"The answer is {answer.media_type}, not {kind}: {excerpt(answer)}", where=what
            )
        reader = self._reader(kind, answer.charset).told(self.context)
        size = self.context.limits.batch_size
        batches = list(reader.batches(io.BytesIO(answer.body), name=what, batch_size=size))
        if kind == "ndjson" and len(batches) == 1 and len(batches[0]) == 1:
            failure = failure_in(orjson.loads(batches[0].raw()[0]))
            if failure:
                raise DataError(
                    f"The answer is an error ({failure}): {excerpt(answer)}", where=what
                )
        return batches

    def _reader(self, kind: Format, charset: str | None) -> FormatReader:
        if kind == "csv":
            options = self.config.csv
            if charset and not options.encoding:
                options = options.model_copy(update={"encoding": charset})
            return formats.CsvReader(options)
        if kind == "xml":
            return formats.XmlReader(self.config.records)
        return formats.NdjsonReader()

    # Cursors.

    def _identity(self) -> str:
        """Changes when the request does: a cursor of another request means nothing."""
        base = self._base(None)
        incremental = self.config.incremental
        parts = [base.method, base.full_url, self.config.records, (base.body or b"").decode()]
        parts.append(incremental.field if incremental else "")
        return xxhash.xxh3_64_hexdigest(orjson.dumps(parts))

    def _cursor(self, water: HighWater | None, only: Page | None) -> Cursor | None:
        """What the next read needs; `only` is the page when there was but one."""
        cursor: Cursor = {}
        if water is not None and water.value is not None:
            cursor["high"] = water.value
        elif water is None and only is not None and self.config.conditional:
            # An ETag speaks of one page; it proves nothing of the others.
            for name, header in (("etag", "ETag"), ("modified", "Last-Modified")):
                if value := only.headers.get(header):
                    cursor[name] = value
        return {**cursor, "request": self._identity()} if cursor else None


def _conditions(cursor: Cursor | None) -> dict[str, str]:
    names = (("etag", "If-None-Match"), ("modified", "If-Modified-Since"))
    return {header: str(cursor[name]) for name, header in names if cursor and name in cursor}


def _timeouts(given: float | TimeoutConfig | None, limits: Limits) -> Timeouts:
    config = given if isinstance(given, TimeoutConfig) else TimeoutConfig(read=given)
    return Timeouts(
        config.connect or limits.connect_timeout,
        config.read or limits.read_timeout,
        config.total or limits.total_timeout,
    )


def _spelled(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _see(water: HighWater, page: Page) -> None:
    for item in page.items:
        water.see(item, page.label)
    for row in itertools.chain.from_iterable(page.batches):
        water.see(row.data, row.position)


def _summary(rows: int, total: int | None) -> str:
    if total is not None:
        return f"{rows} rows on the first page, {total} in all"
    return f"{rows} rows on the first page"


def _fields(page: Page) -> list[FieldFact]:
    rows: list[RowData] = list(page.items[:100])
    for batch in page.batches:
        rows.extend(row.data for row in batch)
    return field_facts(rows[:100])
