"""SIGTERM and Ctrl-C: end work properly, with an exit code for the signal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # slow to import, which would delay `--help`
    from app.commands.cli.context import Cli
    from app.sync.report import RunState

STOPPING = b"Stopping after this batch; press Ctrl-C again to stop at once\n"


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised like Ctrl-C, so that everything is closed."""


def raise_on_terminate() -> None:
    """Let SIGTERM raise Terminated in the main thread from now on."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


class Asked:
    """Whether a signal asked to stop, and which one."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        return self.signal is not None

    def exit_code(self, state: RunState) -> int:
        """The exit code of the run, or 128 plus the signal if a signal ended it."""
        if self.signal is not None and state == "cancelled":
            return 128 + self.signal
        return state.exit_code


@contextmanager
def heeded(cli: Cli) -> Iterator[Asked]:
    """Make the first SIGTERM or Ctrl-C a request between batches; a second one ends at once."""
    asked = Asked()

    def note(number: int, _frame: FrameType | None) -> None:
        if asked():
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        asked.signal = number
        if number == signal.SIGINT and cli.interactive:
            os.write(sys.stderr.fileno(), STOPPING)  # a handler must not write to a buffered stream

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
