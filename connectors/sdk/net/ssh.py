"""SSH connections to verified servers: host keys, private keys, authentication.

A server is rejected if its host key is neither pinned nor in known_hosts, or differs from the known
key. No setting turns this off.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.hostkeys import HostKeyEntry, HostKeys, InvalidHostKey

from connectors.sdk import redact
from connectors.sdk.connector import Context, Policy
from connectors.sdk.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    TrustError,
    UnreachableError,
)
from connectors.sdk.net.dial import dial, of_exception
from connectors.sdk.net.local import read_text

SYSTEM_KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")

_FAMILIES: tuple[tuple[str, ...], ...] = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")
_KEY_CLASSES: tuple[type[paramiko.PKey], ...] = (
    paramiko.Ed25519Key,
    paramiko.ECDSAKey,
    paramiko.RSAKey,
)
_KEEPALIVE = 30

# Paramiko's threads also log, with traceback, what it raises; set a level to debug.
if logging.getLogger("paramiko").level == logging.NOTSET and not logging.root.isEnabledFor(
    logging.DEBUG
):
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def fingerprints(text: str) -> tuple[str, ...]:
    """The pinned fingerprints in a setting, as printed by ``ssh-keygen -lf``. Raises ValueError."""
    found = tuple(part.rstrip("=") for part in re.split(r"[\s,]+", text.strip()) if part)
    if not all(_FINGERPRINT.fullmatch(part) for part in found):
        raise ValueError("must look like SHA256:… as printed by `ssh-keygen -lf`")
    return found


@dataclass(frozen=True, slots=True)
class Trust:
    """The accepted host keys: pinned fingerprints, or else those in known_hosts."""

    pinned: tuple[str, ...]
    known: HostKeys
    revoked: frozenset[str]
    places: str
    """Where known hosts were searched, for messages."""

    @classmethod
    def load(cls, pinned: str, known_hosts: str, policy: Policy) -> Trust:
        """`known_hosts` is a path or the lines themselves; empty: this machine's files."""
        if pinned:
            return cls(fingerprints(pinned), HostKeys(), frozenset(), "")
        if known_hosts and ("\n" in known_hosts.strip() or " " in known_hosts.strip()):
            return cls((), *_parsed(known_hosts, "known_hosts"), "known_hosts of the source")
        if known_hosts:
            text = read_text(known_hosts, policy, "known_hosts")
            return cls((), *_parsed(text, known_hosts), known_hosts)
        files = [Path(name).expanduser() for name in SYSTEM_KNOWN_HOSTS]
        texts = [file.read_text(errors="replace") for file in files if _readable(file)]
        return cls((), *_parsed("\n".join(texts), ""), " and ".join(SYSTEM_KNOWN_HOSTS))

    def offers(self, host: str, port: int) -> list[tuple[str, ...]]:
        """Key types to request from the server, one connection each until a key is trusted."""
        if self.pinned:
            return list(_FAMILIES)
        types = set(self.known.lookup(_name(host, port)) or ())
        wanted = [family for family in _FAMILIES if any(_is_of(kind, family) for kind in types)]
        return wanted or [tuple(kind for family in _FAMILIES for kind in family)]

    def refusal(self, host: str, port: int, key: paramiko.PKey) -> TrustError | None:
        """Why `key` is not accepted for the host; None if it is."""
        shown = key.fingerprint
        where = f"{host}:{port}"
        if shown in self.revoked:
            return TrustError("The server's host key has been revoked", where=where)
        if self.pinned:
            if shown in self.pinned:
                return None
            return TrustError(
                f"The server's host key is not the pinned one: it is {shown} ({key.get_name()})",
                where=where,
                hint="The connection may be intercepted. If the server has a new key, ask its "
                "administrator for the fingerprint and set host_key_fingerprint",
            )
        known = self.known.lookup(_name(host, port))
        if not known:
            return TrustError(
                f"The server is not known: it presents the host key {shown} ({key.get_name()})",
                where=where,
                hint=f"It is not in {self.places}. Ask its administrator whether this is its "
                "fingerprint, and set host_key_fingerprint",
            )
        if any(known[kind] == key for kind in known):
            return None
        return TrustError(
            f"The server's host key has changed: it presents {shown} ({key.get_name()})",
            where=where,
            hint=f"The connection may be intercepted. If the server has a new key, ask its "
            f"administrator for the fingerprint, and replace the old key in {self.places}",
        )


@dataclass(frozen=True, slots=True)
class Login:
    """Our credentials: a private key, a password, or both if the server requires both."""

    user: str
    password: str = ""
    key: paramiko.PKey | None = None
    agent: bool = False


def private_key(text: str, passphrase: str) -> paramiko.PKey:
    """An Ed25519, ECDSA or RSA key from its PEM or OpenSSH text. Raises ConfigurationError."""
    if not text.endswith("\n"):
        text += "\n"
    for kind in _KEY_CLASSES:
        try:
            return kind.from_private_key(io.StringIO(text), password=passphrase or None)
        except paramiko.PasswordRequiredException:
            raise ConfigurationError(
                "The private key is protected by a passphrase", where="passphrase", hint="Set it"
            ) from None
        except (paramiko.SSHException, ValueError, TypeError, UnsupportedAlgorithm, IndexError):
            continue
    if "ENCRYPTED" in text or "OPENSSH PRIVATE KEY" in text or passphrase:
        raise ConfigurationError(
            "The private key cannot be read with this passphrase",
            where="passphrase",
            hint="Check the passphrase, and that the key is complete",
        )
    raise ConfigurationError(
        "This is not a supported private key",
        where="private_key",
        hint="Use an Ed25519, ECDSA or RSA key in OpenSSH or PEM format, with its "
        "-----BEGIN and -----END lines",
    )


