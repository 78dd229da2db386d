"""Identify this process, and find out whether another one has certainly exited.

A pid alone is not enough: pids are reused, and two containers with the same host name can have
processes with the same pid. A process is therefore identified by its kernel's boot id, its pid
namespace and its start in clock ticks since boot, which a change of the clock does not affect.
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
    """A process as stored with a reservation. An empty `mark`: unknown on this system."""

    host: str
    pid: int
    mark: str


def this_process() -> Process:
    """The calling process; call it again after a fork."""
    pid = os.getpid()
    space, start = _space(), _start(pid)
    return Process(socket.gethostname(), pid, f"{space}/{start}" if space and start else "")


def is_gone(pid: int, mark: str) -> bool:
    """True only when the process was visible from here and has certainly exited.

    False for a process of another host or container: only its lease shows that.
    """
    space, _, start = mark.rpartition("/")
    if not space or space != _space():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # another user's process has that pid; its start time shows whether it is the same one
    now = _start(pid)
    return now is not None and now != start


def peak_memory() -> int | None:
    """Most bytes this process has held since `forget_peak_memory`; None if unknown."""
    try:
        status = (_PROC / "self/status").read_text()
    except OSError:
        return None
    match = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def forget_peak_memory() -> None:
    """Reset `peak_memory` where the system can; otherwise it stays the peak of the process."""
    with suppress(OSError):
        (_PROC / "self/clear_refs").write_text("5")


def _space() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start(pid: int) -> str | None:
    """Start of a process in clock ticks; empty if it has exited; None if it is hidden."""
    try:
        match = _STAT.match((_PROC / str(pid) / "stat").read_text())
    except OSError:
        return None
    if match is None:
        return None
    return "" if match["state"] in "ZX" else match["start"]
