"""Decompress gzip streams and zip members, with limits against decompression bombs."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, BinaryIO

from connectors.formats import base
from connectors.sdk import DataError, LimitError, MissingError, redact
from connectors.storage.store import matches

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

RATIO = 250
"""More unpacked bytes per packed byte than real data has (gzip's maximum is 1032)."""

RATIO_FROM = 64 * 1024 * 1024
"""Unpacked bytes up to which the ratio is ignored."""

_WORKBOOK_PARTS = ("[Content_Types].xml", "content.xml")
"""Members that identify a zip file as an Office document or an OpenDocument."""
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"


def packed_as(stream: BinaryIO) -> str:
    """``gzip``, ``zip`` or ``none``, by the first bytes of a seekable stream."""
    start = stream.tell()
    head = stream.read(4)
    stream.seek(start)
    if head.startswith(_GZIP):
        return "gzip"
    return "zip" if head in (_ZIP, _EMPTY_ZIP) else "none"


class Bounded(io.RawIOBase):
    """A decompressing stream that ends with a clear error if it is damaged or too large."""

    def __init__(self, inner: BinaryIO, packed: int, limit: int, where: str) -> None:
        self._inner = inner
        self._limit = limit
        self._by_ratio = max(RATIO_FROM, packed * RATIO)
        self._where = where

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._inner.seekable()

    def tell(self) -> int:
        return self._inner.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        with self._faults():
            return self._inner.seek(offset, whence)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        with self._faults():
            chunk = self._inner.read(len(view))
        view[: len(chunk)] = chunk
        position = self._inner.tell()
        if position > min(self._limit, self._by_ratio):
            raise LimitError(
                f"The file unpacks to more than {position // 2**20} MiB",
                where=self._where,
                hint="This is more than is allowed, or more than real data of this size; "
                "unpack it yourself if it is genuine",
            )
        return len(chunk)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(
                f"The compressed file is damaged: {redact.shorten(str(error), 100)}",
                where=self._where,
            ) from None
        except EOFError:
            raise DataError(
                "The compressed file ends too early; its upload may be incomplete",
                where=self._where,
            ) from None

    def close(self) -> None:
        self._inner.close()
        super().close()


def gunzipped(stream: BinaryIO, *, limit: int, where: str) -> BinaryIO:
    """The decompressed stream of a seekable gzip file; closing it leaves `stream` open."""
    packed = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    inner = gzip.GzipFile(fileobj=stream, mode="rb")
    return io.BufferedReader(Bounded(inner, packed, limit, where))  # type: ignore[arg-type]


def members(
    stream: BinaryIO, pattern: str, wanted: Callable[[str], bool], *, limit: int, where: str
) -> Iterator[tuple[str, BinaryIO]]:
    """Name and decompressed stream of every selected member of a zip file, in order of name.

    `pattern` is a glob of member names; if it is empty, `wanted(name)` decides, or the only
    member is used. Raises MissingError if none is left.
    """
    try:
        archive = zipfile.ZipFile(stream)
    except zipfile.BadZipFile as error:
        raise DataError(
            f"This is not a complete zip file: {redact.shorten(str(error), 100)}", where=where
        ) from None
    with archive:
        files = sorted(
            (info for info in archive.infolist() if not info.is_dir() and _shown(info.filename)),
            key=lambda info: info.filename,
        )
        if not pattern and any(info.filename in _WORKBOOK_PARTS for info in files):
            raise DataError(
                "This is a workbook",
                where=where,
                hint="Set format: excel",
            )
        if pattern:
            chosen = [info for info in files if matches(info.filename, pattern)]
        else:
            chosen = files if len(files) == 1 else [i for i in files if wanted(i.filename)]
        if not chosen:
            raise MissingError(
                "The zip file has no matching member",
                where=where,
                hint=f"It contains {base.listing([info.filename for info in files])}; set member",
            )
        for info in chosen:
            place = f"{where}/{info.filename}"
            if info.flag_bits & 0x1:
                raise DataError(
                    "The zip file is password-protected", where=place, hint="Unpack it first"
                )
            with closing(_member(archive, info, limit, place)) as unpacked:
                yield info.filename, unpacked


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int, where: str) -> BinaryIO:
    try:
        inner = archive.open(info)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(
            f"The zip member cannot be unpacked: {redact.shorten(str(error), 100)}", where=where
        ) from None
    return io.BufferedReader(Bounded(inner, info.compress_size, limit, where))  # type: ignore[arg-type]


def _shown(name: str) -> bool:
    parts = name.split("/")
    return "__MACOSX" not in parts and not parts[-1].startswith(".")
