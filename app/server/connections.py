"""Limits on open connections, per address and in total, and on how long a client may take.

uvicorn limits how long a kept connection may idle and, once headers have arrived, how many
requests run. This module limits clients that send nothing, or send or read very slowly. The
listening socket counts accepted connections, including TLS handshakes. When it is full, the
connection that has waited longest for its client is closed, so that idle clients block nobody.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import resource
import socket
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar, cast

import h11
import orjson
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from app.errors import UsageError
from app.http.problems import MEDIA_TYPE, Problem

_log = logging.getLogger(__name__)

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_KEPT_BACK = 100
"""Descriptors for everything else: the database pool, files, logs, the worker's pipe."""

_REPORT_EVERY = 10.0

NOT_HTTP = Problem(
    400,
    "InvalidHttp",
    "The request is not valid HTTP/1.1, or its header is too long",
    hint="Check what the client or a proxy in front sends",
)

Peer = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits on connections; times in seconds."""

    connections: int = 500
    per_address: int = 100
    """Per address; trusted proxies are exempt, as they forward for many clients."""
    head: float = 10.0
    """From waiting for the first byte to the end of the request header."""
    body: float = 30.0
    """For a request body, plus one second per `body_rate` bytes received."""
    body_rate: int = 1024
    write: float = 60.0
    """For a client to accept any of the data waiting to be sent."""

    @classmethod
    def of_this_process(cls) -> Bounds:
        """The defaults, or fewer connections if the process may open few files."""
        allowed, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if allowed == resource.RLIM_INFINITY:
            return cls()
        most = max(20, min(cls().connections, allowed - _KEPT_BACK))
        return cls(connections=most, per_address=min(cls().per_address, most))


class Phase(IntEnum):
    """What a connection waits for; lower phases are closed first."""

    HEAD = 0
    BODY = 1
    ANSWER = 2


@dataclass(slots=True)
class _Open:
    accepted: socket.socket
    since: float
    phase: Phase = Phase.HEAD
    transport: asyncio.Transport | None = None

    def end(self) -> None:
        if self.transport is not None:
            self.transport.abort()
            return
        with suppress(OSError):  # during its TLS handshake the event loop notices the end
            self.accepted.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class _Tally:
    refused: int = 0
    shed: int = 0
    reported: float = field(default_factory=lambda: float("-inf"))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise UsageError(
            f"--proxy {text} is not an IP address or network",
            hint="Give the address from which the proxy connects, such as 10.0.0.1 or 10.0.0.0/8",
        ) from None


class Gate:
    """The open connections. Everything happens on the event loop's thread."""

    def __init__(self, bounds: Bounds, exempt: Collection[str] = ()) -> None:
        self.bounds = bounds
        self._exempt = [_network(one) for one in exempt if one != "*"]
        self._all_exempt = "*" in exempt
        self._open: dict[Peer, _Open] = {}
        self._tally = _Tally()

    @property
    def count(self) -> int:
        """The number of open connections."""
        return len(self._open)

    def admit(self, peer: Peer, accepted: socket.socket) -> bool:
        """Whether the connection may stay; closes another one for it if possible."""
        if (before := self._open.pop(peer, None)) is not None:
            before.end()  # its client has left and reuses the port
        host = peer[0]
        if not self._passes_on(host):
            same = [one for one in self._open if one[0] == host]
            if len(same) >= self.bounds.per_address and not self._shed(same):
                return self._refuse()
        if len(self._open) >= self.bounds.connections and not self._shed(self._open):
            return self._refuse()
        self._open[peer] = _Open(accepted, time.monotonic())
        return True

    def make_room(self) -> None:
        """Close some waiting connections: the process cannot open more files."""
        for _ in range(10):
            if not self._shed(self._open):
                return

    def bind(self, peer: Peer, transport: asyncio.Transport) -> None:
        """The connection's TLS handshake is done and HTTP begins."""
        if (found := self._open.get(peer)) is not None:
            found.transport = transport

    def enter(self, peer: Peer, phase: Phase) -> None:
        """The connection enters another phase."""
        found = self._open.get(peer)
        if found is not None and found.phase is not phase:
            found.phase, found.since = phase, time.monotonic()

    def leave(self, peer: Peer, accepted: socket.socket) -> None:
        """The connection is closed."""
        found = self._open.get(peer)
        if found is not None and found.accepted is accepted:
            del self._open[peer]

    def _passes_on(self, host: str) -> bool:
        """Whether it is a proxy, which forwards for many clients."""
        if self._all_exempt or not self._exempt:
            return self._all_exempt
        address = ipaddress.ip_address(host.partition("%")[0])
        return any(address in network for network in self._exempt)

    def _shed(self, peers: Collection[Peer]) -> bool:
        waiting = [peer for peer in peers if self._open[peer].phase is not Phase.ANSWER]
        if not waiting:
            return False
        first = min(waiting, key=lambda peer: (self._open[peer].phase, self._open[peer].since))
        self._open.pop(first).end()
        self._tally.shed += 1
        self._report()
        return True

    def _refuse(self) -> bool:
        self._tally.refused += 1
        self._report()
        return False

    def _report(self) -> None:
        tally, now = self._tally, time.monotonic()
        if now - tally.reported < _REPORT_EVERY:
            return
        _log.warning(
            "Too many connections: %d are open; closed %d that waited for their client and "
            "refused %d since the last report",
            len(self._open),
            tally.shed,
            tally.refused,
        )
        self._tally = _Tally(reported=now)


