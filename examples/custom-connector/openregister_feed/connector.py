"""The connector: fetches the feed, and yields its entries in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import Field

from connectors.sdk import (
    Batch,
    CheckResult,
    Connector,
    ConnectorConfig,
    Cursor,
    End,
    Proof,
    Row,
    RowBatch,
    RowProblem,
)
from connectors.sdk.http.auth import AuthConfig, NoAuth, authenticator
from connectors.sdk.http.client import Answer, HttpClient, Request
from connectors.sdk.net.tls import TlsConfig
from connectors.sdk.paging.gather import field_facts
from openregister_feed.entries import Feed, parse

_NOT_MODIFIED = 304


class FeedConfig(ConnectorConfig):
    """Connection settings of a feed."""

    url: str = Field(pattern="^https?://", description="Address of the RSS or Atom feed")
    auth: AuthConfig = Field(default_factory=NoAuth, description="Credentials")
    tls: TlsConfig = Field(default_factory=TlsConfig, description="TLS settings")


class FeedConnector(Connector[FeedConfig]):
    """Reads the current entries of a feed."""

    type: ClassVar[str] = "feed"
    title: ClassVar[str] = "RSS or Atom feed"
    summary: ClassVar[str] = "Entries of an RSS 2.0 or Atom feed"
    Config = FeedConfig

    def check(self) -> CheckResult:
        with self._client() as client:
            feed = self._feed(client.request(self._request(None)))
            rows = [item for item in feed.items if isinstance(item, Row)]
            return CheckResult(
                message=f"{feed.format} feed {feed.title!r}, {len(feed.items)} entries",
                facts={"format": feed.format, "title": feed.title, **client.facts()},
                fields=field_facts([row.data for row in rows]),
                warnings=client.warnings(),
                row_estimate=len(feed.items),
            )

    def default_key(self) -> Sequence[str]:
        return ("id",)

    def read(self, cursor: Cursor | None = None) -> Iterator[Batch]:
        known = cursor if cursor and cursor.get("url") == self.config.url else None
        with self._client() as client:
            answer = client.request(self._request(known), accept=(_NOT_MODIFIED,))
        if answer.status == _NOT_MODIFIED:
            yield RowBatch(end=End.UNCHANGED, because=Proof.NOT_MODIFIED)
            return
        items = self._feed(answer).items
        size = self.context.limits.batch_size
        for start in range(0, len(items), size):
            if self.context.cancelled():
                return
            yield _batch(items[start : start + size], total=len(items))
        # A feed has only its newest entries: one that has left the feed is old, not gone.
        yield RowBatch(
            end=End.INCREMENTAL,
            because=Proof.END_OF_DATA,
            cursor=self._reached(answer),
            total=len(items),
        )

    def _client(self) -> HttpClient:
        config = self.config
        auth = authenticator(config.auth, self.context, config.tls)
        return HttpClient(config.url, self.context, tls=config.tls, auth=auth)

    def _request(self, known: Cursor | None) -> Request:
        headers = {"Accept": "application/atom+xml, application/rss+xml, application/xml;q=0.8"}
        if known and known.get("etag"):
            headers["If-None-Match"] = str(known["etag"])
        if known and known.get("modified"):
            headers["If-Modified-Since"] = str(known["modified"])
        return Request("GET", self.config.url, headers=headers)

    def _reached(self, answer: Answer) -> Cursor:
        return {
            "url": self.config.url,
            "etag": answer.headers.get("ETag"),
            "modified": answer.headers.get("Last-Modified"),
        }

    def _feed(self, answer: Answer) -> Feed:
        return parse(answer.body, self._request(None).where)


def _batch(items: Sequence[Row | RowProblem], total: int) -> RowBatch:
    return RowBatch(
        rows=[item for item in items if isinstance(item, Row)],
        problems=[item for item in items if isinstance(item, RowProblem)],
        total=total,
    )
