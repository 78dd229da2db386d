"""HTTP messages: a request before it is sent, and a complete response."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from connectors.sdk import redact
from connectors.sdk.errors import ConfigurationError, DataError

GZIP = b"\x1f\x8b\x08"
"""The first bytes of gzip data (RFC 1952, 2.3.1)."""

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, between two parts of a response, and for one request in total."""

    connect: float
    read: float
    total: float
    names: tuple[str, str] = ("source.timeout", "source.total_timeout")
    """The settings of the last two, for hints; those of the instance where the source has none."""


@dataclass(slots=True)
class Request:
    """One request before it is sent; `what` names it in errors ("page 3")."""

    method: str
    url: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    what: str = ""
    redirects: bool = True
    once: bool = False
    """Not retried: it uses a feature that the server may not support."""

    @property
    def full_url(self) -> str:
        if not self.query:
            return self.url
        base, mark, fragment = self.url.partition("#")
        joint = "&" if "?" in base else "?"
        try:
            query = urlencode(self.query)
        except UnicodeEncodeError:  # the source gave a token with a lone surrogate
            raise DataError(
                "The source returned a value for the next request that is not valid text",
                where=self.url,
            ) from None
        return f"{base}{joint}{query}{mark}{fragment}"

    @property
    def where(self) -> str:
        place = redact.redact(f"{self.method} {self.full_url}")
        return f"{self.what}, {place}" if self.what else place


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; `body` is decompressed (gzip), and truncated only if `cut` is set."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False
    """The body went on: enough of it came, or its time was over."""

    @property
    def media_type(self) -> str:
        """The media type in lower case without parameters; empty if there is none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        for part in self.headers.get("Content-Type", "").split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "charset":
                return value.strip().strip("\"'") or None
        return None


class Authenticator(Protocol):
    """Adds credentials to requests to the configured origin."""

    def apply(self, request: Request) -> None:
        """Add the credentials; may request them first."""

    def renew(self, request: Request) -> bool:
        """After a 401 on `request`, as sent: get new credentials. False if there are none."""

    def close(self) -> None:
        """Abort a request in progress."""


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port, to which credentials are bound. Raises ConfigurationError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"This is not a valid URL: {error}", where=url) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            "The URL must begin with https:// or http:// and contain a host",
            where=redact.redact(url),
        )
    return parts.scheme, parts.hostname.lower(), port or (443 if parts.scheme == "https" else 80)


def decoded(pieces: Iterator[bytes], headers: Mapping[str, str]) -> Iterator[bytes]:
    """Undo the content encoding piece by piece, inflating at most 64 KiB at a time.

    Raises zlib.error for a damaged body, EOFError for a truncated one, DataError for an
    encoding that was not requested.
    """
    encoding = headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from pieces
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise DataError(
            f"The content encoding {redact.shorten(encoding, 40)!r} was not requested",
            hint="Ask the server's administrator to use gzip, deflate or none",
        )
    inflate: Any = None
    empty = True
    for piece in _whole_signature(pieces):
        if empty and encoding != "deflate" and not _may_be_packed(piece):
            yield piece  # labelled as gzip, but not compressed
            yield from pieces
            return
        empty = False
        while piece:
            if inflate is None or inflate.eof:  # a gzip body may have several members
                inflate = zlib.decompressobj(wbits=_window_bits(piece, encoding))
            full = True
            while full:
                chunk = inflate.decompress(piece, _CHUNK)
                yield chunk
                piece = inflate.unconsumed_tail
                full = bool(piece) or len(chunk) == _CHUNK
            piece = inflate.unused_data
    if not (empty or inflate is None or inflate.eof):
        raise EOFError


def _whole_signature(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, the first of which has at least two bytes unless it is the last."""
    first = b""
    for piece in pieces:
        first += piece
        if len(first) > 1:
            break
    if first:
        yield first
    yield from pieces


def _may_be_packed(piece: bytes) -> bool:
    """Whether this begins like gzip or zlib."""
    return piece.startswith(GZIP[:2]) or _is_zlib(piece)


def _is_zlib(piece: bytes) -> bool:
    """Whether this begins with a zlib header (RFC 1950, 2.2)."""
    return len(piece) > 1 and piece[0] & 0x0F == 8 and (piece[0] * 256 + piece[1]) % 31 == 0


def _window_bits(piece: bytes, encoding: str) -> int:
    """zlib or gzip by its header; some servers send deflate without one (RFC 9110, 8.4.1.2)."""
    raw = encoding == "deflate" and not _may_be_packed(piece)
    return -zlib.MAX_WBITS if raw else 47


def gunzipped(body: bytes, limit: int) -> bytes:
    """Decompress a gzip body that no header declares (a file served unchanged).

    Stops after `limit` bytes. A body that only looks like gzip is returned unchanged.
    """
    if not body.startswith(GZIP):
        return body
    chunks: list[bytes] = []
    size = 0
    try:
        for chunk in decoded(iter([body]), {"Content-Encoding": "gzip"}):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                break
    except (zlib.error, EOFError):
        return body
    return b"".join(chunks)


def beginning_of(body: bytes) -> bytes:
    """The beginning of a body for a message, also if it is undeclared gzip."""
    if not body.startswith(GZIP):
        return body
    try:
        return zlib.decompressobj(wbits=47).decompress(body, _CHUNK)
    except zlib.error:
        return body
