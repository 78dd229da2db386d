"""How many connections may be open, from where, and how long a caller may take.

uvicorn bounds how long a kept connection idles and, once a header has arrived, how many requests
run; a caller who sends nothing, or sends and reads drop by drop, is bounded here. The listening
socket counts what it accepts, TLS handshakes included. When it is full the connection that has
waited longest for its caller makes room, so that silent ones keep nobody out.
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

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from app.errors import UsageError

_log = logging.getLogger(__name__)

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_KEPT_BACK = 100
"""Descriptors for all else: the database's pool, files, logs, the worker's pipe."""

_REPORT_EVERY = 10.0

Peer = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Numbers of connections; times in seconds."""

    connections: int = 500
    per_address: int = 100
    """Of one address; the proxies that are believed pass on those of many and are exempt."""
    head: float = 10.0
    """From the first byte awaited to the end of a request's header."""
    body: float = 30.0
    """For a request's body, and a second more for each `body_rate` bytes that have arrived."""
    body_rate: int = 1024
    write: float = 60.0
    """For a caller to take any of what waits to be sent."""

    @classmethod
    def of_this_process(cls) -> Bounds:
        """The defaults, and fewer connections where the process may open few files."""
        allowed, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if allowed == resource.RLIM_INFINITY:
            return cls()
        most = max(20, min(cls().connections, allowed - _KEPT_BACK))
        return cls(connections=most, per_address=min(cls().per_address, most))


class Phase(IntEnum):
    """What a connection waits for; the lower ones make room first."""

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
        with suppress(OSError):  # still in its TLS handshake: the event loop sees the end
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


class Door:
    """The connections that are open. Everything happens on the event loop's thread."""

    def __init__(self, bounds: Bounds, exempt: Collection[str] = ()) -> None:
        self.bounds = bounds
        self._exempt = [_network(one) for one in exempt if one != "*"]
        self._all_exempt = "*" in exempt
        self._open: dict[Peer, _Open] = {}
        self._tally = _Tally()

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def admit(self, peer: Peer, accepted: socket.socket) -> bool:
        """Whether the connection may stay; makes room for it where that is possible."""
        if (before := self._open.pop(peer, None)) is not None:
            before.end()  # its caller has left and uses the port anew
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
        """End some that wait: the process may open no more files."""
        for _ in range(10):
            if not self._shed(self._open):
                return

    def bind(self, peer: Peer, transport: asyncio.Transport) -> None:
        """The connection has come as far as HTTP."""
        if (found := self._open.get(peer)) is not None:
            found.transport = transport

    def enter(self, peer: Peer, phase: Phase) -> None:
        """The connection waits for something else from now on."""
        found = self._open.get(peer)
        if found is not None and found.phase is not phase:
            found.phase, found.since = phase, time.monotonic()

    def leave(self, peer: Peer, accepted: socket.socket) -> None:
        """The connection is closed."""
        found = self._open.get(peer)
        if found is not None and found.accepted is accepted:
            del self._open[peer]

    def _passes_on(self, host: str) -> bool:
        """Whether it is a proxy, whose connections are those of many people."""
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
            "Too many connections: %d are open; ended %d that waited for their caller and "
            "refused %d since the last such line",
            len(self._open),
            tally.shed,
            tally.refused,
        )
        self._tally = _Tally(reported=now)


class Listening(socket.socket):
    """A listening socket whose connections go through a door."""

    door: Door
    _rest: float = 0.0

    @classmethod
    def behind(cls, door: Door, bound: socket.socket) -> Listening:
        """The same socket with a door; `bound` is used up."""
        made = cls(bound.family, bound.type, bound.proto, fileno=bound.detach())
        made.door = door
        return made

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection that may stay. Raises BlockingIOError when there is none now."""
        if time.monotonic() < self._rest:
            raise BlockingIOError
        try:
            accepted, address = super().accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                # asyncio takes a rest of a second, but tries as often as the backlog is long first
                self._rest = time.monotonic() + 0.5
                self.door.make_room()
            raise
        peer = (str(address[0]), int(address[1]))
        counted = _Counted(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        counted.door, counted.peer = self.door, peer
        if not self.door.admit(peer, counted):
            counted.close()
            raise BlockingIOError
        return counted, address


class _Counted(socket.socket):
    """A connection that is counted until its descriptor is closed."""

    door: Door
    peer: Peer

    def close(self) -> None:
        super().close()
        self.door.leave(self.peer, self)


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with an end to waiting for the caller."""

    door: ClassVar[Door]
    _peer: Peer = ("", 0)
    _head_since: float | None = None
    _body_since = 0.0
    _body_bytes = 0
    _stuck_since: float | None = None
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = self.client or self._peer
        self.door.bind(self._peer, transport)
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
        self._head_since = None  # uvicorn's keep-alive ends it while nothing more comes
        super().on_response_complete()
        self._moved_on(before)

    def pause_writing(self) -> None:
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stuck_since = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Also where an answer is under way, when none can be sent."""
        if not self._idle:
            self.transport.close()
            return
        super().send_400_response(msg)

    @property
    def _idle(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # none before the first request
        return cycle is None or cycle.response_complete

    def _moved_on(self, before: object) -> None:
        """Note what the connection waits for now."""
        if self.cycle is not before:
            self._head_since = None
            self._body_since, self._body_bytes = self.loop.time(), 0
        if self._idle:
            self.door.enter(self._peer, Phase.HEAD)
        else:
            more = self.cycle.more_body
            self.door.enter(self._peer, Phase.BODY if more else Phase.ANSWER)

    def _look(self) -> None:
        """End the connection when its caller has taken too long; look again otherwise."""
        bounds = self.door.bounds
        if self._overdue(bounds):
            self.transport.abort()
            return
        pause = min(1.0, bounds.head / 4, bounds.body / 4, bounds.write / 4)
        self._watch = self.loop.call_later(pause, self._look)

    def _overdue(self, bounds: Bounds) -> bool:
        now = self.loop.time()
        if self.transport.is_closing() and self._stuck_since is None:
            self._stuck_since = now  # what is left to be sent has as long as the rest had
        if self._stuck_since is not None:
            return now - self._stuck_since > bounds.write
        if self._idle:
            return self._head_since is not None and now - self._head_since > bounds.head
        if self.cycle.more_body and not self.flow.read_paused:
            allowed = bounds.body + self._body_bytes / bounds.body_rate
            return now - self._body_since > allowed
        return False


def guarded(door: Door) -> type[GuardedProtocol]:
    """The protocol class for connections that come through a door, as `uvicorn.Config` wants it."""
    return type("GuardedProtocol", (GuardedProtocol,), {"door": door})
