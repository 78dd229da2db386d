"""The environment of a benchmark: versions, machine, and PostgreSQL settings."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import psycopg

from app.version import __version__
from benchmarks.peers import Peer

# irrelevant for speed, or specific to one machine
_SILENT = ("File Locations", "Client Connection Defaults / Locale and Formatting", "Preset Options")
_SILENT_PARTS = ("SSL", "Reporting and Logging", "Connections and Authentication")


def described(url: str, peers: Sequence[Peer], load: float) -> list[str]:
    """Lines of Markdown; `load` is the one-minute load average before the first run."""
    with psycopg.connect(url) as connection:
        version = connection.info.server_version
        rows = connection.execute(
            "SELECT name, current_setting(name), category FROM pg_settings"
            " WHERE source NOT IN ('default', 'override', 'client') AND setting <> boot_val"
            " ORDER BY name"
        ).fetchall()
    settings = ", ".join(f"`{name} = {value}`" for name, value, kind in rows if _matters(kind))
    programs = [f"Open Register {__version__}", f"Python {platform.python_version()}"]
    programs += [f"PostgreSQL {version // 10000}.{version % 10000}"]
    programs += [f"{peer.name} {peer.version()}" for peer in peers]
    machine = (
        f"{os.cpu_count()} cores ({processor()}), {memory() / 2**30:.0f} GiB of memory,"
        f" {platform.system()} {platform.release()}"
    )
    return [
        f"- Versions: {', '.join(programs)}.",
        f"- Machine: {machine}.",
        f"- PostgreSQL settings that differ from their default: {settings or 'none'}.",
        f"- Load of the machine before the first run: {load:.2f}.",
    ]


def processor() -> str:
    """The model according to the kernel, or else the architecture."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def memory() -> int:
    """Bytes of main memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _matters(category: str) -> bool:
    return category not in _SILENT and not any(part in category for part in _SILENT_PARTS)
