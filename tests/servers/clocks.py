"""A clock that is wrong, for one process and its children, by libfaketime."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from tests.servers.processes import missing

# Only the clock on the wall is moved. The one that counts from the start of the machine goes on
# as it does when somebody sets the time, and so do the times of files.
_RULES = {
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    "FAKETIME_NO_CACHE": "1",
    "FAKETIME_DONT_RESET": "1",
    "NO_FAKE_STAT": "1",
}

# libfaketime takes the moved clock for the one that sleeping is measured by, whatever the rules
# say, and the system refuses the result.
_SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""


def library() -> Path | None:
    """Where libfaketime is installed, if it is."""
    return next(iter(sorted(Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1"))), None)


class MovedClock:
    """The time of every process that is started with `environment`; may be moved while it runs.

    Skips the test where libfaketime is not installed.
    """

    def __init__(self, folder: Path, by: timedelta) -> None:
        preloaded = library()
        if preloaded is None:
            pytest.skip(missing("faketime", "libfaketimeMT.so.1"))
        self._offset = folder / "clock"
        self.move(by)
        (folder / "sitecustomize.py").write_text(_SLEEP)
        self.environment = {
            **_RULES,
            "LD_PRELOAD": str(preloaded),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "PYTHONPATH": os.pathsep.join(
                filter(None, (str(folder), os.environ.get("PYTHONPATH")))
            ),
        }

    def move(self, by: timedelta) -> None:
        """From now on it is off by this much."""
        new = self._offset.with_suffix(".new")
        new.write_text(f"{by.total_seconds():+.0f}\n")
        new.replace(self._offset)
