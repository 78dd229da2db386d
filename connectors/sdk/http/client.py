"""The HTTP client for connectors, with waiting, retries, redirects and limits.

Credentials are sent only to the configured origin. A body is complete or an error. A wait longer
than `Limits.longest_wait` ends the run with the time of the next attempt. Every failure is an
error of `connectors.sdk.errors` with what the server reported and a hint how to fix it.
"""

from __future__ import annotations

import contextlib
import threading
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import BinaryIO, Self

import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from connectors.sdk.budget import Budget
from connectors.sdk.connector import Context
from connectors.sdk.errors import (
    ConnectorError,
    DataError,
    RetriableError,
    UnreachableError,
)
from connectors.sdk.http import failures
from connectors.sdk.http.cut import Cut, until_enough
from connectors.sdk.http.messages import (
    Answer,
    Authenticator,
    Request,
    Timeouts,
    beginning_of,
    decoded,
    gunzipped,
    origin_of,
)
from connectors.sdk.http.redirects import joined, redirected
from connectors.sdk.http.retries import once_only, pause
from connectors.sdk.http.sessions import Sessions
from connectors.sdk.http.watchdog import Watchdog
from connectors.sdk.net.guard import Guard
from connectors.sdk.net.tls import TlsConfig, standing_warnings
from connectors.sdk.rows import JsonValue

__all__ = [
    "Answer",
    "Authenticator",
    "Budget",
    "CancelledError",
    "HttpClient",
    "Request",
    "Timeouts",
    "origin_of",
]

USER_AGENT = "openregister (+https://openregister.app)"

_CHUNK = 64 * 1024
_MAX_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HARMLESS_HEADERS = frozenset({"accept", "content-type"})
_CANCEL_CHECK = 0.2
_GRACE = 0.5
"""Seconds by which the watchdog comes later than what says more exactly what was missing."""


class CancelledError(RetriableError):
    """The run was stopped while it waited; the next run continues."""


_Keep = Callable[[requests.Response, Request, float], None]
"""Reads a body before the deadline (monotonic): (response, its request, deadline)."""


