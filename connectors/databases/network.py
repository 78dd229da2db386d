"""Shared code for databases reached over the network."""

from __future__ import annotations

import socket
import ssl
import struct

from connectors.sdk.connector import Context
from connectors.sdk.net.dial import of_exception
from connectors.sdk.net.guard import Guard

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""PostgreSQL's SSLRequest (protocol documentation, section "Message Formats")."""

UNVERIFIED = (
    "The server's certificate is not verified: set tls.mode to require, and tls.ca_file unless its "
    "authority is public"
)


def plain_text_warnings(host: str) -> list[str]:
    """Warnings for an unencrypted connection; none if it stays on this machine."""
    if host.startswith("/") or host in ("localhost", "127.0.0.1", "::1"):
        return []
    return ["The connection is not encrypted: set tls.mode to require if the server supports it"]


def addresses(host: str, port: int, context: Context) -> list[str]:
    """IP addresses of `host` to which the policy allows connections. Raises ConnectorError."""
    try:
        return list(dict.fromkeys(Guard(context.policy.allow_address).addresses(host, port)))
    except OSError as error:
        raise of_exception(error, host, f"{host}:{port}") from None


def postgres_certificate(address: str, port: int, host: str, timeout: float) -> bytes | None:
    """The certificate of a PostgreSQL server, DER-encoded; libpq does not expose it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # for display only: libpq has already verified it as configured
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((address, port), timeout) as plain:
            plain.sendall(_SSL_REQUEST)
            if plain.recv(1) != b"S":
                return None
            with context.wrap_socket(plain, server_hostname=host) as encrypted:
                return encrypted.getpeercert(binary_form=True)
    except OSError:  # omit a fact that is unavailable
        return None
