"""Check the addresses to which a source connects, and track its connections.

A source set up through the web must not reach the host's own network. A name is resolved, its
addresses are checked, and one of these is used, so that a second DNS answer changes nothing.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import weakref
from collections.abc import Callable

from connectors.sdk.errors import AccessDeniedError
from connectors.sdk.net.tls import certificate_facts, expiry_warnings
from connectors.sdk.rows import JsonValue


class Guard:
    """State shared by the connections of one client: the address rule and the open sockets."""

    def __init__(self, allow_address: Callable[[str, str], bool] | None = None) -> None:
        self.allow_address = allow_address
        self.certificate: bytes | None = None
        self.tls_version: str | None = None
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._aborted = False
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int) -> list[str]:
        """The allowed IP addresses of `host`. Raises gaierror, AccessDeniedError."""
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
            except AccessDeniedError as error:  # it has a reason
                refusal = refusal or error
        if not allowed:
            raise refusal or AccessDeniedError(
                "This source may not connect there: the address is not allowed",
                where=f"{host} ({', '.join(sorted(set(found)))})",
                hint="An administrator of this instance can allow the address",
            )
        return allowed

    def refuse_proxied(self, host: str) -> None:
        """Check where a proxy will connect, if the name can be resolved here.

        The proxy resolves it again, so its own rules are decisive.
        """
        if self.allow_address is None:
            return
        with contextlib.suppress(socket.gaierror):  # names that only the proxy can resolve
            self.addresses(host, 0)

    def opened(self, sock: socket.socket) -> None:
        """Record the socket of a new connection and, with TLS, the server's certificate."""
        with self._lock:
            self._open.add(sock)
            aborted = self._aborted
        if aborted:  # it was opened while `abort` ran
            _shut(sock)
            return
        if isinstance(sock, ssl.SSLSocket) and self.certificate is None:
            self.certificate = sock.getpeercert(binary_form=True)
            self.tls_version = sock.version()

    def abort(self) -> None:
        """Close every open connection, so that threads waiting on one return at once."""
        with self._lock:
            self._aborted = True
        self.shut()

    def shut(self) -> None:
        """Break every connection that is open now."""
        with self._lock:
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
    with contextlib.suppress(OSError):  # already closed
        # The plain one even for TLS, whose own would wait for the peer's close_notify.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