class HttpClient:
    """Requests to one configured origin, and wherever it redirects.

    `request` may be called from several threads; `close` aborts requests in progress.
    """

    def __init__(
        self,
        url: str,
        context: Context,
        *,
        tls: TlsConfig | None = None,
        auth: Authenticator | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        per_minute: int | None = None,
        connections: int = 4,
        retries: int | None = None,
    ) -> None:
        limits = context.limits
        self._origin = origin_of(url)
        self._context = context
        self._limits = limits
        self._retries = limits.retries if retries is None else retries
        self._tls = tls or TlsConfig()
        self._auth = auth
        self._headers = dict(headers or {})
        self._timeouts = timeouts or Timeouts(
            limits.connect_timeout, limits.read_timeout, limits.total_timeout
        )
        self._budget = Budget(per_minute) if per_minute else None
        self._guard = Guard(context.policy.allow_address)
        self._sessions = Sessions(self._guard, self._tls, context.policy, connections)
        self._stop = threading.Event()
        self._watchdog = Watchdog(self._guard.shut)
        self._forbidden = False
        self._owner = threading.get_ident()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wake waiting threads, abort requests in progress and close every connection."""
        self._stop.set()
        self._watchdog.close()
        if self._auth is not None:
            self._auth.close()
        self._guard.abort()
        self._sessions.close()

    def facts(self) -> dict[str, JsonValue]:
        """Facts about the server: TLS version and certificate."""
        return self._guard.facts()

    def warnings(self) -> list[str]:
        found = standing_warnings(self._tls) + self._guard.warnings()
        if (
            self._origin[0] == "http"
            and self._auth is not None
            and not _is_loopback(self._origin[1])
        ):
            found.append("Credentials are sent unencrypted: use a URL that begins with https://")
        return found

    def join(self, base: str, link: str) -> str:
        """The absolute URL of a link in a response.

        A server behind a proxy that terminates TLS often writes its own links with http; these
        are changed to https.
        """
        return joined(base, link, self._origin)

    def request(
        self, request: Request, *, accept: Collection[int] = (), cut: Cut | None = None
    ) -> Answer:
        """The response to a request, after redirects and retries; with `cut`, maybe part of it.

        A status outside 2xx is an error unless listed in `accept`.
        """
        chunks: list[bytes] = []
        short: list[bytes] = []

        def keep(response: requests.Response, sent: Request, deadline: float) -> None:
            chunks.clear()
            body = self._body(response, sent, deadline, self._limits.max_response)
            if cut is None:
                chunks.extend(body)
            else:
                short[:] = until_enough(response, body, chunks, cut)

        response = self._run(request, accept, keep)
        if short:
            return Answer(response.status_code, response.url, response.headers, short[0], cut=True)
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        limit = self._limits.max_response
        whole = gunzipped(body, limit)
        if len(whole) > limit:
            raise failures.too_large(limit, request.where)
        return Answer(response.status_code, response.url, response.headers, whole)

    def download(self, request: Request, file: BinaryIO, *, accept: Collection[int] = ()) -> Answer:
        """Like `request`, but writes the body to a seekable file; that of the answer is empty."""
        start = file.tell()

        def keep(response: requests.Response, sent: Request, deadline: float) -> None:
            file.seek(start)
            file.truncate()
            file.writelines(self._body(response, sent, deadline, self._limits.max_file))

        response = self._run(request, accept, keep)
        return Answer(response.status_code, response.url, response.headers, b"")

    def wait(self, seconds: float) -> None:
        """Sleep until the time is up or the run is cancelled. Raises CancelledError."""
        if seconds <= 0:
            return
        until = time.monotonic() + seconds
        while True:
            self.check_cancelled()
            left = until - time.monotonic()
            if left <= 0 or self._stop.wait(min(left, _CANCEL_CHECK)):
                break
        self.check_cancelled()

    # One request: attempts, redirects within an attempt, and finally a body.

    def _run(self, request: Request, accept: Collection[int], keep: _Keep) -> requests.Response:
        deadline = time.monotonic() + self._timeouts.total
        if self._context.until is not None:
            deadline = min(deadline, self._context.until)
        tries = 0
        while True:
            try:
                with self._watchdog.until(deadline + _GRACE):
                    return self._once(request, accept, keep, deadline)
            except CancelledError:
                raise
            except RetriableError as error:
                if request.once or error.exhausted:
                    raise
                self.wait(pause(error, tries, self._retries, self._limits, deadline))
                tries += 1

    def _once(
        self, request: Request, accept: Collection[int], keep: _Keep, deadline: float
    ) -> requests.Response:
        renewed = False
        while True:
            sent, response = self._follow(request)
            with contextlib.closing(response):
                status = response.status_code
                if 200 <= status < 300 or status in accept:
                    keep(response, sent, deadline)
                    return response
                if self._may_renew(response) and not renewed and self._renew(sent):
                    renewed = True
                    continue
                error = failures.of_status(
                    status, response.headers, self._beginning(response, sent), sent.where
                )
                if status in (401, 403) and not self._is_own(sent.url):
                    scheme, host, port = origin_of(sent.url)
                    error.hint = (
                        f"The source redirects to {scheme}://{host}:{port}, where no credentials "
                        "are sent; if that is correct, set url to it"
                    )
                raise error

    def _may_renew(self, response: requests.Response) -> bool:
        """Whether new credentials may help: after a 401, and once after a 403, which some servers
        send for an expired token.
        """
        if response.status_code == 403 and failures.retry_after(response.headers) is None:
            first, self._forbidden = not self._forbidden, True
            return first
        return response.status_code == 401

    def _renew(self, sent: Request) -> bool:
        if self._auth is None or not self._is_own(sent.url):
            return False
        with once_only():
            return self._auth.renew(sent)

    def _follow(self, request: Request) -> tuple[Request, requests.Response]:
        """Send and follow redirects; returns the last request as sent, and its response."""
        for _ in range(_MAX_REDIRECTS):
            sent, response = self._send(request)
            target = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not target or not request.redirects:
                return sent, response
            response.close()
            request = redirected(request, response.status_code, target)
        raise DataError(
            f"The server redirects more than {_MAX_REDIRECTS} times",
            where=request.where,
            hint="Open the URL in a browser; it may require a login",
        )

    def _send(self, request: Request) -> tuple[Request, requests.Response]:
        if self._budget is not None:
            self.wait(self._budget.delay())
        self.check_cancelled()
        own = self._is_own(request.url)
        outgoing = replace(request, query=list(request.query), headers=self._headers_for(request))
        if own and self._auth is not None:
            with once_only():
                self._auth.apply(outgoing)
        origin = origin_of(request.url)
        session = self._sessions.get(own, origin[0])
        try:
            prepared = session.prepare_request(
                requests.Request(
                    request.method, outgoing.full_url, outgoing.headers, data=request.body
                )
            )
            return outgoing, session.send(
                prepared,
                stream=True,
                allow_redirects=False,
                timeout=(self._timeouts.connect, self._timeouts.read),
                proxies=self._sessions.proxies(origin, request.url),
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._translated(error, request) from None

    def _translated(self, error: Exception, request: Request) -> ConnectorError:
        self.check_cancelled()  # closing the client breaks connections deliberately
        if self._watchdog.struck:
            return self._too_slow(request)
        host = origin_of(request.url)[1]
        return failures.of_exception(error, host, request.where, self._timeouts.names[0])

    def _headers_for(self, request: Request) -> dict[str, str]:
        headers = CaseInsensitiveDict({"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"})
        if self._is_own(request.url):
            # Headers set by the user take precedence over our own, ignoring case.
            headers.update(request.headers)
            headers.update(self._headers)
            return dict(headers)
        # Any header set by the user may be a credential, so other hosts get none.
        headers.update(
            {n: value for n, value in request.headers.items() if n.lower() in _HARMLESS_HEADERS}
        )
        return dict(headers)

    def _is_own(self, url: str) -> bool:
        return origin_of(url) == self._origin

    def check_cancelled(self) -> None:
        """Raises CancelledError if the run should stop, or the client was closed."""
        # Only the thread that owns the connector may call `cancelled`.
        if self._stop.is_set() or (
            threading.get_ident() == self._owner and self._context.cancelled()
        ):
            raise CancelledError("The run was cancelled", hint="Start it again to continue")

    # Bodies.

    def _body(
        self, response: requests.Response, request: Request, deadline: float, limit: int
    ) -> Iterator[bytes]:
        """The decoded body in pieces. Raises when it is cut short, too long or too slow."""
        size = 0
        try:
            for chunk in decoded(self._pieces(response, request, deadline), response.headers):
                size += len(chunk)
                if size > limit:
                    raise failures.too_large(limit, request.where)
                yield chunk
        except zlib.error as error:
            raise DataError(
                f"The compression of the response is damaged: {error}", where=request.where
            ) from None
        except EOFError:
            raise UnreachableError(
                "The response was cut off: its compressed body is incomplete", where=request.where
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._translated(error, request) from None

    def _pieces(
        self, response: requests.Response, request: Request, deadline: float
    ) -> Iterator[bytes]:
        while piece := response.raw.read1(_CHUNK, decode_content=False):
            yield piece
            if time.monotonic() > deadline:
                raise self._too_slow(request)
            self.check_cancelled()
        if self._watchdog.struck:  # the connection was closed here, which looks like an end
            raise self._too_slow(request)

    def _too_slow(self, request: Request) -> failures.TooSlowError:
        until = self._context.until
        late = until is not None and time.monotonic() > until
        limit = "a test or a preview waits" if late else f"{self._timeouts.total:g} seconds"
        return failures.TooSlowError(
            f"The response took longer than {limit}",
            where=request.where,
            hint=f"Use smaller pages, or raise {self._timeouts.names[1]}",
        )

    def _beginning(self, response: requests.Response, request: Request) -> bytes:
        """The first kilobytes of an error's body; empty if unreadable."""
        deadline = time.monotonic() + self._timeouts.read
        try:
            return beginning_of(next(self._body(response, request, deadline, _CHUNK), b""))[:4096]
        except (ConnectorError, StopIteration):
            return b""


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"
