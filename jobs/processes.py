"""Which process is this, and is that one gone for sure?

A pid alone is not enough: pids are reused, and two containers with the same host name have
processes with the same pid. A process is therefore marked with the boot of its kernel, its pid
namespace and its start in clock ticks since boot, which no change of the clock can move.
"""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_STAT = re.compile(r".*\) (?P<state>\S) (?:\S+ ){18}(?P<start>\d+) ", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Process:
    """A process as stored beside a reservation. An empty `mark`: this system cannot tell."""

    host: str
    pid: int
    mark: str


def this_process() -> Process:
    """The calling process; ask again after a fork."""
    pid = os.getpid()
    space, start = _space(), _start(pid)
    return Process(socket.gethostname(), pid, f"{space}/{start}" if space and start else "")


def is_gone(pid: int, mark: str) -> bool:
    """True only when the process was seen from here and is certainly over.

    False for a process of another host or container: only its lease can tell.
    """
    space, _, start = mark.rpartition("/")
    if not space or space != _space():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's process has that pid; its start tells whether it is the one
    now = _start(pid)
    return now is not None and now != start


def peak_memory() -> int | None:
    """Most bytes this process has held since `forget_peak_memory`; None if nobody tells."""
    try:
        status = (_PROC / "self/status").read_text()
    except OSError:
        return None
    match = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def forget_peak_memory() -> None:
    """Let `peak_memory` start anew, where the system can; else it stays the process's own peak."""
    with suppress(OSError):
        (_PROC / "self/clear_refs").write_text("5")


def _space() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start(pid: int) -> str | None:
    """Start of a process in clock ticks; empty for one that has ended; None if it is hidden."""
    try:
        match = _STAT.match((_PROC / str(pid) / "stat").read_text())
    except OSError:
        return None
    if match is None:
        return None
    return "" if match["state"] in "ZX" else match["start"]
