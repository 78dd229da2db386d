"""Run the HTTP server: address, TLS and shutdown."""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from app import logs
from app.application import Application
from app.database.engine import limit_statements
from app.errors import OpenRegisterError, UsageError
from app.server.connections import Bounds, Gate, Listening, guarded
from app.server.factory import create_app
from app.server.worker import EmbeddedWorker
from app.users import sign_in
from app.users.invitation import Invitation

KEEP_ALIVE = 20
"""Seconds an idle connection stays open."""

LONGEST_GOODBYE = 10
"""Seconds that requests in progress get when the server is stopped."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen. `proxies`: addresses whose X-Forwarded-For and -Proto are trusted.

    `behind_proxy`: a proxy terminates TLS, so plain HTTP may be served beyond this machine.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    proxies: Sequence[str] = ("127.0.0.1", "::1")
    behind_proxy: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    worker: bool = True


def serve(app: Application, listen: Listen, ready: Callable[[str, str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called once the socket is open.

    Its arguments are the URL, and the link that creates the first account; the latter is empty
    if there is one, or if others than this machine can connect.
    Raises UsageError for an address beyond loopback if no user exists or nothing terminates TLS,
    and OpenRegisterError if the address cannot be bound.
    """
    if not is_loopback(listen.host):
        _refuse_in_the_open(app, listen)
    invitation = None
    if is_loopback(listen.host) and not app.read(sign_in.anybody):
        invitation = Invitation()
    limit_statements(app.engine, app.settings.statement_timeout)
    gate = Gate(Bounds.of_this_process(), exempt=listen.proxies)
    config = configuration(create_app(app, invitation), gate, listen)
    with ExitStack() as stack:
        bound = stack.enter_context(_bind(listen.host, listen.port, gate))
        stack.enter_context(_returning())
        stack.enter_context(logs.sparing())
        if listen.worker:
            stack.enter_context(EmbeddedWorker(app))
        address = _address(listen, bound)
        ready(address, f"{address}{invitation.path}" if invitation else "")
        uvicorn.Server(config).run(sockets=[bound])


def configuration(web: FastAPI, gate: Gate, listen: Listen) -> uvicorn.Config:
    """uvicorn's configuration for the application behind the gate."""
    return uvicorn.Config(
        web,
        http=guarded(gate),
        ws="none",  # no WebSockets, so an upgrade cannot bypass the gate
        backlog=128,
        log_config=None,  # the command line configures logging
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=list(listen.proxies),
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=LONGEST_GOODBYE,
        ssl_certfile=listen.tls_certificate,
        ssl_keyfile=listen.tls_key,
    )


def _refuse_in_the_open(app: Application, listen: Listen) -> None:
    if not app.read(sign_in.anybody):
        raise UsageError(
            f"There are no users who could sign in, so the server does not listen on {listen.host}",
            hint="Run `openregister user:add NAME --admin` first, or serve on 127.0.0.1",
        )
    if listen.tls_certificate is None and not listen.behind_proxy:
        raise UsageError(
            f"Passwords would cross the network unencrypted, so the server does not listen on "
            f"{listen.host}",
            hint="Give --tls-certificate and --tls-key, or put a reverse proxy in front and give "
            "--proxy ADDRESS or --behind-proxy. The proxy must terminate TLS, set X-Forwarded-For "
            "and X-Forwarded-Proto, and limit header, body and idle times, as deploy/nginx.conf "
            "and deploy/Caddyfile do",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may resolve to any address


@contextmanager
def _bind(host: str, port: int, gate: Gate) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = Listening.behind(
            gate, socket.create_server((host, port), family=family, backlog=128)
        )
    except OSError as error:
        raise OpenRegisterError(
            f"Cannot listen on this address: {error.strerror or error}",
            where=f"{host}:{port}",
            hint="Stop the program that listens there, or choose another --port",
        ) from None
    with bound:
        # connections inherit it; without it a response on a keep-alive connection waits 40 ms
        # until the client acknowledges its headers
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield bound


@contextmanager
def _returning() -> Iterator[None]:
    """Let `Server.run` return after SIGTERM and SIGINT.

    It raises the signal again after shutting down, which would end the process before the
    worker and the database are closed.
    """
    before = {
        number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _address(listen: Listen, bound: socket.socket) -> str:
    scheme = "https" if listen.tls_certificate else "http"
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"{scheme}://{host}:{bound.getsockname()[1]}"
