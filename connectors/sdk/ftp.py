"""One FTP control connection, plain or TLS, with what ftplib leaves to its caller."""

from __future__ import annotations

import calendar
import ftplib
import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from connectors.sdk import redact
from connectors.sdk.connector import Context
from connectors.sdk.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConnectorError,
    FatalError,
    RetriableError,
    TrustError,
    UnreachableError,
)
from connectors.sdk.network import dial, of_exception
from connectors.sdk.rows import JsonValue
from connectors.sdk.tls import certificate_facts, expiry_warnings

Encryption = Literal["none", "explicit", "implicit"]

CHUNK = 256 * 1024

_UNIX = re.compile(
    r"(?P<kind>[-dlbcps])\S{9}\S*\s+\d+\s+\S+\s+(?:\S+\s+)??(?P<size>\d+)\s+"
    r"(?P<month>[A-Z][a-z]{2})\s+(?P<day>\d{1,2})\s+(?P<rest>\d{4}|\d{1,2}:\d{2})\s(?P<name>.+)"
)
_DOS = re.compile(
    r"(?P<date>\d{2}-\d{2}-\d{2,4})\s+(?P<time>\d{2}:\d{2}(?:[AP]M)?)\s+"
    r"(?P<size><DIR>|\d+)\s+(?P<name>.+)"
)


