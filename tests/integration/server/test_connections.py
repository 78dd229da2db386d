"""Callers who open connections and then take their time keep nobody else out."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import requests
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse

from app.http.framing import Framing
from app.server.connections import NOT_HTTP, Bounds, Gate
from tests.integration.served import listening

QUICK = Bounds(connections=40, per_address=40, head=1.0, body=1.0, body_rate=1024, write=1.5)


@dataclass
class House:
    """A server with small bounds and its gate."""

    url: str
    gate: Gate

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def connect(self, sent: bytes = b"", *, from_: str = "127.0.0.1") -> socket.socket:
        connection = socket.create_connection(self.address, 5, source_address=(from_, 0))
        if sent:
            connection.sendall(sent)
        return connection

    def answers(self) -> bool:
        return requests.get(self.url, timeout=5, headers={"Connection": "close"}).ok


def small() -> FastAPI:
    web = FastAPI()
    web.add_middleware(Framing)

    @web.api_route("/", methods=["GET", "POST"])
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    @web.get("/endless")
    def endless() -> StreamingResponse:
        def pieces() -> Iterator[bytes]:
            while True:
                yield b"x" * 65536

        return StreamingResponse(pieces())

    return web


@contextlib.contextmanager
def house(bounds: Bounds, exempt: tuple[str, ...] = ()) -> Iterator[House]:
    gate = Gate(bounds, exempt)
    with listening(small(), gate) as url:
        yield House(url, gate)


@pytest.fixture(scope="module")
def quick() -> Iterator[House]:
    with house(QUICK) as running:
        yield running


def ended(connection: socket.socket, within: float) -> bool:
    """Whether the server ends the connection by then."""
    connection.settimeout(within)
    until = time.monotonic() + within
    try:
        while time.monotonic() < until:
            if not connection.recv(65536):
                return True
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return False


HALF_HEADER = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "
HALF_BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"


@pytest.mark.promise("connections that send nothing, or a few bytes at a time")
@pytest.mark.parametrize("sent", [b"", b"G", HALF_HEADER, HALF_BODY], ids=range(4))
def test_who_stops_halfway_is_left(quick: House, sent: bytes) -> None:
    with quick.connect(sent) as connection:
        assert ended(connection, 4)


@pytest.mark.promise("connections that send nothing, or a few bytes at a time")
@pytest.mark.parametrize(
    "begun",
    [
        HALF_HEADER,
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + HALF_HEADER,
        b"GET /gone HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
    ],
    ids=["header", "body", "second-header", "body-after-the-answer"],
)
def test_who_sends_drop_by_drop_is_left(quick: House, begun: bytes) -> None:
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        while not over.wait(0.2):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    with quick.connect(begun) as connection:
        thread = threading.Thread(target=drip, args=(connection,))
        thread.start()
        try:
            assert ended(connection, 6)
        finally:
            over.set()
            thread.join()


@pytest.mark.promise("connections that send nothing, or a few bytes at a time")
def test_who_does_not_read_the_answer_is_left(quick: House) -> None:
    with quick.connect(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"):
        until = time.monotonic() + 10
        while quick.gate.count == 0 and time.monotonic() < until:
            time.sleep(0.02)
        while quick.gate.count > 0 and time.monotonic() < until:
            time.sleep(0.1)
        assert quick.gate.count == 0


def test_a_slow_but_steady_body_arrives(quick: House) -> None:
    """Longer than the bound for a silent one, at more than the least rate."""
    with quick.connect(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8192\r\nConnection: close\r\n\r\n"
    ) as connection:
        for _ in range(8):
            time.sleep(0.3)
            connection.sendall(b"x" * 1024)
        connection.settimeout(5)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.endswith(b"8192")


@pytest.mark.promise("connections that send nothing, or a few bytes at a time")
def test_five_hundred_silent_connections_keep_nobody_out() -> None:
    patient = Bounds(connections=60, per_address=60, head=60, body=60)
    with house(patient) as running, contextlib.ExitStack() as stack:
        for number in range(500):
            begun = (b"", HALF_HEADER, HALF_BODY)[number % 3]
            with contextlib.suppress(ConnectionError):  # ended before it sent anything
                stack.enter_context(running.connect(begun))
            if number % 100 == 99:
                assert running.answers()
        assert running.gate.count <= 60
        assert running.answers()


@pytest.mark.promise("connections that send nothing, or a few bytes at a time")
def test_one_address_gets_its_share_and_proxies_more() -> None:
    bounds = Bounds(connections=60, per_address=5, head=60)
    with house(bounds, exempt=("127.0.0.3",)) as running, contextlib.ExitStack() as stack:
        greedy = [stack.enter_context(running.connect(from_="127.0.0.2")) for _ in range(20)]
        proxied = [stack.enter_context(running.connect(from_="127.0.0.3")) for _ in range(20)]
        assert running.answers()
        left = [one for one in greedy if not ended(one, 0.2)]
        assert len(left) == 5
        assert left == greedy[-5:]
        assert not ended(proxied[0], 0.2)


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.promise("request smuggling")
@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: -1\r\n",
        b"Host: y\r\n",
    ],
)
def test_a_request_of_doubtful_length_is_refused_and_the_connection_closed(
    quick: House, head: bytes
) -> None:
    """RFC 9112, 6.1 and 6.3: what a proxy may have read as another request is not answered."""
    sent = b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n0\r\n\r\n" + SMUGGLED
    with quick.connect(sent) as connection:
        connection.settimeout(5)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    header, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in header.lower()
    assert json.loads(body)["status"] == 400


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"GET / HTTX/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
    ids=range(7),
)
def test_what_is_not_http_is_answered_as_every_error(quick: House, sent: bytes) -> None:
    with quick.connect() as connection:
        connection.settimeout(5)
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        answer = connection.recv(4096)
    header, _, body = answer.partition(b"\r\n\r\n")
    assert header.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in header.lower()
    assert json.loads(body)["detail"] == NOT_HTTP.detail
