"""The real vsftpd, on a free port of the loopback address, serving one directory to anonymous."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.processes import free_port, program, wait_for


@contextmanager
def vsftpd(directory: Path, certificate: Path, *, implicit: bool = False) -> Iterator[int]:
    """The port of a vsftpd that wants TLS and a resumed session on the data channel.

    `directory` is made for it: below it the folder `root` is what clients see.
    """
    if os.geteuid() != 0:
        pytest.skip("vsftpd has to be started by root")
    vsftpd = program("vsftpd", "vsftpd")
    port = free_port()
    empty = directory / "empty"
    empty.mkdir()
    for folder in (directory, *directory.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)  # the server's own user has to pass
    settings = {
        "listen": "YES",
        "listen_address": "127.0.0.1",
        "listen_port": port,
        "background": "NO",
        "anonymous_enable": "YES",
        "local_enable": "NO",
        "anon_root": directory / "root",
        "secure_chroot_dir": empty,
        "seccomp_sandbox": "NO",
        "isolate_network": "NO",
        "isolate": "NO",
        "use_localtime": "NO",
        "ssl_enable": "YES",
        "allow_anon_ssl": "YES",
        "force_anon_data_ssl": "YES",
        "force_anon_logins_ssl": "YES",
        "require_ssl_reuse": "YES",
        "implicit_ssl": "YES" if implicit else "NO",
        "rsa_cert_file": certificate,
        "rsa_private_key_file": certificate,
        "ssl_ciphers": "HIGH",
    }
    config = directory / "vsftpd.conf"
    config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    process = subprocess.Popen([vsftpd, str(config)], stdout=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)
