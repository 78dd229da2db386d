"""Listening: where, for whom, and until when."""

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
from app.errors import OpenRegisterError, UsageError
from app.server.connections import Bounds, Door, Listening, guarded
from app.server.factory import create_app
from app.server.worker import EmbeddedWorker
from app.users import sign_in

KEEP_ALIVE = 20
"""Seconds an idle connection stays open."""

LONGEST_GOODBYE = 10
"""Seconds that requests under way get when the server is told to stop."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen. `proxies`: addresses whose X-Forwarded-For and -Proto are believed.

    `behind_proxy`: something in front ends TLS, so that plain HTTP may leave this machine.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    proxies: Sequence[str] = ("127.0.0.1", "::1")
    behind_proxy: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    worker: bool = True


def serve(app: Application, listen: Listen, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called with the address once it is open.

    Raises UsageError beyond loopback while nobody can sign in or nothing ends TLS,
    OpenRegisterError when the address cannot be had.
    """
    if not is_loopback(listen.host):
        _refuse_in_the_open(app, listen)
    door = Door(Bounds.of_this_process(), exempt=listen.proxies)
    config = configuration(create_app(app), door, listen)
    with ExitStack() as stack:
        bound = stack.enter_context(_bind(listen.host, listen.port, door))
        stack.enter_context(_returning())
        stack.enter_context(logs.sparing())
        if listen.worker:
            stack.enter_context(EmbeddedWorker(app))
        ready(_address(listen, bound))
        uvicorn.Server(config).run(sockets=[bound])


def configuration(web: FastAPI, door: Door, listen: Listen) -> uvicorn.Config:
    """How uvicorn serves the application to connections that come through the door."""
    return uvicorn.Config(
        web,
        http=guarded(door),
        ws="none",  # there are none; an upgrade is not a way past the door
        backlog=128,
        log_config=None,  # what is logged, and where to, is the command line's to say
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
            f"Nobody could sign in, so this does not listen on {listen.host}",
            hint="Run `openregister user:add NAME --admin` first, or serve on 127.0.0.1",
        )
    if listen.tls_certificate is None and not listen.behind_proxy:
        raise UsageError(
            f"Passwords would cross the network unencrypted, so this does not listen on "
            f"{listen.host}",
            hint="Give --tls-certificate and --tls-key; or put a reverse proxy in front and say "
            "so with --proxy ADDRESS or --behind-proxy: it has to end TLS, set X-Forwarded-For "
            "and X-Forwarded-Proto, and bound header, body and idle times, as deploy/nginx.conf "
            "and deploy/Caddyfile do",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may mean any address


@contextmanager
def _bind(host: str, port: int, door: Door) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = Listening.behind(
            door, socket.create_server((host, port), family=family, backlog=128)
        )
    except OSError as error:
        raise OpenRegisterError(
            f"No server can listen there: {error.strerror or error}",
            where=f"{host}:{port}",
            hint="Stop what listens there already, or choose another --port",
        ) from None
    with bound:
        # connections inherit it; without it an answer on a connection that is kept alive waits
        # 40 ms for the caller to acknowledge its headers
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield bound


@contextmanager
def _returning() -> Iterator[None]:
    """Let `Server.run` come back after SIGTERM and SIGINT.

    It raises the signal once more when it has shut down, which would end the process before
    the worker and the database are seen to.
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
