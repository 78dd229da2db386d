"""Connections to file servers: check addresses before connecting, explain failures."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace

from connectors.sdk import redact
from connectors.sdk.connector import Context
from connectors.sdk.errors import ConnectorError, UnreachableError
from connectors.sdk.net.guard import Guard
from connectors.sdk.net.tls import explain


def dial(host: str, port: int, context: Context) -> socket.socket:
    """A TCP connection to an address that the policy allows. Raises ConnectorError."""
    where = f"{host}:{port}"
    timeout = context.limits.connect_timeout
    try:
        addresses = list(dict.fromkeys(Guard(context.policy.allow_address).addresses(host, port)))
    except OSError as error:
        raise of_exception(error, host, where) from None
    failure: OSError = OSError("no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=timeout)
        except OSError as error:
            failure = error
    raise of_exception(failure, host, where) from None


def brief(context: Context) -> Context:
    """The same context with short timeouts, so that a test responds within ten seconds."""
    limits = context.limits
    return replace(
        context,
        limits=replace(
            limits,
            connect_timeout=min(limits.connect_timeout, 4.0),
            read_timeout=min(limits.read_timeout, 5.0),
        ),
    )


def of_exception(error: BaseException, host: str, where: str) -> ConnectorError:
    """The error for a failed or lost connection, with a hint."""
    if isinstance(error, ConnectorError):
        return error
    if isinstance(error, ssl.SSLError):
        explained = explain(error, host)
        return type(explained)(explained.what, where=where, hint=explained.hint)
    if isinstance(error, socket.gaierror):
        return UnreachableError(
            f"The name {host} was not found in DNS ({error.strerror})",
            where=where,
            hint="Check the spelling of the host name and this machine's DNS",
        )
    if isinstance(error, ConnectionRefusedError):
        return UnreachableError(
            f"{host} refused the connection",
            where=where,
            hint="Check the port, and that the server is running",
        )
    if isinstance(error, TimeoutError):
        return UnreachableError(
            f"{host} did not answer in time",
            where=where,
            hint="Check the host and port, and any firewalls in between",
        )
    if isinstance(error, (EOFError, ConnectionError)):
        return UnreachableError(f"{host} closed the connection", where=where)
    reason = redact.shorten(str(error) or type(error).__name__, 160)
    return UnreachableError(f"The connection to {host} failed: {reason}", where=where)