class Listening(socket.socket):
    """A listening socket whose connections are counted by a gate."""

    gate: Gate
    _rest: float = 0.0

    @classmethod
    def behind(cls, gate: Gate, bound: socket.socket) -> Listening:
        """The same socket with a gate; `bound` must not be used afterwards."""
        made = cls(bound.family, bound.type, bound.proto, fileno=bound.detach())
        made.gate = gate
        return made

    def accept(self) -> tuple[socket.socket, Any]:
        """The next admitted connection. Raises BlockingIOError if there is none."""
        if time.monotonic() < self._rest:
            raise BlockingIOError
        try:
            accepted, address = super().accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                # asyncio pauses for a second, but only after trying once per backlog entry
                self._rest = time.monotonic() + 0.5
                self.gate.make_room()
            raise
        peer = (str(address[0]), int(address[1]))
        counted = _Counted(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        counted.gate, counted.peer = self.gate, peer
        if not self.gate.admit(peer, counted):
            counted.close()
            raise BlockingIOError
        return counted, address


class _Counted(socket.socket):
    """A connection, counted until its descriptor is closed."""

    gate: Gate
    peer: Peer

    def close(self) -> None:
        super().close()
        self.gate.leave(self.peer, self)


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with limits on waiting for the client."""

    gate: ClassVar[Gate]
    _peer: Peer = ("", 0)
    _head_since: float | None = None
    _body_since = 0.0
    _body_bytes = 0
    _stuck_since: float | None = None
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = self.client or self._peer
        self.gate.bind(self._peer, transport)
        self._head_since = self.loop.time()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        if self._idle and self._head_since is None:
            self._head_since = self.loop.time()
        self._body_bytes += len(data)
        super().data_received(data)
        self._moved_on(before)

    def on_response_complete(self) -> None:
        before = self.cycle
        self._head_since = None  # uvicorn's keep-alive timeout closes it if nothing follows
        super().on_response_complete()
        self._moved_on(before)

    def pause_writing(self) -> None:
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stuck_since = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP/1.1 as all errors are answered; close where none can be sent."""
        if not self._idle:
            self.transport.close()
            return
        body = orjson.dumps(NOT_HTTP.document())
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        head = h11.Response(status_code=NOT_HTTP.status, headers=headers, reason=b"Bad Request")
        events = (head, h11.Data(data=body), h11.EndOfMessage())
        self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
        self.transport.close()

    @property
    def _idle(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # none before the first request
        return cycle is None or cycle.response_complete

    def _moved_on(self, before: object) -> None:
        """Record what the connection waits for now."""
        if self.cycle is not before:
            self._head_since = None
            self._body_since, self._body_bytes = self.loop.time(), 0
        if self._idle:
            self.gate.enter(self._peer, Phase.HEAD)
        else:
            more = self.cycle.more_body
            self.gate.enter(self._peer, Phase.BODY if more else Phase.ANSWER)

    def _look(self) -> None:
        """Close the connection if its client is too slow; otherwise check again later."""
        bounds = self.gate.bounds
        if self._overdue(bounds):
            self.transport.abort()
            return
        pause = min(1.0, bounds.head / 4, bounds.body / 4, bounds.write / 4)
        self._watch = self.loop.call_later(pause, self._look)

    def _overdue(self, bounds: Bounds) -> bool:
        now = self.loop.time()
        if self.transport.is_closing() and self._stuck_since is None:
            self._stuck_since = now  # the remaining data gets the full time again
        if self._stuck_since is not None:
            return now - self._stuck_since > bounds.write
        if self._idle:
            return self._head_since is not None and now - self._head_since > bounds.head
        if self.cycle.more_body and not self.flow.read_paused:
            allowed = bounds.body + self._body_bytes / bounds.body_rate
            return now - self._body_since > allowed
        return False


def guarded(gate: Gate) -> type[GuardedProtocol]:
    """The protocol class for connections through a gate, for `uvicorn.Config`."""
    return type("GuardedProtocol", (GuardedProtocol,), {"gate": gate})
