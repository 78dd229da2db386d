"""Read workbooks in a separate process with a memory limit.

A parser that crashes, loops or requests half a terabyte ends only that process. Here that is an
error like any other, both in the web server and in a run.
"""

from __future__ import annotations

import io
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

import orjson

import connectors
from connectors.sdk import (
    AuthenticationError,
    ConnectorError,
    DataError,
    FatalError,
    LimitError,
    MissingError,
)

MEMORY = 1024**3
"""Bytes of address space for reading one workbook."""

STALL = 300.0
"""Seconds without output after which the process is killed."""

_ERRORS: dict[str, type[FatalError]] = {
    error.__name__: error for error in (AuthenticationError, DataError, LimitError, MissingError)
}
_LARGEST_FRAME = 256 * 1024 * 1024


class Frame(NamedTuple):
    """Output of the process: a line of JSON, and the JSON of some rows."""

    header: dict[str, Any]
    lines: list[bytes]


def frames(stream: BinaryIO, request: dict[str, Any], where: str) -> Generator[Frame]:
    """Start the process for a workbook and yield its output up to the end of the sheet.

    Closing the generator ends the process. Raises ConnectorError.
    """
    with _as_file(stream) as file, _process(file, request) as process:
        assert process.stdout is not None
        while True:
            frame = _next(process, process.stdout, where)
            if "end" in frame.header:
                return
            if "error" in frame.header:
                kind = _ERRORS.get(frame.header["error"], DataError)
                raise kind(frame.header["what"], where=where, hint=frame.header["hint"])
            yield frame


@contextmanager
def _as_file(stream: BinaryIO) -> Iterator[IO[bytes]]:
    """The stream itself if it is a file at its start, else a copy on disk."""
    raw = getattr(stream, "raw", None)
    buffered = isinstance(stream, (io.BufferedReader, io.BufferedRandom))
    if buffered and isinstance(raw, io.FileIO) and stream.tell() == 0:
        yield stream
        return
    with tempfile.TemporaryFile(prefix="openregister-") as copy:
        shutil.copyfileobj(stream, copy, 1024 * 1024)
        copy.flush()
        yield copy


@contextmanager
def _process(file: IO[bytes], request: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    descriptor = file.fileno()
    told = {"memory": MEMORY, **request, "fd": descriptor}
    # Pass nothing else of the environment: it may contain secrets.
    path = [str(Path(place).parent) for place in connectors.__path__]
    environment = {
        "PYTHONPATH": os.pathsep.join([*path, *filter(None, sys.path)]),
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "connectors.formats.sheets", orjson.dumps(told).decode()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        assert process.stdout is not None
        process.stdout.close()
        process.wait()


def _next(process: subprocess.Popen[bytes], out: IO[bytes], where: str) -> Frame:
    deadline = time.monotonic() + STALL
    size = struct.unpack(">I", _exactly(process, out, 4, deadline, where))[0]
    if size > _LARGEST_FRAME:
        raise DataError("A row of the sheet is too large", where=where)
    header, *lines = _exactly(process, out, size, deadline, where).split(b"\n")
    return Frame(orjson.loads(header), lines)


def _exactly(
    process: subprocess.Popen[bytes], out: IO[bytes], size: int, deadline: float, where: str
) -> bytes:
    parts: list[bytes] = []
    while size:
        if not _has_more(out, deadline):
            raise LimitError(
                f"Reading the workbook timed out after {STALL:.0f} seconds",
                where=where,
                hint="Save the sheet as CSV",
            )
        part = os.read(out.fileno(), min(size, 1024 * 1024))
        if not part:
            raise _died(process, where)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _has_more(out: IO[bytes], deadline: float) -> bool:
    poll = select.poll()  # select() rejects descriptors above 1023
    poll.register(out, select.POLLIN)
    return bool(poll.poll(max(deadline - time.monotonic(), 0) * 1000))


def _died(process: subprocess.Popen[bytes], where: str) -> ConnectorError:
    code = process.wait()
    if code in (-signal.SIGKILL, -signal.SIGABRT):
        what = f"The workbook is damaged, or needs more than {MEMORY // 2**20} MiB of memory"
    else:
        what = "The workbook is damaged: reading it failed"
    return DataError(
        what, where=where, hint="Save it again in a spreadsheet program, or save the sheet as CSV"
    )
