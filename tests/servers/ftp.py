"""An FTP server of our own (pyftpdlib), with TLS and with faults on demand."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from OpenSSL._util import lib as _openssl  # pyOpenSSL has no public word for it

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # asyncore, below Python 3.12
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.filesystems import AbstractedFS
    from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

USER, PASSWORD = "clerk", "pass-w0rd-of-clerk"


@dataclass
class FtpFaults:
    """What the server does wrong; may be changed while it runs."""

    cut_after: int | None = None
    """Bytes of a file after which data and control connection break off."""
    commands: list[str] = field(default_factory=list)
    """Every command that was received."""
    lines: list[str] = field(default_factory=list)
    """What LIST and MLSD say, instead of the truth."""


@dataclass(frozen=True)
class RunningFtp:
    host: str
    port: int
    root: Path
    faults: FtpFaults


@contextmanager
def ftp_server(
    root: Path,
    *,
    certificate: str = "",
    tls: Literal["none", "explicit", "implicit"] = "none",
    require_reuse: bool = False,
    without: tuple[str, ...] = (),
    permissions: str = "elradfmwMT",
) -> Iterator[RunningFtp]:
    """Serve `root` on a free port. `without` names commands the server does not know,
    `permissions` are pyftpdlib's letters (`r`: may fetch files).
    """
    faults = FtpFaults()
    loop = IOLoop()
    handler = _handler(faults, tls, certificate, require_reuse, without)
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(root), perm=permissions)
    handler.authorizer = authorizer
    server = FTPServer(("127.0.0.1", 0), handler, ioloop=loop)
    host, port = server.socket.getsockname()[:2]
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            loop.loop(timeout=0.02, blocking=False)
        server.close_all()

    thread = threading.Thread(target=serve, name="ftp-server", daemon=True)
    thread.start()
    try:
        yield RunningFtp(host, port, root, faults)
    finally:
        stop.set()
        thread.join(10)


def _handler(
    faults: FtpFaults,
    tls: str,
    certificate: str,
    require_reuse: bool,
    without: tuple[str, ...],
) -> Any:
    data_base, control_base = (
        (DTPHandler, FTPHandler) if tls == "none" else (TLS_DTPHandler, TLS_FTPHandler)
    )

    class Data(data_base):  # type: ignore[misc, valid-type]
        sent = 0

        def send(self, data: bytes) -> int:
            if faults.cut_after is not None and self.cmd == "RETR":
                if self.sent >= faults.cut_after:
                    self.cmd_channel.close()
                    return 0
                data = data[: faults.cut_after - self.sent]
            count: int = super().send(data)
            self.sent += count
            return count

        def handle_ssl_established(self) -> None:
            if require_reuse and not _openssl.SSL_session_reused(self.socket._ssl):
                self.cmd_channel.respond("522 SSL connection failed: session reuse required")
                self.close()
                return
            super().handle_ssl_established()

    class Files(AbstractedFS):  # type: ignore[misc]
        def format_list(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
            return self._said(super().format_list(*args, **kwargs))

        def format_mlsx(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
            return self._said(super().format_mlsx(*args, **kwargs))

        def _said(self, truth: Iterator[bytes]) -> Iterator[bytes]:
            if not faults.lines:
                return truth
            return iter([f"{line}\r\n".encode() for line in faults.lines])

    class Control(control_base):  # type: ignore[misc, valid-type]
        dtp_handler = Data
        abstracted_fs = Files
        banner = "Test server ready."
        auth_failed_timeout = 0.05
        use_sendfile = False  # what is sent has to pass through Data.send
        proto_cmds: ClassVar = {
            name: properties
            for name, properties in control_base.proto_cmds.items()
            if name not in without
        }

        def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
            faults.commands.append(f"{cmd} {arg}".strip())
            super().pre_process_command(line, cmd, arg)

        def handle(self) -> None:
            if tls == "implicit":
                self.secure_connection(self.get_ssl_context())
            super().handle()

    if tls != "none":
        Control.certfile = certificate
        Control.tls_control_required = True
        Control.tls_data_required = True
        Control.get_ssl_context().set_session_id(b"ftp-test")
    return Control
