"""Connections for HTTP: check addresses before connecting, record certificates.

`requests` resolves a name and connects in one step; here the guard checks in between.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError

from connectors.sdk.net.guard import Guard


class _PlainConnection(HTTPConnection):
    guard: Guard

    def _new_conn(self) -> socket.socket:
        return _dial(self, super()._new_conn)

    def connect(self) -> None:
        super().connect()
        self.guard.opened(self.sock)


class _TlsConnection(HTTPSConnection):
    guard: Guard

    def _new_conn(self) -> socket.socket:
        return _dial(self, super()._new_conn)

    def connect(self) -> None:
        super().connect()
        self.guard.opened(self.sock)


def _dial(
    connection: _PlainConnection | _TlsConnection, dial: Callable[[], socket.socket]
) -> socket.socket:
    """Connect to a checked address; Host header and TLS still use the name."""
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
            with contextlib.suppress(NewConnectionError):  # the next address may work
                return dial()
        connection._dns_host = last
        return dial()
    finally:
        connection._dns_host = name


class _TlsPool(HTTPSConnectionPool):
    def _validate_conn(self, conn: Any) -> None:
        # urllib3 would warn about an unverified certificate for every connection; `check()`
        # reports it once, to the user who can change it.
        if conn.is_closed:
            conn.connect()


class Transport(HTTPAdapter):
    """A requests adapter with one TLS context, guarded connections and no retries."""

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
        """Does nothing: the TLS context is complete."""
