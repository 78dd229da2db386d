"""A real HTTP server on loopback that behaves, and misbehaves, exactly as a test asks.

    with HttpApi() as api:
        api.on("/items", pages(rows, size=10))
        api.on("/broken", [status(503), json_answer({"items": []})])    # one answer per call
        requests.get(api.url + "/items")
        assert api.calls[0].path == "/items"

A handler is a function from a `Call` to an `Answer`; a list of handlers is used up one call at a
time, the last one staying.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived; header names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    url: str
    """Scheme, host and port of the server."""

    def number(self, name: str, default: int) -> int:
        return int(self.query.get(name, default))

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. `body` may be pieces: then it is chunked, and may break off."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: Callable[[], Iterator[bytes]] | None = None
    length: int | None = None
    """A Content-Length that is not the body's own."""
    cut: bool = False
    """Close the connection right after the body, whatever was promised."""
    drop: bool = False
    """Close the connection without answering."""
    delay: float = 0.0


Handler = Callable[[Call], Answer]


def answer(
    document: Any, status: int = 200, headers: Mapping[str, str] | None = None, **more: Any
) -> Answer:
    """A JSON answer."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Answer(status, {"Content-Type": "application/json", **(headers or {})}, body, **more)


def always(document: Any, **more: Any) -> Handler:
    return lambda call: answer(document, **more)


def status(code: int, document: Any = None, **headers: str) -> Handler:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda call: answer({} if document is None else document, code, named)


def text(body: str | bytes, media_type: str, code: int = 200, **headers: str) -> Handler:
    content = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda call: Answer(code, {"Content-Type": media_type, **named}, content)


def gzipped(document: Any) -> Answer:
    return answer(
        gzip.compress(json.dumps(document).encode()), headers={"Content-Encoding": "gzip"}
    )


def dripping(body: bytes, pause: float) -> Handler:
    """One byte at a time."""

    def drip() -> Iterator[bytes]:
        for byte in body:
            time.sleep(pause)
            yield bytes([byte])

    return lambda call: Answer(200, {"Content-Type": "application/json"}, pieces=drip)


def redirect(location: str, code: int = 302) -> Handler:
    return lambda call: Answer(code, {"Location": location})


def numbered(rows: Sequence[Any], size: int, *, total: bool = True, first: int = 1) -> Handler:
    """``?page=N``: ``{"items": [...], "total": n, "page": N}``."""

    def handle(call: Call) -> Answer:
        page = call.number("page", first)
        start = (page - first) * size
        document: dict[str, Any] = {"items": list(rows[start : start + size])}
        if total:
            document |= {"total": len(rows), "page": page}
        return answer(document)

    return handle


def offsets(rows: Sequence[Any], size: int, *, total: bool = True) -> Handler:
    """``?offset=N&limit=M`` with at most `size` rows."""

    def handle(call: Call) -> Answer:
        start = call.number("offset", 0)
        limit = min(size, call.number("limit", size))
        document: dict[str, Any] = {"results": list(rows[start : start + limit])}
        if total:
            document |= {"total_count": len(rows), "offset": start}
        return answer(document)

    return handle


def cursors(rows: Sequence[Any], size: int) -> Handler:
    """``?cursor=…``: ``{"data": [...], "meta": {"next_cursor": …}}``."""

    def handle(call: Call) -> Answer:
        start = int(call.query.get("cursor", "c0")[1:])
        after = start + size
        token = f"c{after}" if after < len(rows) else None
        return answer({"data": list(rows[start:after]), "meta": {"next_cursor": token}})

    return handle


def next_urls(rows: Sequence[Any], size: int, *, relative: bool = False) -> Handler:
    """``{"value": [...], "next": URL}``, the address absolute or relative."""

    def handle(call: Call) -> Answer:
        start = call.number("skip", 0)
        document: dict[str, Any] = {"value": list(rows[start : start + size]), "next": None}
        if start + size < len(rows):
            link = f"{call.path}?{urlencode({**call.query, 'skip': start + size})}"
            document["next"] = link if relative else call.url + link
        return answer(document)

    return handle


def link_headers(rows: Sequence[Any], size: int) -> Handler:
    """A bare array, the next page in the `Link` header."""

    def handle(call: Call) -> Answer:
        page = call.number("page", 1)
        headers = {}
        if page * size < len(rows):
            headers["Link"] = f'<{call.url}{call.path}?page={page + 1}>; rel="next"'
        return answer(list(rows[(page - 1) * size : page * size]), headers=headers)

    return handle


class HttpApi:
    """The server; `calls` are the requests so far, in the order they came."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.calls: list[Call] = []
        self.connections = 0
        self._handlers: dict[str, list[Handler]] = {}
        self._lock = threading.Lock()
        api = self

        class Serve(_Serve):
            pass

        Serve.api = api
        self._server = _Server((host, 0), Serve)
        self._server.tls = tls
        self.host = host
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="http-api", daemon=True
        )

    def __enter__(self) -> HttpApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def on(self, path: str, handler: Handler | Sequence[Handler]) -> None:
        """Answer this path from now on."""
        with self._lock:
            self._handlers[path] = [handler] if callable(handler) else list(handler)

    def reset(self) -> None:
        """Forget handlers and calls, so that one server serves many tests."""
        with self._lock:
            self._handlers.clear()
            self.calls.clear()
            self.connections = 0

    def handle(self, call: Call) -> Answer:
        with self._lock:
            self.calls.append(call)
            handlers = self._handlers.get(call.path)
            if handlers is None:
                return answer({"message": "no such path"}, 404)
            handler = handlers.pop(0) if len(handlers) > 1 else handlers[0]
        return handler(call)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is not None:
            try:
                request.settimeout(5)
                request = self.tls.wrap_socket(request, server_side=True)
            except (OSError, ssl.SSLError):
                request.close()  # the client refused our certificate, or we its own
                return
        try:
            super().finish_request(request, client_address)
        finally:
            request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class _Serve(BaseHTTPRequestHandler):
    api: HttpApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 10

    def setup(self) -> None:
        super().setup()
        self.api.connections += 1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Keep the tests' output to the tests."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        size = int(self.headers.get("Content-Length") or 0)
        call = Call(
            self.command,
            parts.path,
            {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()},
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(size),
            self.api.url,
        )
        reply = self.api.handle(call)
        if reply.delay:
            time.sleep(reply.delay)
        if reply.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._send(reply)

    def _send(self, reply: Answer) -> None:
        if "Date" in reply.headers:  # a clock of its own
            self.send_response_only(reply.status)
        else:
            self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.pieces is not None:
            self.send_header("Transfer-Encoding", "chunked")
        elif reply.status not in (204, 304):
            length = len(reply.body) if reply.length is None else reply.length
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if reply.pieces is not None:
            for piece in reply.pieces():
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if not reply.cut:
                self.wfile.write(b"0\r\n\r\n")
        elif reply.status not in (204, 304):
            self.wfile.write(reply.body)
        if reply.cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
