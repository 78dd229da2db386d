"""OpenSSH's sshd on a free port of the loopback address, with keys of its own."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.processes import free_port, program, wait_for

PASSPHRASE = "passphrase-of-the-key"
KINDS = ("ed25519", "ecdsa", "rsa")


@dataclass(frozen=True)
class Sshd:
    port: int
    user: str
    keys: Path
    """Private keys of the user: id_ed25519, id_ecdsa, id_rsa, and each with .locked behind it."""
    host_keys: Path

    def fingerprint(self, kind: str = "ed25519") -> str:
        answer = _run("ssh-keygen", "-lf", str(self.host_keys / f"host_{kind}.pub"))
        return answer.split()[1]

    def known_hosts_line(self, kind: str = "ed25519") -> str:
        algorithm, key, *_ = (self.host_keys / f"host_{kind}.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {algorithm} {key}"


@contextmanager
def sshd(directory: Path) -> Iterator[Sshd]:
    """An sshd that lets the current user in with each of three keys, to use SFTP."""
    server = program("sshd", "OpenSSH server")
    subsystem = program("sftp-server", "SFTP server of OpenSSH")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd as root insists on it
    port = free_port()
    for kind in KINDS:
        _make_key(kind, directory / f"host_{kind}", "")
        _make_key(kind, directory / f"id_{kind}", "")
        _make_key(kind, directory / f"id_{kind}.locked", PASSPHRASE)
    allowed = directory / "authorized_keys"
    allowed.write_text("".join(file.read_text() for file in sorted(directory.glob("id_*.pub"))))
    config = directory / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {allowed}\nPasswordAuthentication no\n"
        f"KbdInteractiveAuthentication no\nPermitRootLogin yes\nLogLevel ERROR\n"
        f"Subsystem sftp {subsystem}\nMaxStartups 100\n"
        + "".join(f"HostKey {directory / f'host_{kind}'}\n" for kind in KINDS)
    )
    process = subprocess.Popen([server, "-D", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield Sshd(port, pwd.getpwuid(os.geteuid()).pw_name, directory, directory)
    finally:
        process.terminate()
        process.wait(10)


def _make_key(kind: str, file: Path, passphrase: str) -> None:
    size = ["-b", "2048"] if kind == "rsa" else []
    rounds = ["-a", "4"] if passphrase else []
    _run("ssh-keygen", "-q", "-t", kind, *size, *rounds, "-N", passphrase, "-f", str(file))


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
