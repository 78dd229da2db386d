"""A real mail server on loopback that keeps what it is sent, and refuses whom a test names.

with MailServer() as server:
    smtplib.SMTP("127.0.0.1", server.port).send_message(message)
    assert server.mails[0].message["Subject"] == "…"
"""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Self

import trustme


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it arrived; `login` is user:password of its session, `encrypted` what it was."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    login: str | None
    encrypted: bool


@dataclass
class MailServer:
    """Speaks as much SMTP as smtplib needs; `failures` is how many mails it turns away first.

    With a certificate it offers STARTTLS, or speaks TLS from the first byte if `implicit`.
    """

    refused: Iterable[str] = ()
    failures: int = 0
    certificate: trustme.LeafCert | None = None
    implicit: bool = False
    mails: list[Mail] = field(default_factory=list)
    sessions: list[list[str]] = field(default_factory=list)
    """The commands of every session."""

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.owner = self
        self._server.tls = None
        if self.certificate is not None:
            self._server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.certificate.configure_cert(self._server.tls)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    owner: MailServer
    tls: ssl.SSLContext | None


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        with suppress(ssl.SSLError, ConnectionError):  # the client does not trust us, and leaves
            if self.server.owner.implicit:
                self._encrypt()
            self._talk()

    def finish(self) -> None:
        with suppress(ssl.SSLError, ConnectionError):
            super().finish()

    def _encrypt(self) -> None:
        assert self.server.tls is not None
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.setup()

    @property
    def _encrypted(self) -> bool:
        return isinstance(self.request, ssl.SSLSocket)

    def _talk(self) -> None:
        owner = self.server.owner
        owner.sessions.append(commands := [])
        login: str | None = None
        sender, recipients = "", list[str]()
        self._say("220 mail.example.org ESMTP")
        while line := self.rfile.readline().decode().strip():
            commands.append(line)
            verb, _, rest = line.partition(" ")
            match verb.upper():
                case "EHLO":
                    offers = self.server.tls is not None and not self._encrypted
                    starttls = ["250-STARTTLS"] if offers else []
                    self._say("250-mail.example.org", *starttls, "250 AUTH PLAIN")
                case "STARTTLS" if self.server.tls is not None and not self._encrypted:
                    self._say("220 go on")
                    self._encrypt()
                case "AUTH":
                    given = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
                    login = ":".join(given[1:])
                    self._say("235 welcome")
                case "MAIL":
                    sender, recipients = _address(rest), []
                    self._say("250 ok")
                case "RCPT" if _address(rest) in owner.refused:
                    self._say("550 no such mailbox")
                case "RCPT":
                    recipients.append(_address(rest))
                    self._say("250 ok")
                case "DATA":
                    self._say("354 go on")
                    message = self._message()
                    if owner.failures > 0:
                        owner.failures -= 1
                        self._say("451 try again later")
                        continue
                    owner.mails.append(
                        Mail(sender, tuple(recipients), message, login, self._encrypted)
                    )
                    self._say("250 taken")
                case "QUIT":
                    self._say("221 bye")
                    return
                case "RSET":
                    self._say("250 ok")
                case _:
                    self._say("502 not here")

    def _message(self) -> EmailMessage:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        message = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


def _address(text: str) -> str:
    return text.partition("<")[2].partition(">")[0]
