"""Answers without an end: a person who waits gets the rows that came by then."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from connectors.formats import decoded
from connectors.formats.beginning import beginning
from connectors.openregister import OpenRegisterConfig, OpenRegisterConnector
from connectors.rest import RestConfig, RestConnector
from connectors.sdk import Context, Limits, Row, UnreachableError
from connectors.sdk.config import parse

Sends = Callable[[], Iterator[bytes]]


@contextmanager
def serving(
    media: str, sends: Sends, pause: float = 0.0, *, headers: bool = False
) -> Iterator[str]:
    """A server whose answer is whatever `sends` gives, with `pause` seconds between the pieces."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, media, sends, pause, headers)).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, media: str, sends: Sends, pause: float, headers: bool) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=_answer, args=(client, media, sends, pause, headers)).start()


def _answer(client: socket.socket, media: str, sends: Sends, pause: float, headers: bool) -> None:
    with client, suppress(OSError):
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\n")
        if not headers:
            client.sendall(f"Content-Type: {media}\r\nConnection: close\r\n\r\n".encode())
        for piece in sends():
            client.sendall(piece)
            time.sleep(pause)


def _rows(begin: bytes, row: bytes, between: bytes = b"") -> Sends:
    def sends() -> Iterator[bytes]:
        yield begin
        for number in itertools.count(1):
            yield (b"" if number == 1 else between) + row.replace(b"%d", b"%d" % number)

    return sends


BODIES: dict[str, tuple[str, Sends]] = {
    "NDJSON": ("application/x-ndjson", _rows(b"", b'{"id": %d, "name": "a"}\n')),
    "CSV": ("text/csv", _rows(b"id,name\n", b'%d,"a, b"\n')),
    "a list": ("application/json", _rows(b"[", b'{"id": %d, "in": {"list": [1, 2]}}', b",")),
    "an envelope": (
        "application/json",
        _rows(b'{"took": 1, "data": {"items": [', b'{"id": %d, "t": "x]}"}', b", "),
    ),
    "XML": (
        "application/xml",
        _rows(
            b'<?xml version="1.0"?><all at="1"><!-- <row> --><rows>', b"<row><id>%d</id><n/></row>"
        ),
    ),
}


def connector(url: str, context: Context, **fields: Any) -> RestConnector:
    return RestConnector(parse(RestConfig, {"url": url, **fields}), context)


def ids(found: RestConnector) -> list[Any]:
    rows = [item for batch in found.read() for item in decoded(batch)]
    assert all(isinstance(row, Row) for row in rows)
    return [str(row.data["id"]) for row in rows if isinstance(row, Row)]


@pytest.mark.promise("a test or a preview waits for an endless response")
@pytest.mark.parametrize("pause", [0.0, 0.02])
@pytest.mark.parametrize("kind", BODIES)
def test_the_rows_that_are_wanted_end_a_body_that_goes_on(kind: str, pause: float) -> None:
    media, sends = BODIES[kind]
    with serving(media, sends, pause) as url:
        began = time.monotonic()
        found = ids(connector(url, Context(limits=Limits(batch_size=5), wanted=5)))
        assert time.monotonic() - began < 8
    assert found[:5] == ["1", "2", "3", "4", "5"]


@pytest.mark.promise("a test or a preview waits for an endless response")
@pytest.mark.parametrize("kind", BODIES)
def test_a_test_shows_the_rows_that_came_in_its_time(kind: str) -> None:
    media, sends = BODIES[kind]
    with serving(media, sends, 0.2) as url:
        began = time.monotonic()
        check = connector(url, Context(until=began + 3)).check()
        assert time.monotonic() - began < 6
    assert "rows came in the time of a test, and the answer went on" in check.message
    assert int(check.message.split()[0]) > 5
    assert "id" in {fact.name for fact in check.fields}
    assert check.decision is None


DRIPS: dict[str, tuple[Sends, bool]] = {
    "in a row": (lambda: itertools.chain([b'{"id": "'], itertools.repeat(b"x")), False),
    "in a header": (lambda: itertools.chain([b"X-Long: "], itertools.repeat(b"x")), True),
    "nothing": (lambda: itertools.repeat(b""), False),
}


