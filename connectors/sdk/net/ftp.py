"""One FTP control connection, plain or TLS, with features that ftplib leaves to the caller."""

from __future__ import annotations

import ftplib
import re
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import Literal

from connectors.sdk import redact
from connectors.sdk.connector import Context
from connectors.sdk.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConnectorError,
    DataError,
    FatalError,
    RetriableError,
    TrustError,
    UnreachableError,
)
from connectors.sdk.net.dial import dial, of_exception
from connectors.sdk.net.ftp_client import Client, await_greeting
from connectors.sdk.net.ftp_listings import (
    Listed,
    NotUnderstood,
    parse_facts,
    parse_listing,
    parse_mlsd,
    timestamp,
)
from connectors.sdk.net.tls import certificate_facts, expiry_warnings
from connectors.sdk.rows import JsonValue

Encryption = Literal["none", "explicit", "implicit"]

CHUNK = 256 * 1024

_NO_SUCH_COMMAND = ("500", "501", "502", "504")
_DENIED = re.compile(
    r"denied|permi|privile|not allowed|forbidden|verboten|geweigerd", re.IGNORECASE
)


class FtpLink:
    """A connection after login. Every method raises ConnectorError."""

    def __init__(
        self,
        host: str,
        port: int,
        context: Context,
        *,
        encryption: Encryption = "none",
        tls: ssl.SSLContext | None = None,
        passive: bool = True,
        encoding: str = "utf-8",
    ) -> None:
        self.where = f"{host}:{port}"
        self._host = host
        self._features: frozenset[str] = frozenset()
        self._lists_by_machine = True
        self._client = Client(tls, encoding, context.limits.read_timeout)
        self._client.set_pasv(passive)
        sock = dial(host, port, context)
        try:
            with self._explained():
                if encryption != "implicit":
                    await_greeting(sock, host, port, context)
                self._client.open(sock, host, port, implicit=encryption == "implicit")
                if encryption == "explicit":
                    self._start_tls()
        except BaseException:
            sock.close()
            self.close()
            raise
        self._encrypted = encryption != "none"

    def _start_tls(self) -> None:
        try:
            self._client.start_tls()
        except ftplib.error_perm as error:
            raise TrustError(
                f"The server does not support TLS: {redact.shorten(str(error), 120)}",
                where=self.where,
                hint="Ask its administrator to enable it; encryption: none sends the password "
                "and the data unencrypted",
            ) from None

    def login(self, user: str, password: str) -> None:
        """Log in, protect the data channel, and detect the server's features."""
        try:
            with self._explained():
                try:
                    self._client.login(user, password)
                except ftplib.error_perm as error:
                    raise _refused_login(error, user, self.where) from None
                if self._encrypted:
                    self._client.voidcmd("PBSZ 0")
                    self._client.voidcmd("PROT P")
                    self._client.protected = True
                self._features = self._feat()
                if "UTF8" in self._features:
                    with suppress(ftplib.error_perm):
                        self._client.sendcmd("OPTS UTF8 ON")
                self._client.voidcmd("TYPE I")  # sizes in bytes, not in characters
        except BaseException:
            self.close()
            raise

    def _feat(self) -> frozenset[str]:
        try:
            lines = self._client.sendcmd("FEAT").splitlines()[1:-1]
        except ftplib.error_perm:  # RFC 2389 is optional
            return frozenset()
        return frozenset(line.split()[0].upper() for line in lines if line.strip())

    def is_alive(self) -> bool:
        """Whether the server still responds; it may have closed the connection."""
        try:
            self._client.voidcmd("NOOP")
        except ftplib.all_errors:
            return False
        return True

    def stat(self, path: str) -> Listed | None:
        """A file, by the most exact method the server has; None if it does not exist."""
        name = path.rpartition("/")[2]
        with self._explained(path):
            if "MLST" in self._features:
                try:
                    found = _from_mlst(self._client.sendcmd(f"MLST {path}"), name)
                except ftplib.error_perm as error:
                    if not str(error).startswith(_NO_SUCH_COMMAND):
                        _nothing(error)
                        return None
                    self._features -= {"MLST"}  # advertised, but rejected
                else:
                    if found is not None:
                        return found
            found, known = self._by_size(path)
            if known:
                return found
            entries = self.listing(path.rpartition("/")[0])
            return next((e for e in entries if e.name == name and not e.is_directory), None)

    def _by_size(self, path: str) -> tuple[Listed | None, bool]:
        """A file by SIZE and MDTM, and whether the server supports these commands (RFC 3659)."""
        try:
            size = self._client.size(path)
            stamp = self._client.sendcmd(f"MDTM {path}")[4:]
        except ftplib.error_perm as error:
            if str(error).startswith(("500", "502", "504")):
                return None, False
            _nothing(error)
            return None, True
        name = path.rpartition("/")[2]
        return None if size is None else Listed(name, False, size, timestamp(stamp), 1.0), True

    def listing(self, directory: str) -> list[Listed]:
        """The entries of a directory; empty if it does not exist. Links are followed."""
        with self._explained(directory):
            try:
                try:
                    found = self._entries(directory)
                finally:
                    self._client.voidcmd("TYPE I")  # listings are text, with converted line ends
            except ftplib.error_perm as error:
                _nothing(error)
                return []
            except NotUnderstood as error:
                raise DataError(
                    f"The server's listing has a line in an unknown format: {error}",
                    where=f"{self.where}, {directory or '.'}",
                    hint="An unread file would seem to be deleted, so nothing "
                    "was read. Use a file name instead of a pattern, or another FTP server program",
                ) from None
        return [target for entry in found if (target := self._followed(directory, entry))]

    def _entries(self, directory: str) -> list[Listed]:
        if "MLST" in self._features and self._lists_by_machine:
            lines: list[str] = []
            try:
                self._client.retrlines(f"MLSD {directory}".rstrip(), lines.append)
            except ftplib.error_perm:
                self._lists_by_machine = False  # advertised, but rejected
            else:
                return parse_mlsd(lines)
        return parse_listing(self._list(directory))

    def _followed(self, directory: str, entry: Listed) -> Listed | None:
        """The target of a link; None if it does not exist."""
        if not entry.is_link:
            return entry
        path = f"{directory.rstrip('/')}/{entry.name}" if directory else entry.name
        with self._explained(path):
            found, known = self._by_size(path)
            if found is not None:
                return found
            here = self._client.pwd()
            try:
                self._client.cwd(path)
            except ftplib.error_perm:
                return None if known else entry
            self._client.cwd(here)
        return replace(entry, is_directory=True)

    def _list(self, directory: str) -> list[str]:
        """Change to the directory and list it: LIST with a name splits it at spaces."""
        lines: list[str] = []
        here = self._client.pwd()
        if directory:
            self._client.cwd(directory)
        try:
            self._client.retrlines("LIST", lines.append)
        finally:
            self._client.cwd(here)
        return lines

    def retrieve(self, path: str) -> Iterator[bytes]:
        """The content of a file in chunks. Ends normally only if the server confirmed the end."""
        with self._explained(path):
            connection = self._client.transfercmd(f"RETR {path}")
            with closing(connection):
                while chunk := connection.recv(CHUNK):
                    yield chunk
                if isinstance(connection, ssl.SSLSocket):
                    # Some servers close without TLS close_notify. That may hide a truncation, so
                    # the caller compares sizes, and the 226 below is required too.
                    with suppress(OSError, ValueError):
                        connection.unwrap().close()
            self._client.voidresp()

    def rename(self, path: str, target: str) -> None:
        with self._explained(path):
            self._client.rename(path, target)

    def make_directory(self, path: str) -> None:
        """Create a directory unless it exists."""
        with self._explained(path), suppress(ftplib.error_perm):
            self._client.mkd(path)

    def delete(self, path: str) -> None:
        with self._explained(path):
            self._client.delete(path)

    def facts(self) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = {"server": redact.shorten(self._client.welcome or "", 120)}
        certificate = self._certificate()
        if certificate is not None and isinstance(self._client.sock, ssl.SSLSocket):
            found["tls"] = self._client.sock.version()
            found.update(certificate_facts(certificate))
        return found

    def warnings(self) -> list[str]:
        certificate = self._certificate()
        return [] if certificate is None else expiry_warnings(certificate)

    def _certificate(self) -> bytes | None:
        sock = self._client.sock
        return sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None

    def close(self) -> None:
        """Send QUIT if the server still responds, and close."""
        with suppress(*ftplib.all_errors):
            if self._client.sock is not None:
                self._client.sock.settimeout(2)
                self._client.quit()
        self._client.close()

    @contextmanager
    def _explained(self, path: str = "") -> Iterator[None]:
        where = f"{self.where}, {path}" if path else self.where
        try:
            yield
        except ConnectorError:
            raise
        except ftplib.error_perm as error:
            raise _refused(error, where) from None
        except ftplib.Error as error:  # 4xx, or an invalid reply
            said = redact.shorten(str(error), 160)
            if isinstance(error, ftplib.error_temp):
                raise RetriableError(f"The server reports: {said}", where=where) from None
            raise UnreachableError(
                f"The server does not speak FTP: {said}",
                where=where,
                hint="Check the port; FTP over SSH is type sftp",
            ) from None
        except UnicodeDecodeError:
            raise FatalError(
                "The server's file names are not in the configured encoding",
                where=where,
                hint="Set name_encoding, for example to iso-8859-1",
            ) from None
        except (OSError, EOFError) as error:
            raise of_exception(error, self._host, where) from None


