"""The FTP client, with features that ftplib leaves to the caller."""

from __future__ import annotations

import ftplib
import select
import socket
import ssl

from connectors.sdk.connector import Context
from connectors.sdk.errors import ConnectorError, TrustError, UnreachableError
from connectors.sdk.net.dial import dial

_EARLY = 3.0
"""Seconds of silence after which a server may be expecting TLS."""

_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")


class Client(ftplib.FTP):
    """Uses an existing socket; TLS on the data channel resumes its session."""

    def __init__(self, tls: ssl.SSLContext | None, encoding: str, timeout: float) -> None:
        super().__init__(timeout=timeout, encoding=encoding)
        self._tls = tls
        self.protected = False

    def open(self, sock: socket.socket, host: str, port: int, *, implicit: bool) -> None:
        self.host, self.port = host, port
        sock.settimeout(self.timeout)
        self.sock, self.af = sock, sock.family
        self.file = sock.makefile("r", encoding=self.encoding)
        if implicit:
            self._wrap_control()
        self.welcome = self.getresp()

    def getline(self) -> str:
        line = super().getline()
        if line.startswith("SSH-"):  # would be read as the first of several lines
            raise ftplib.error_proto(line)  # noqa: S321 (what else would speak FTP)
        return line

    def start_tls(self) -> None:
        self.voidcmd("AUTH TLS")
        self._wrap_control()

    def _wrap_control(self) -> None:
        assert self._tls is not None
        assert self.sock is not None
        try:
            wrapped = self._tls.wrap_socket(self.sock, server_hostname=self.host)
        except ssl.SSLError as error:
            if error.reason in _NOT_TLS:
                raise TrustError(
                    f"{self.host} does not speak TLS from the first byte on this port",
                    where=f"{self.host}:{self.port}",
                    hint="Set encryption: explicit; implicit TLS uses another port, usually 990",
                ) from None
            raise
        self.sock, self.file = wrapped, wrapped.makefile("r", encoding=self.encoding)

    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        try:
            connection, size = super().ntransfercmd(cmd, rest)
        except (ConnectionRefusedError, TimeoutError):  # the control connection works
            raise _no_data(f"{self.host}:{self.port}", passive=bool(self.passiveserver)) from None
        if self.protected and isinstance(self.sock, ssl.SSLSocket) and self._tls is not None:
            # Many servers reject a data channel that does not resume the session of the control
            # channel, which proves that both belong to the same client.
            connection = self._tls.wrap_socket(
                connection, server_hostname=self.host, session=self.sock.session
            )
        return connection, size


def await_greeting(sock: socket.socket, host: str, port: int, context: Context) -> None:
    """Wait for the server's greeting, and detect early if it is waiting for us.

    A server that expects TLS from the first byte is silent, and so is a slow one.
    """
    where = f"{host}:{port}"
    patience = context.limits.read_timeout
    early = min(_EARLY, patience / 2)
    if _has_data(sock, early):
        return
    if _speaks_tls(host, port, context):
        raise TrustError(
            f"{host} speaks TLS from the first byte on this port",
            where=where,
            hint="Set encryption: implicit",
        )
    if not _has_data(sock, patience - early):
        raise UnreachableError(
            f"{host} accepted the connection, but sent no greeting within {patience:.0f} seconds",
            where=where,
            hint="Check the port: this may not be an FTP server",
        )


def _has_data(sock: socket.socket, seconds: float) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _speaks_tls(host: str, port: int, context: Context) -> bool:
    """Whether a server responds to a TLS handshake. Sends nothing else, so trust is irrelevant."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    try:
        with dial(host, port, context) as sock:
            sock.settimeout(_EARLY)
            with unverified.wrap_socket(sock, server_hostname=host):
                return True
    except (OSError, ConnectorError):
        return False


def _no_data(where: str, *, passive: bool) -> ConnectorError:
    if passive:
        hint = (
            "Its firewall must allow the ports it uses for passive mode; "
            "`passive: false` makes the server connect to us instead"
        )
    else:
        hint = "The server cannot connect to us; set `passive: true`"
    return UnreachableError(
        "The control connection works, but no data connection could be made", where=where, hint=hint
    )
