"""The sessions of one client: one per scheme for its own origin, and one for wherever it leads."""

from __future__ import annotations

import threading

import requests

from connectors.sdk.connector import Policy
from connectors.sdk.http.transport import Transport
from connectors.sdk.net.guard import Guard
from connectors.sdk.net.tls import TlsConfig, client_context


class Sessions:
    """Sessions that share a guard; only those of the client's own origin show its certificate."""

    def __init__(self, guard: Guard, tls: TlsConfig, policy: Policy, connections: int) -> None:
        self._guard = guard
        self._tls = tls
        self._policy = policy
        self._connections = connections
        self._sessions: dict[tuple[bool, str], requests.Session] = {}
        self._proxies: dict[tuple[str, str, int], dict[str, str]] = {}
        self._lock = threading.Lock()

    def get(self, own: bool, scheme: str) -> requests.Session:
        """The session for the client's own origin, or for others."""
        with self._lock:
            session = self._sessions.get((own, scheme))
            if session is None:
                session = requests.Session()
                # Not from the environment: .netrc holds passwords, REQUESTS_CA_BUNDLE trust.
                session.trust_env = False
                session.headers.clear()
                tls = None
                if scheme == "https":
                    tls = client_context(self._tls, self._policy, present_certificate=own)
                session.mount(f"{scheme}://", Transport(self._guard, tls, self._connections))
                self._sessions[own, scheme] = session
            return session

    def proxies(self, origin: tuple[str, str, int], url: str) -> dict[str, str]:
        """The proxies that the environment names for an address. Raises AccessDeniedError."""
        found = self._proxies.get(origin)
        if found is None:
            found = requests.utils.get_environ_proxies(url)
            if found:
                self._guard.refuse_proxied(origin[1])
            self._proxies[origin] = found
        return found

    def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            session.close()
