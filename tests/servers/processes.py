"""Programs of other products: found, started on the loopback address, shared, and stopped again."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from app.database.embedded.locks import ServerLocks

# where Debian keeps servers that are not on everybody's PATH
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/lib/openssh", "/usr/libexec/openssh")


def program(name: str, product: str) -> str:
    """Path of a server's program; skips the test that needs it where it is not installed."""
    places = [str(place.parent) for place in _of_postgresql(name)]
    path = os.pathsep.join([*places, os.environ.get("PATH", os.defpath), *_PLACES])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(missing(product, name))
    return found


def missing(product: str, name: str) -> str:
    """Why a test is skipped."""
    return f"no {product} ({name}) on this machine: scripts/install-test-servers.sh installs it"


def _of_postgresql(name: str) -> list[Path]:
    """Debian keeps each version apart; the newest first, or the one that TEST_POSTGRESQL names."""
    version = os.environ.get("TEST_POSTGRESQL", "*")
    found = Path("/usr/lib/postgresql").glob(f"{version}/bin/{name}")
    return sorted(found, key=lambda path: int(path.parts[4]), reverse=True)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Until something listens there. Raises RuntimeError when the process ended instead."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as sock:
            sock.settimeout(0.2)
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} does not listen on {port}")


def wait_until_ready(
    command: Sequence[str], process: subprocess.Popen[bytes], seconds: float = 30
) -> None:
    """Until `command` succeeds. Raises RuntimeError when the process ended instead."""
    until = time.monotonic() + seconds
    while subprocess.run(command, capture_output=True, check=False).returncode:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        if time.monotonic() > until:
            raise RuntimeError(f"{process.args!r} is not ready: {command!r} fails")
        time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Server:
    """How to start a server: its command, which listens on `port`, and the account it runs as.

    `ready` is a command that succeeds once the server does more than listen.
    """

    command: Sequence[str]
    port: int
    user: str | None = None
    ready: Sequence[str] = ()

    def start(self) -> subprocess.Popen[bytes]:
        """Returns when it listens."""
        process = subprocess.Popen(
            self.command,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the tests, which stop their servers themselves
        )
        try:
            wait_for(self.port, process)
            if self.ready:
                wait_until_ready(self.ready, process)
        except RuntimeError:
            process.kill()
            process.wait()
            raise
        return process

    @contextmanager
    def running(self) -> Iterator[None]:
        process = self.start()
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def shared(folder: Path, prepare: Callable[[Path], Server]) -> Iterator[int]:
    """The port of the one server that all processes with this `folder` use.

    The first to come prepares it in a directory below `folder` and starts it; the last to leave,
    which may be another, stops it and removes that directory.
    """
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)  # the server may run as somebody else
    locks, note, data = ServerLocks(folder), folder / "server.json", folder / "data"
    with locks.starting():
        place = locks.join()
        try:
            if not note.exists():
                shutil.rmtree(data, ignore_errors=True)
                data.mkdir()
                server = prepare(data)
                note.write_text(json.dumps([server.start().pid, server.port]))
        except BaseException:
            os.close(place)
            raise
        pid, port = json.loads(note.read_text())
    try:
        yield port
    finally:
        os.close(place)
        with locks.starting():
            if not locks.in_use():
                note.unlink()
                _stop(pid)
                shutil.rmtree(data)


def _stop(pid: int) -> None:
    """End a server that another process may have started, and not have waited for."""
    try:
        process = psutil.Process(pid)
        process.terminate()
        until = time.monotonic() + 20
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > until:
                process.kill()
            time.sleep(0.02)
    except psutil.NoSuchProcess:
        pass
