"""Files given on the command line; `-` is standard input."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from app.errors import OpenRegisterError, UsageError
from connectors.sdk import canonical


def read_text(path: str) -> str:
    """The text of a file, or of standard input for `-`. Raises UsageError."""
    try:
        if path == "-":
            return sys.stdin.buffer.read().decode("utf-8-sig")
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"The file cannot be read: {error.strerror}", where=path, hint="Check the path"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(
            "The file is not UTF-8 text", where=path, hint="Save it as UTF-8 and try again"
        ) from None


def read_json(path: str) -> Any:
    """The value of a JSON file, or of standard input for `-`. Raises UsageError."""
    text = read_text(path)
    try:
        return canonical.loads(text)
    except ValueError as error:
        raise UsageError(
            f"The file is not JSON: {error}", where=path, hint="Correct it at that position"
        ) from None


@contextmanager
def writing(path: str | None, *, binary: bool = False) -> Iterator[BinaryIO]:
    """A file that appears once it is complete, or standard output without a path.

    `binary`: not for terminals. Raises UsageError, OpenRegisterError on a full disk.
    """
    if path is None:
        if binary and sys.stdout.isatty():
            raise UsageError("A workbook cannot be printed on a terminal", hint="Pass --file FILE")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    # write to a device or a pipe directly instead of replacing it
    special = Path(path).exists() and not Path(path).is_file()
    part = Path(path if special else f"{path}.part")
    try:
        with part.open("wb") as file:
            yield file
        if not special:
            part.replace(path)
    except OSError as error:
        what = f"The file cannot be written: {error.strerror}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OpenRegisterError(what, where=path, hint="Free disk space, then retry") from None
        raise UsageError(what, where=path, hint="Check the path") from None
    finally:
        if not special:
            part.unlink(missing_ok=True)
