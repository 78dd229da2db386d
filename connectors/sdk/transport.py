"""Connections under HTTP: addresses checked before they are dialled, certificates noted.

`requests` resolves a name and connects in one go. A source set up through the web must not
reach the host's own network, so the address is checked between the two: what was checked is
what is dialled, and a second DNS answer changes nothing.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import weakref
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError

from connectors.sdk.errors import AccessDeniedError
from connectors.sdk.rows import JsonValue
from connectors.sdk.tls import certificate_facts, expiry_warnings


class Guard:
    """What the connections of one client share: the address rule, and what was seen on them."""

    def __init__(self, allow_address: Callable[[str, str], bool] | None = None) -> None:
        self.allow_address = allow_address
        self.certificate: bytes | None = None
        self.tls_version: str | None = None
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._aborted = False
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int) -> list[str]:
        """The IP addresses of `host` that may be dialled. Raises gaierror, AccessDeniedError."""
        found = [
            str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        ]
        if self.allow_address is None:
            return found
        allowed: list[str] = []
        refusal: AccessDeniedError | None = None
        for ip in dict.fromkeys(found):
            try:
                if self.allow_address(host, ip):
                    allowed.append(ip)
            except AccessDeniedError as error:  # it says why
                refusal = refusal or error
        if not allowed:
            raise refusal or AccessDeniedError(
                "This source may not connect there: the address is not allowed",
                where=f"{host} ({', '.join(sorted(set(found)))})",
                hint="An administrator of this instance can allow the address",
            )
        return allowed

    def refuse_proxied(self, host: str) -> None:
        """Check where a proxy will connect for us, as far as the name is known here.

        The proxy resolves it again, so its own rules have the last word.
        """
        if self.allow_address is None:
            return
        with contextlib.suppress(socket.gaierror):  # names that the proxy alone knows
            self.addresses(host, 0)

    def opened(self, connection: HTTPConnection) -> None:
        """Note a fresh connection's socket and, over TLS, who answered."""
        sock = connection.sock
        with self._lock:
            self._open.add(sock)
            aborted = self._aborted
        if aborted:  # it was dialled while `abort` went by
            _shut(sock)
            return
        if isinstance(sock, ssl.SSLSocket) and self.certificate is None:
            self.certificate = sock.getpeercert(binary_form=True)
            self.tls_version = sock.version()

    def abort(self) -> None:
        """Break every open connection, so that threads waiting on one return at once."""
        with self._lock:
            self._aborted = True
            sockets = list(self._open)
        for sock in sockets:
            _shut(sock)

    def facts(self) -> dict[str, JsonValue]:
        if self.certificate is None:
            return {}
        return {"tls": self.tls_version, **certificate_facts(self.certificate)}

    def warnings(self) -> list[str]:
        return [] if self.certificate is None else expiry_warnings(self.certificate)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed already
        # The plain one also for TLS, whose own would wait for the other side's goodbye.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _PlainConnection(HTTPConnection):
    guard: Guard

    def _new_conn(self) -> socket.socket:
        return _dial(self, super()._new_conn)

    def connect(self) -> None:
        super().connect()
        self.guard.opened(self)


class _TlsConnection(HTTPSConnection):
    guard: Guard

    def _new_conn(self) -> socket.socket:
        return _dial(self, super()._new_conn)

    def connect(self) -> None:
        super().connect()
        self.guard.opened(self)


def _dial(
    connection: _PlainConnection | _TlsConnection, dial: Callable[[], socket.socket]
) -> socket.socket:
    """Connect to an address that was checked; the name stays for the Host header and TLS."""
    name = connection._dns_host
    if connection.guard.allow_address is None:
        return dial()
    try:
        addresses = connection.guard.addresses(name, connection.port or 0)
    except socket.gaierror as error:
        raise NameResolutionError(name, connection, error) from error
    *others, last = addresses
    try:
        for address in others:
            connection._dns_host = address
            with contextlib.suppress(NewConnectionError):  # the next address may answer
                return dial()
        connection._dns_host = last
        return dial()
    finally:
        connection._dns_host = name


class _TlsPool(HTTPSConnectionPool):
    def _validate_conn(self, conn: Any) -> None:
        # urllib3 would warn of an unverified certificate at every connection; ours is told by
        # `check()`, once, to the person who can change it.
        if conn.is_closed:
            conn.connect()


class Transport(HTTPAdapter):
    """A requests adapter with one TLS context, guarded connections and no retries of its own."""

    def __init__(self, guard: Guard, context: ssl.SSLContext | None, connections: int) -> None:
        self._guard = guard
        self._context = context
        super().__init__(pool_connections=4, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        shared = {"guard": self._guard}
        plain = type("GuardedConnection", (_PlainConnection,), shared)
        tls = type("GuardedTlsConnection", (_TlsConnection,), shared)
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("GuardedPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("GuardedTlsPool", (_TlsPool,), {"ConnectionCls": tls}),
        }

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing to add: the TLS context holds the whole truth."""
