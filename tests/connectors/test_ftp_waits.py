"""What a test of an FTP or SFTP connection says within ten seconds of a wrong port."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from connectors.ftp import FtpConfig, FtpConnector
from connectors.sdk import Context, TrustError, UnreachableError
from connectors.sdk.config import parse
from connectors.sftp import SftpConfig, SftpConnector
from tests.servers.ftp import PASSWORD, USER, ftp_server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(file))
    return file


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "persons.csv").write_text("id,name\n1,Ann\n")
    return tmp_path


def unhurried(port: int, **more: Any) -> FtpConnector:
    """With the limits that an instance has."""
    document = {"host": "127.0.0.1", "port": port, "user": USER, "password": PASSWORD}
    return FtpConnector(parse(FtpConfig, {**document, "path": "persons.csv", **more}), Context())


@contextmanager
def silent(greeting: bytes = b"") -> Iterator[int]:
    """A server that says this much, and then nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        clients: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                client.sendall(greeting)
                clients.append(client)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for client in clients:
            client.close()


@pytest.mark.parametrize("encryption", ["none", "explicit"])
def test_a_port_that_wants_tls_at_once_is_recognised(
    files: Path, certificate: Path, encryption: str
) -> None:
    started = time.monotonic()
    with (
        ftp_server(files, tls="implicit", certificate=str(certificate)) as server,
        pytest.raises(TrustError, match=r"speaks TLS from the first byte on this port.*implicit"),
    ):
        unhurried(server.port, encryption=encryption).check()
    assert time.monotonic() - started < 10


def test_implicit_tls_on_a_plain_port_is_recognised(files: Path) -> None:
    started = time.monotonic()
    with (
        ftp_server(files) as server,
        pytest.raises(TrustError, match=r"does not speak TLS from the first byte.*explicit"),
    ):
        unhurried(server.port, encryption="implicit").check()
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("encryption", ["none", "implicit"])
def test_a_test_of_a_silent_server_answers_within_ten_seconds(encryption: str) -> None:
    started = time.monotonic()
    with (
        silent() as port,
        pytest.raises(UnreachableError, match=r"sent no greeting|did not answer in time"),
    ):
        unhurried(port, encryption=encryption).check()
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("greeting", [b"", b"220 FTP server ready\r\n"])
def test_a_test_of_what_is_no_ssh_server_answers_within_ten_seconds(greeting: bytes) -> None:
    started = time.monotonic()
    document = {"host": "127.0.0.1", "user": "x", "password": "x", "path": "a.csv"}
    document["host_key_fingerprint"] = f"SHA256:{'A' * 43}"
    with silent(greeting) as port:
        source = SftpConnector(parse(SftpConfig, {**document, "port": port}), Context())
        with pytest.raises(UnreachableError, match="as an SSH server"):
            source.check()
    assert time.monotonic() - started < 10
