"""Translate HTTP failures to errors with what the server reported and a hint how to fix them."""

from __future__ import annotations

import datetime
import email.utils
import errno
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.client import HTTPException

import urllib3.exceptions as u3

from connectors.sdk import redact
from connectors.sdk.bodies.refusals import failure_in_xml, is_of_caller
from connectors.sdk.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConnectorError,
    FatalError,
    LimitError,
    MissingError,
    RetriableError,
    ThrottledError,
    UnreachableError,
)
from connectors.sdk.net.tls import explain

TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be temporary."""


_UNIX = 10**9
"""A larger number is a Unix time, a smaller one a number of seconds."""
_MILLISECONDS = 10**11
_LONGEST = 32 * 86400.0
"""Seconds: quotas are monthly at most, so a longer wait is an error."""
_RESETS = ("X-RateLimit-Reset", "RateLimit-Reset", "X-Rate-Limit-Reset")
_REMAINING = ("X-RateLimit-Remaining", "RateLimit-Remaining", "X-Rate-Limit-Remaining")


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait as requested by the server (RFC 9110, 10.2.3), or None.

    `Retry-After` in seconds or as a date; else, if no calls are left, the time given by a
    `RateLimit-Reset` header. Times are compared with the server's own clock if it reports it. An
    implausible time (years ahead, even in milliseconds) is ignored.
    """
    now = clock_of(headers) or (time.time() if now is None else now)
    text = headers.get("Retry-After", "").strip()
    if text:
        return _wait(text, now)
    if any(headers.get(name, "").strip() == "0" for name in _REMAINING):
        found = [_wait(headers[name].strip(), now) for name in _RESETS if name in headers]
        return next((wait for wait in found if wait is not None), None)
    return None


def clock_of(headers: Mapping[str, str]) -> float | None:
    """The server's time (Unix seconds) from its `Date` header (RFC 9110, 6.6.1), or None."""
    return _moment(headers.get("Date", ""))


def _wait(text: str, now: float) -> float | None:
    number = _number(text)
    if number is None:
        at = _moment(text)
        wait = None if at is None else at - now
    elif number >= _MILLISECONDS:
        wait = number / 1000 - now
    else:
        wait = number - now if number > _UNIX else number
    return None if wait is None or wait > _LONGEST else max(0.0, wait)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", text.strip()) else None


def _moment(text: str) -> float | None:
    for read in (email.utils.parsedate_to_datetime, datetime.datetime.fromisoformat):
        try:
            at = read(text.strip())
        except (ValueError, TypeError, IndexError):
            continue
        return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp()
    return None


def of_status(status: int, headers: Mapping[str, str], body: bytes, where: str) -> ConnectorError:
    """The error for an unsuccessful response; `body` is its beginning."""
    said = f"The server responded {status} {_phrase(status)}".rstrip()
    fault = failure_in_xml(body)
    excerpt = fault or redact.shorten(body.decode("utf-8", "replace"), 200)
    if excerpt and "html" not in headers.get("Content-Type", "").lower():
        said = f"{said}: {excerpt}"
    wait = retry_after(headers)
    if status == 429 or (status == 403 and wait is not None):
        return ThrottledError(
            said, where=where, hint="The source limits the rate of requests", retry_after=wait
        )
    if fault and is_of_caller(fault):
        return FatalError(said, where=where, hint="Check the body and headers of the source")
    if status in TRY_AGAIN:
        return RetriableError(said, where=where, retry_after=wait)
    if status == 401:
        return AuthenticationError(said, where=where)
    if status == 403:
        return AccessDeniedError(said, where=where)
    if status == 407:
        return AuthenticationError(said, where=where, hint="The proxy requires a user and password")
    if status in (404, 410):
        return MissingError(said, where=where, hint="Check the url and endpoint of the source")
    if 300 <= status < 400:
        target = redact.shorten(headers.get("Location", ""), 200)
        hint = f"It redirects to {target}: use that URL" if target else "It does not say where to"
        return FatalError(said, where=where, hint=hint)
    if status == 405:
        return FatalError(said, where=where, hint="Check the method of the source")
    return FatalError(
        said, where=where, hint="Check the endpoint, query, headers and body of the source"
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


class TooSlowError(UnreachableError):
    """The answer was not whole in time."""


def of_exception(
    error: BaseException, host: str, where: str, timeout: str = "source.timeout"
) -> ConnectorError:
    """The error for an exception of requests or urllib3, by its root cause.

    `timeout` is the setting for the time between two parts of a response.
    """
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ConnectorError):
            return cause
    for cause in causes:
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLWantReadError):
            explained = explain(cause, host)
            return type(explained)(explained.what, where=where, hint=explained.hint)
    for cause in causes:
        found = _network(cause, host, where, timeout)
        if found is not None:
            return found
    if any(isinstance(cause, (HTTPException, u3.ProtocolError)) for cause in causes):
        return UnreachableError(
            f"The response of {host} is not valid HTTP",
            where=where,
            hint="Check the port and the beginning of the url, http: or https:",
        )
    reason = redact.shorten(str(causes[-1]) or type(causes[-1]).__name__, 200)
    return UnreachableError(f"The connection to {host} failed: {reason}", where=where)


def _network(cause: BaseException, host: str, where: str, timeout: str) -> ConnectorError | None:
    if isinstance(cause, socket.gaierror):
        return UnreachableError(
            f"The name {host} was not found in DNS ({cause.strerror})",
            where=where,
            hint="Check the spelling of the host name and this machine's DNS",
        )
    if isinstance(cause, u3.ProxyError):
        return UnreachableError(
            "The proxy for the server cannot be used",
            where=where,
            hint="Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY of this machine",
        )
    if isinstance(cause, u3.ConnectTimeoutError) and not isinstance(cause, u3.NewConnectionError):
        return UnreachableError(
            f"{host} did not accept a connection in time",
            where=where,
            hint="Check the port, and any firewalls in between",
        )
    if isinstance(cause, (u3.ReadTimeoutError, TimeoutError)):
        return TooSlowError(
            f"{host} stopped responding (no data within the read timeout)",
            where=where,
            hint=f"Use smaller pages, or raise {timeout}",
        )
    if isinstance(cause, ConnectionRefusedError):
        return UnreachableError(
            f"{host} refused the connection",
            where=where,
            hint="Check the port, and that the server is running",
        )
    if isinstance(cause, u3.IncompleteRead):
        return UnreachableError(
            f"The response ended after {cause.partial} bytes: the connection was closed",
            where=where,
        )
    if isinstance(cause, (u3.InvalidChunkLength, u3.ResponseNotChunked)):
        return UnreachableError("The chunked encoding of the response is damaged", where=where)
    if isinstance(cause, OSError) and cause.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return UnreachableError(
            f"There is no route to {host} ({cause.strerror})",
            where=where,
            hint="Check the network of this machine",
        )
    if isinstance(cause, ConnectionError):
        return UnreachableError(f"{host} closed the connection", where=where)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and everything it wraps, outermost first."""
    seen: set[int] = set()
    queue: list[BaseException] = [error]
    while queue:
        item = queue.pop(0)
        if id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        inner = [getattr(item, "reason", None), *item.args, item.__cause__, item.__context__]
        queue.extend(each for each in inner if isinstance(each, BaseException))


def too_large(limit: int, where: str) -> LimitError:
    """The error for a body of more than `limit` bytes."""
    return LimitError(
        f"The response is larger than the limit of {limit} bytes",
        where=where,
        hint="Use smaller pages, or raise source.max_response",
    )
