"""Passes inputs to a child process and judges the results."""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Self

SECONDS = 10.0
"""CPU seconds allowed per input."""

MEMORY = 512 * 1024**2
"""Bytes of memory allowed per input."""

HANG = 60.0
"""Seconds without an answer, on a possibly busy machine, after which a child is killed."""


@dataclass
class Results:
    """The results of one target."""

    tried: int = 0
    refused: int = 0
    seconds: float = 0.0
    memory: int = 0
    findings: list[str] = field(default_factory=list)

    def add(self, answer: dict[str, Any]) -> str:
        """Count an answer; returns the finding, if any."""
        self.tried += 1
        self.refused += answer["outcome"] == "refused"
        self.seconds = max(self.seconds, answer["seconds"])
        self.memory = max(self.memory, answer["memory"])
        finding = str(answer["finding"])
        if not finding and answer["memory"] > MEMORY:
            finding = f"took {answer['memory'] / 2**20:.0f} MiB"
        if not finding and answer["seconds"] > SECONDS:
            finding = f"took {answer['seconds']:.1f} s"
        if finding:
            self.findings.append(finding)
        return finding


class Runner:
    """A child for one target, replaced when it dies."""

    def __init__(self, target: str, environment: dict[str, str]) -> None:
        self.target = target
        self._environment = environment
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def take(self, given: bytes) -> dict[str, Any]:
        """The result for an input: outcome, seconds, bytes of memory, finding."""
        child = self._child or self._start()
        assert child.stdin is not None
        began = time.monotonic()
        try:
            child.stdin.write(struct.pack(">I", len(given)) + given)
            child.stdin.flush()
            answer = self._line(child)
        except BrokenPipeError:
            answer = None
        if answer is not None:
            return answer
        code = child.poll()
        self._end()
        spent = time.monotonic() - began
        died = f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended ({code})"
        finding = f"hangs for {spent:.0f} s" if code is None else died
        return {"outcome": "died", "seconds": spent, "memory": 0, "finding": finding}

    def _start(self) -> subprocess.Popen[bytes]:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.fuzz.child", self.target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if self._environment.get("FUZZ_VERBOSE") else subprocess.DEVNULL,
            env=self._environment,
        )
        if self._line(self._child) is None:
            raise RuntimeError(f"the child for {self.target} does not start; see FUZZ_VERBOSE=1")
        return self._child

    def _line(self, child: subprocess.Popen[bytes]) -> dict[str, Any] | None:
        """The next answer; None if the child died or timed out."""
        assert child.stdout is not None
        text = b""
        deadline = time.monotonic() + HANG
        while not text.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([child.stdout], [], [], left)[0]:
                return None
            part = os.read(child.stdout.fileno(), 65536)
            if not part:
                child.wait()
                return None
            text += part
        found: dict[str, Any] = json.loads(text)
        return found

    def _end(self) -> None:
        if self._child is None:
            return
        child, self._child = self._child, None
        child.kill()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        child.wait()