@contextmanager
def session(
    host: str, port: int, login: Login, trust: Trust, context: Context
) -> Iterator[paramiko.Transport]:
    """An authenticated connection to a trusted host. Raises ConnectorError."""
    transport = _trusted(host, port, trust, context)
    try:
        _authenticate(transport, login, f"{host}:{port}", context)
        transport.set_keepalive(_KEEPALIVE)
        yield transport
    finally:
        _close(transport)


def _trusted(host: str, port: int, trust: Trust, context: Context) -> paramiko.Transport:
    """Connect until the server presents a trusted key; credentials are not sent before."""
    refusal: ConnectorError | None = None
    for offer in trust.offers(host, port):
        transport = paramiko.Transport(dial(host, port, context))
        try:
            transport.banner_timeout = context.limits.connect_timeout
            transport.auth_timeout = context.limits.read_timeout
            transport.get_security_options().key_types = offer
            # Longer than the banner's, so that the clearer of the two errors comes first.
            transport.start_client(timeout=2 * context.limits.connect_timeout)
            found = trust.refusal(host, port, transport.get_remote_server_key())
            if found is None:
                return transport
        except paramiko.ssh_exception.IncompatiblePeer as error:
            found = TrustError(
                f"{host} has no host key of a supported type: {redact.shorten(str(error), 120)}",
                where=f"{host}:{port}",
                hint="Ask the server's administrator for its fingerprint",
            )
            _close(transport)
            refusal = refusal or found
            continue
        except (paramiko.SSHException, OSError, EOFError) as error:
            _close(transport)
            raise _explain(error, host, port) from None
        except BaseException:
            _close(transport)
            raise
        _close(transport)
        refusal = found
    assert refusal is not None  # at least one key type was requested
    raise refusal


def _explain(error: BaseException, host: str, port: int) -> ConnectorError:
    where = f"{host}:{port}"
    if isinstance(error, paramiko.SSHException) and "banner" in str(error).lower():
        return UnreachableError(
            f"{host} did not respond as an SSH server",
            where=where,
            hint="Check the port; SFTP is not FTP over TLS, which is type ftp",
        )
    if isinstance(error, paramiko.SSHException):
        reason = redact.shorten(str(error), 160)
        return UnreachableError(f"The SSH connection failed: {reason}", where=where)
    return of_exception(error, host, where)


def _authenticate(
    transport: paramiko.Transport, login: Login, where: str, context: Context
) -> None:
    """Try the key, then the password; a server may require both."""
    tried: list[str] = []
    try:
        for key in _keys(login):
            tried.append("key")
            try:
                transport.auth_publickey(login.user, key)
            except paramiko.BadAuthenticationType:
                continue
            except paramiko.AuthenticationException:
                if not login.password and not login.agent:
                    raise
            if transport.is_authenticated():
                return
        if login.password:
            tried.append("password")
            transport.auth_password(login.user, login.password)
        if transport.is_authenticated():
            return
    except paramiko.BadAuthenticationType as error:
        allowed = ", ".join(error.allowed_types)
        raise AuthenticationError(
            f"The server does not accept a {tried[-1]}; it accepts {allowed}", where=where
        ) from None
    except paramiko.AuthenticationException:
        raise AuthenticationError(
            f"The server rejected user '{login.user}' with this {' and '.join(tried)}",
            where=where,
            hint="Check user and password, or that the public key is in the server's "
            "authorized_keys",
        ) from None
    except (paramiko.SSHException, OSError, EOFError) as error:
        host, _, port = where.rpartition(":")
        raise _explain(error, host, int(port)) from None
    raise AuthenticationError(
        f"User '{login.user}' is not authenticated" + (" by the key alone" if tried else ""),
        where=where,
        hint="Set password, private_key or private_key_file",
    )


def _keys(login: Login) -> Sequence[paramiko.PKey]:
    keys: list[paramiko.PKey] = [login.key] if login.key is not None else []
    if login.agent:
        keys += paramiko.Agent().get_keys()
    return keys


def _close(transport: paramiko.Transport) -> None:
    """Close and wait for the transport's thread, so that it does not outlive the read."""
    transport.close()
    transport.join(5)


def _name(host: str, port: int) -> str:
    return host if port == 22 else f"[{host}]:{port}"


def _is_of(kind: str, family: tuple[str, ...]) -> bool:
    return kind in family or (kind == "ssh-rsa" and family[0].startswith("rsa-"))


def _readable(file: Path) -> bool:
    try:
        with file.open("rb"):
            return True
    except OSError:
        return False


def _parsed(text: str, where: str) -> tuple[HostKeys, frozenset[str]]:
    """Host keys and fingerprints of revoked keys in known_hosts lines; CA lines are not used."""
    known = HostKeys()
    revoked: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith(("#", "@cert-authority")):
            continue
        try:
            entry = HostKeyEntry.from_line(line.removeprefix("@revoked").strip(), number)
        except (InvalidHostKey, paramiko.SSHException, ValueError):
            raise ConfigurationError(
                "This is not a known_hosts line", where=f"{where}, line {number}"
            ) from None
        if entry is None or entry.key is None:
            continue  # an unsupported type of key
        if line.startswith("@revoked"):
            revoked.add(entry.key.fingerprint)
        else:
            for name in entry.hostnames:
                known.add(name, entry.key.get_name(), entry.key)
    return known, frozenset(revoked)