def _nothing(error: ftplib.error_perm) -> None:
    """Raise an error unless it means that the file or directory does not exist."""
    if str(error)[:3] not in ("550", "501", "553") or _DENIED.search(str(error)):
        raise error


def _refused_login(error: ftplib.error_perm, user: str, where: str) -> ConnectorError:
    said = redact.shorten(str(error), 160)
    if any(word in said.upper() for word in ("TLS", "SSL", "ENCRYPT", "SECUR")):
        return TrustError(
            f"The server requires TLS: {said}", where=where, hint="Set encryption: explicit"
        )
    return AuthenticationError(f"The server rejected user '{user}': {said}", where=where)


def _refused(error: ftplib.error_perm, where: str) -> ConnectorError:
    said = redact.shorten(str(error), 160)
    if said.startswith("550"):
        return AccessDeniedError(
            f"The server did not send the file: {said}",
            where=where,
            hint="Check the path and the user's permissions on the server",
        )
    if said.startswith("522") or "session" in said.lower():
        return TrustError(f"The server rejected the encrypted data channel: {said}", where=where)
    return FatalError(f"The server reports: {said}", where=where, hint="Check path and encryption")


def _from_mlst(answer: str, name: str) -> Listed | None:
    """The file of an MLST reply; None if it is not a file, or its size is missing."""
    line = next((line for line in answer.splitlines() if line.startswith(" ")), "").lstrip()
    facts = parse_facts(line.partition(" ")[0])
    size = facts.get("size", "")
    if facts.get("type", "file") != "file" or not size.isdecimal() or len(size) > 18:
        return None
    return Listed(name, False, int(size), timestamp(facts.get("modify", "")), 1.0)
