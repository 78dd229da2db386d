"""What is used of urllib3 though it is private: a release that changes it has to fail here.

The guard checks an address before it is dialled. urllib3 has no published place between looking
up a name and connecting to it, so the transport overrides `_new_conn` and sets `_dns_host`; were
either renamed, every source would dial unchecked addresses, and nothing would say so.
"""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import trustme
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from connectors.sdk.http.transport import Transport
from connectors.sdk.net.guard import Guard
from tests.servers.http_api import HttpApi, answer

NAME = "name-that-nobody-has.invalid"


@pytest.fixture
def api() -> Iterator[HttpApi]:
    with HttpApi() as server:
        server.on("/", lambda call: answer({"host": call.headers["host"]}))
        yield server


@pytest.mark.parametrize("kind", [HTTPConnection, HTTPSConnection])
def test_a_connection_dials_what_new_conn_returns(kind: type[Any]) -> None:
    here, there = socket.socketpair()
    dialled: list[str] = []

    class Connection(kind):  # type: ignore[misc]
        def _new_conn(self) -> socket.socket:
            dialled.append(self._dns_host)
            return here

    connection = Connection(NAME, timeout=5)
    if kind is HTTPSConnection:  # the handshake starts on that very socket
        there.close()
        with pytest.raises((ssl.SSLError, OSError)):
            connection.connect()
    else:
        connection.connect()
        assert connection.sock is here
        there.close()
    connection.close()
    here.close()
    assert dialled == [NAME]


def test_a_name_put_back_after_dialling_is_the_one_that_is_asked_for(api: HttpApi) -> None:
    connection = HTTPConnection(NAME, port=int(api.url.rpartition(":")[2]), timeout=5)
    connection._dns_host = "127.0.0.1"
    connection.connect()
    connection._dns_host = NAME
    connection.request("GET", "/")
    assert connection.getresponse().json()["host"].startswith(NAME)
    connection.close()


def test_a_pool_opens_its_connections_in_validate_conn() -> None:
    """Where urllib3 would warn of a certificate that nobody verifies, at each connection."""
    met: list[bool] = []

    class Pool(HTTPSConnectionPool):
        def _validate_conn(self, conn: Any) -> None:
            met.append(conn.is_closed)
            raise NewConnectionError(conn, "here")

    with Pool("127.0.0.1", port=9) as pool, pytest.raises(NewConnectionError):
        pool.request("GET", "/", retries=False)
    assert met == [True]


def test_pools_take_the_class_of_their_connections_from_where_it_is_set() -> None:
    transport = Transport(Guard(), None, 1)
    for scheme, kind in (("http", HTTPConnectionPool), ("https", HTTPSConnectionPool)):
        pool = transport.poolmanager.connection_from_host("127.0.0.1", 9, scheme)
        assert isinstance(pool, kind)
        assert type(pool._new_conn()).__name__.startswith("Guarded")
    transport.close()


def test_every_request_is_dialled_by_the_guard(api: HttpApi) -> None:
    port = api.url.rpartition(":")[2]
    asked: list[tuple[str, int]] = []

    class Here(Guard):
        def addresses(self, host: str, port: int) -> list[str]:
            asked.append((host, port))
            return ["127.0.0.9", "127.0.0.1"]  # nobody listens at the first

    guard = Here(lambda host, ip: True)
    with requests.Session() as session:
        session.mount("http://", Transport(guard, None, 1))
        found = session.get(f"http://{NAME}:{port}/", timeout=5).json()
    assert (asked, found["host"]) == ([(NAME, int(port))], f"{NAME}:{port}")


def test_an_unverified_certificate_brings_no_warning() -> None:
    """As `_validate_conn` of ours replaces the one that warns."""
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(served)
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with HttpApi(tls=served) as api, requests.Session() as session, warnings.catch_warnings():
        warnings.simplefilter("error")
        api.on("/", lambda call: answer({"well": True}))
        session.mount("https://", Transport(Guard(), anyone, 1))
        assert session.get(f"{api.url}/", timeout=5).json() == {"well": True}
