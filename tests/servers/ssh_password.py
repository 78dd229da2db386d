"""A small SSH server of our own (paramiko) that takes passwords and can cut a file short."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED
from paramiko.sftp import SFTP_FAILURE

USER, PASSWORD = "clerk", "pass-w0rd-of-clerk"


@dataclass
class PasswordSsh:
    port: int
    root: Path
    fingerprint: str
    cut_after: int | None = None
    """Bytes of a file after which the connection breaks off."""


class _Login(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        good = (username, password) == (USER, PASSWORD)
        return AUTH_SUCCESSFUL if good else AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED


@contextmanager
def password_ssh(root: Path) -> Iterator[PasswordSsh]:
    """Serve `root` read-only over SFTP on a free port."""
    host_key = paramiko.ECDSAKey.generate()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    server = PasswordSsh(listener.getsockname()[1], root, host_key.fingerprint)
    stop = threading.Event()
    transports: list[paramiko.Transport] = []

    class Handle(paramiko.SFTPHandle):
        def read(self, offset: int, length: int) -> bytes | int:
            if server.cut_after is not None and offset >= server.cut_after:
                transports[-1].close()
                return SFTP_FAILURE
            return super().read(offset, length)

    class Files(paramiko.SFTPServerInterface):
        def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
            return [
                paramiko.SFTPAttributes.from_stat(file.stat(), file.name)
                for file in self._real(path).iterdir()
            ]

        def stat(self, path: str) -> paramiko.SFTPAttributes | int:
            try:
                return paramiko.SFTPAttributes.from_stat(self._real(path).stat())
            except OSError as error:
                return paramiko.SFTPServer.convert_errno(error.errno or 0)

        lstat = stat

        def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> Handle:
            handle = Handle(flags)
            handle.readfile = self._real(path).open("rb")  # type: ignore[attr-defined]
            return handle

        def _real(self, path: str) -> Path:
            return root / path.lstrip("/")

    def serve() -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                client, _ = listener.accept()
                transport = paramiko.Transport(client)
                transport.add_server_key(host_key)
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
                transports.append(transport)
                with suppress(paramiko.SSHException, EOFError, OSError):
                    transport.start_server(server=_Login())

    thread = threading.Thread(target=serve, name="ssh-server", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stop.set()
        thread.join(10)
        for transport in transports:
            transport.close()
        listener.close()