_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a directory listing; `grain` is how exact its time is, in seconds."""

    name: str
    is_directory: bool
    size: int
    mtime: float
    grain: float
    is_link: bool = False


class _Client(ftplib.FTP):
    """Works on a socket that was dialled elsewhere; TLS on the data channel resumes its session."""

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
        if line.startswith("SSH-"):  # would pass for the first of several lines
            raise ftplib.error_proto(line)  # noqa: S321 (what else would speak FTP)
        return line

    def start_tls(self) -> None:
        self.voidcmd("AUTH TLS")
        self._wrap_control()

    def _wrap_control(self) -> None:
        assert self._tls is not None
        assert self.sock is not None
        wrapped = self._tls.wrap_socket(self.sock, server_hostname=self.host)
        self.sock, self.file = wrapped, wrapped.makefile("r", encoding=self.encoding)

    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        try:
            connection, size = super().ntransfercmd(cmd, rest)
        except (ConnectionRefusedError, TimeoutError):  # the control connection is there
            raise _no_data(f"{self.host}:{self.port}", passive=bool(self.passiveserver)) from None
        if self.protected and isinstance(self.sock, ssl.SSLSocket) and self._tls is not None:
            # Many servers refuse a data channel that does not resume the control channel's
            # session: that proves both are the same client.
            connection = self._tls.wrap_socket(
                connection, server_hostname=self.host, session=self.sock.session
            )
        return connection, size


class FtpLink:
    """A logged-in connection. Every method raises ConnectorError."""

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
        self._client = _Client(tls, encoding, context.limits.read_timeout)
        self._client.set_pasv(passive)
        sock = dial(host, port, context)
        try:
            with self._explained():
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
                f"The server offers no TLS: {redact.shorten(str(error), 120)}",
                where=self.where,
                hint="Ask its administrator to enable it; encryption: none sends the password "
                "and the data readable for everyone in between",
            ) from None

    def login(self, user: str, password: str) -> None:
        """Say who we are, protect the data channel, learn what the server can do."""
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
        """Whether the server still answers; it may have hung up while nobody asked."""
        try:
            self._client.voidcmd("NOOP")
        except ftplib.all_errors:
            return False
        return True

    def stat(self, path: str) -> Listed | None:
        """A file by the exactest means the server has; None where there is no such file."""
        name = path.rpartition("/")[2]
        with self._explained(path):
            try:
                if "MLST" in self._features:
                    return _from_mlst(self._client.sendcmd(f"MLST {path}"), name)
                size = self._client.size(path)
                stamp = self._client.sendcmd(f"MDTM {path}")[4:]
            except ftplib.error_perm as error:
                if str(error)[:3] in ("550", "501", "553"):
                    return None
                if str(error)[:3] in ("500", "502", "504"):  # neither of RFC 3659's commands
                    entries = self.listing(path.rpartition("/")[0])
                    found = (entry for entry in entries if entry.name == name)
                    return next((entry for entry in found if not entry.is_directory), None)
                raise
        return None if size is None else Listed(name, False, size, _timestamp(stamp), 1.0)

    def listing(self, directory: str) -> list[Listed]:
        """The entries of a directory; empty where there is none."""
        with self._explained(directory):
            try:
                try:
                    if "MLST" in self._features:
                        return _from_mlsd(list(self._client.mlsd(directory)))
                    lines = self._list(directory)
                finally:
                    self._client.voidcmd("TYPE I")  # listings are text, which converts line ends
            except ftplib.error_perm as error:
                if str(error).startswith("550"):
                    return []
                raise
            return [entry for line in lines if (entry := parse_list_line(line)) is not None]

    def _list(self, directory: str) -> list[str]:
        """Change there and list: LIST with a name in it takes blanks for separators."""
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
        """The content of a file in pieces. Ends normally only when the server said it was all."""
        with self._explained(path):
            connection = self._client.transfercmd(f"RETR {path}")
            with closing(connection):
                while chunk := connection.recv(CHUNK):
                    yield chunk
                if isinstance(connection, ssl.SSLSocket):
                    # Some servers close without the TLS goodbye. That may hide a cut, so the
                    # caller compares sizes, and the 226 below has to come as well.
                    with suppress(OSError, ValueError):
                        connection.unwrap().close()
            self._client.voidresp()

    def rename(self, path: str, target: str) -> None:
        with self._explained(path):
            self._client.rename(path, target)

    def make_directory(self, path: str) -> None:
        """Make a directory unless it is there."""
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
        """Say goodbye if the server still listens, and close."""
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
        except ftplib.Error as error:  # 4xx, or an answer that is no answer
            said = redact.shorten(str(error), 160)
            if isinstance(error, ftplib.error_temp):
                raise RetriableError(f"The server says: {said}", where=where) from None
            raise UnreachableError(
                f"The server does not speak FTP: {said}",
                where=where,
                hint="Check the port; FTP over SSH is type sftp",
            ) from None
        except UnicodeDecodeError:
            raise FatalError(
                "The server's file names are not in the encoding that is set",
                where=where,
                hint="Set name_encoding, for example to iso-8859-1",
            ) from None
        except (OSError, EOFError) as error:
            raise of_exception(error, self._host, where) from None


def _no_data(where: str, *, passive: bool) -> ConnectorError:
    if passive:
        hint = (
            "Its firewall must let in the ports that it names for passive mode; "
            "`passive: false` makes the server connect to us instead"
        )
    else:
        hint = "The server cannot connect to us; set `passive: true`"
    return UnreachableError(
        "The server was reached, but no data connection came about", where=where, hint=hint
    )


def _refused_login(error: ftplib.error_perm, user: str, where: str) -> ConnectorError:
    said = redact.shorten(str(error), 160)
    if any(word in said.upper() for word in ("TLS", "SSL", "ENCRYPT", "SECUR")):
        return TrustError(
            f"The server wants TLS: {said}", where=where, hint="Set encryption: explicit"
        )
    return AuthenticationError(f"The server refused user '{user}': {said}", where=where)


def _refused(error: ftplib.error_perm, where: str) -> ConnectorError:
    said = redact.shorten(str(error), 160)
    if said.startswith("550"):
        return AccessDeniedError(
            f"The server does not hand out the file: {said}",
            where=where,
            hint="Check the path and the user's permissions on the server",
        )
    if said.startswith("522") or "session" in said.lower():
        return TrustError(f"The server refused the encrypted data channel: {said}", where=where)
    return FatalError(f"The server says: {said}", where=where, hint="Check path and encryption")


def _from_mlst(answer: str, name: str) -> Listed | None:
    line = next((line for line in answer.splitlines() if line.startswith(" ")), "").lstrip()
    facts = _facts(line.partition(" ")[0])
    if facts.get("type", "file") != "file" or "size" not in facts:
        return None
    return Listed(name, False, int(facts["size"]), _timestamp(facts.get("modify", "")), 1.0)


def _facts(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.lower(): value.lower() for name, _, value in pairs}


def _from_mlsd(answer: Iterable[tuple[str, dict[str, str]]]) -> list[Listed]:
    found = []
    for name, facts in answer:
        kind = facts.get("type", "").lower()
        if kind in ("file", "dir"):
            size = int(facts.get("size", 0) or 0)
            found.append(
                Listed(name, kind == "dir", size, _timestamp(facts.get("modify", "")), 1.0)
            )
    return found


def _timestamp(text: str) -> float:
    """Seconds since 1970 of ``20240131123015[.123]``, in UTC (RFC 3659); 0 if there is none."""
    whole, _, fraction = text.strip().partition(".")
    try:
        seconds = calendar.timegm(time.strptime(whole, "%Y%m%d%H%M%S"))
    except ValueError:
        return 0.0
    return seconds + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)


def parse_list_line(line: str, now: datetime | None = None) -> Listed | None:
    """One line of LIST as Unix and Windows servers write it; None for anything else.

    Times are to the minute, or to the day for old files, in the server's own zone.
    """
    now = now or datetime.now(UTC)
    if found := _UNIX.fullmatch(line):
        name = found["name"]
        if found["kind"] == "l":
            name = name.partition(" -> ")[0]
        when, grain = _unix_time(found["month"], int(found["day"]), found["rest"], now)
        return Listed(
            name, found["kind"] == "d", int(found["size"]), when, grain, found["kind"] == "l"
        )
    if found := _DOS.fullmatch(line):
        is_directory = found["size"] == "<DIR>"
        size = 0 if is_directory else int(found["size"])
        year = "%Y" if len(found["date"]) == 10 else "%y"
        clock = "%I:%M%p" if found["time"].endswith("M") else "%H:%M"
        stamp = datetime.strptime(
            f"{found['date']} {found['time']}", f"%m-%d-{year} {clock}"
        ).replace(tzinfo=UTC)
        return Listed(found["name"], is_directory, size, stamp.timestamp(), 60.0)
    return None


def _unix_time(month: str, day: int, rest: str, now: datetime) -> tuple[float, float]:
    number = _MONTHS.find(month) // 3 + 1
    if ":" not in rest:
        return datetime(int(rest), number, day, tzinfo=UTC).timestamp(), 86400.0
    hour, _, minute = rest.partition(":")
    # Without a year it is within the last months; a day ahead of us is only another zone.
    for year in (now.year, now.year - 1, now.year - 2, now.year - 3, now.year - 4):
        with suppress(ValueError):  # 29 February
            when = datetime(year, number, day, int(hour), int(minute), tzinfo=UTC)
            if when <= now + timedelta(days=1):
                return when.timestamp(), 60.0
    return 0.0, 60.0