@pytest.mark.promise("a test or a preview waits for an endless response")
@pytest.mark.parametrize("where", DRIPS)
def test_one_byte_a_second_ends_with_the_time_of_a_test(where: str) -> None:
    sends, headers = DRIPS[where]
    with serving("application/json", sends, 0.3, headers=headers) as url:
        for act in (RestConnector.check, lambda rest: list(rest.read())):
            began = time.monotonic()
            with pytest.raises(UnreachableError, match="took longer than"):
                act(connector(url, Context(until=began + 2)))
            assert time.monotonic() - began < 5


def test_a_header_without_end_ends_with_the_limit_of_a_run() -> None:
    sends, headers = DRIPS["in a header"]
    with serving("application/json", sends, 0.1, headers=headers) as url:
        began = time.monotonic()
        limits = Limits(total_timeout=2, retries=3, backoff=0.01)
        with pytest.raises(UnreachableError, match="took longer than 2 seconds"):
            list(connector(url, Context(limits=limits)).read())
        assert time.monotonic() - began < 6


def test_a_test_of_another_register_ends_within_an_endless_answer() -> None:
    sends, _ = DRIPS["in a row"]
    document = {"register": "geo", "schema": "town"}
    with serving("application/json", sends, 0.3) as url:
        began = time.monotonic()
        other = parse(OpenRegisterConfig, {"url": url, **document})
        with pytest.raises(UnreachableError):
            OpenRegisterConnector(other, Context(until=began + 2)).check()
        assert time.monotonic() - began < 5


def test_an_answer_that_breaks_off_is_an_error_and_no_beginning() -> None:
    def sends() -> Iterator[bytes]:
        return iter([b'[{"id": 1}, {"id": 2}, {"id'])

    with (
        serving("application/json", sends) as url,
        pytest.raises(Exception, match="not valid JSON"),
    ):
        connector(url, Context(wanted=2, until=time.monotonic() + 5)).check()


WHOLE = [
    ("json", b'{"a": [{"x": "]"}, {"x": [{}, {}]}', 2, b'{"a": [{"x": "]"}, {"x": [{}, {}]}]}'),
    ("json", b'{"f": [{}, {}], "a": {"b": [{"i": 1}, {"i": 2}, {', 2, b'{"f": [{}, {}]}'),
    ("json", b'[{"a": "\\"}"}, {"b": 1', 1, b'[{"a": "\\"}"}]'),
    ("json", b'[{"a": 1', 1, None),
    ("json", b"}", 1, None),
    ("csv", b'a,b\n1,"x\ny"\n2,"z', 1, b'a,b\n1,"x\ny"\n'),
    ("csv", b"a,b\n", 1, None),
    ("ndjson", b'{"a": 1}\n{"a"', 1, b'{"a": 1}\n'),
    ("xml", b"<r><i>1</i><i>2</i><i>", 2, b"<r><i>1</i><i>2</i></r>"),
    ("xml", b"<r><![CDATA[<i>]]><i/><i a='>'/>", 2, b"<r><![CDATA[<i>]]><i/><i a='>'/></r>"),
    ("xml", b"<r></i>", 1, None),
    ("xml", b"<r><i><t/><t/></i><i/><i><t/><t/>", 2, b"<r><i><t/><t/></i><i/></r>"),
    ("xml", b"<r><i><t/><t/></i><i><t/><t/></i><i><t/><t/>", 3, None),
    ("xml", b"<r><i>1</i><i>2</i><i>3", 0, b"<r><i>1</i><i>2</i></r>"),
    ("json", b'[{"a": 1}, {"a": 2}, {"a"', 0, b'[{"a": 1}, {"a": 2}]'),
    ("json", b'[{"a"', 0, None),
    ("csv", b"a\n1\n2\n3", 0, b"a\n1\n2\n"),
    ("csv", b"a\n", 0, None),
    ("ndjson", b"{}\n{}\n{", 0, b"{}\n{}\n"),
    ("ndjson", b"{", 0, None),
]


@pytest.mark.parametrize(("kind", "body", "rows", "expected"), WHOLE)
def test_a_beginning_is_well_formed(
    kind: str, body: bytes, rows: int, expected: bytes | None
) -> None:
    assert beginning(body, kind, rows) == expected


def test_a_beginning_holds_the_rows_of_the_known_path() -> None:
    body = b'{"f": [{}, {}], "a": {"b": [{"i": 1}, {"i": 2}, {'
    expected = b'{"f": [{}, {}], "a": {"b": [{"i": 1}, {"i": 2}]}}'
    assert beginning(body, "json", 2, records="a.b") == expected
