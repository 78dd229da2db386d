"""Bytes to lines: detect or use an encoding, convert to UTF-8, in blocks of lines.

Downstream code only sees UTF-8, so the raw form of a row does not depend on the encoding of its
file. Bytes that are invalid in the file's encoding stay invalid in UTF-8 as well: they are
reported per row, when it is decoded, instead of failing the whole file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from connectors.formats.texts import signatures
from connectors.formats.texts.encodings import Encoding, detect, given, marked
from connectors.sdk import DataError

SAMPLE = 256 * 1024
BLOCK = 1024 * 1024
LONGEST_LINE = 64 * 1024 * 1024
TOO_LONG = b"\xff\x00too long"
"""Ends what stands for a line that was longer than allowed; no text holds these bytes."""
_KEPT = 256

_PROBES = 16
_PROBE = 64 * 1024
_END_OF_FILE = b"\x1a"
"""Ctrl-Z, which DOS programs write at the end of a text (Windows still stops at it)."""


class TextSource:
    """A binary stream as blocks of UTF-8 lines, its encoding detected unless given.

    The constructor reads the beginning of the stream, available as `sample` (UTF-8, at most
    `SAMPLE` bytes before conversion). Raises DataError if the stream is not text.
    """

    def __init__(
        self,
        stream: BinaryIO,
        encoding: str | None = None,
        *,
        known: str | None = None,
        quote: bytes = b"",
        longest: int = LONGEST_LINE,
    ) -> None:
        self._longest = longest
        self._quote = quote
        self._stream = stream
        self._head = _read_fully(stream, SAMPLE)
        if (what := signatures.binary(self._head)) is not None:
            raise DataError(f"This is {what[0]}, not a text file", hint=what[1])
        self.encoding = given(encoding, self._head) if encoding else self._detect(known)
        self._decoder = (
            None if self.encoding.name in ("utf-8", "ascii") else _decoder(self.encoding.name)
        )
        self.sample = self._convert(self._head[self.encoding.mark :])
        self.terminator = _terminator(self.sample, quote)

    def _detect(self, known: str | None) -> Encoding:
        """The encoding according to the text; if uncertain, the one an earlier read found."""
        if (stated := marked(self._head)) is not None:
            return stated
        complete = len(self._head) < SAMPLE
        sample = self._head if complete else self._spread()
        try:
            found = detect(sample, complete=complete)
        except DataError:
            if known is None:
                raise
            return Encoding(known, 0, "as before")
        if known is None or found.name == known:
            return found
        if found.plain or (found.name != "utf-8" and _same(sample, found.name, known)):
            return Encoding(known, 0, "as before", plain=found.plain)
        return found

    def _spread(self) -> bytes:
        """The beginning, plus lines from all over the file if that is not conclusive.

        The only accent may be far down, and the first invalid byte before the first valid letter.
        """
        head = self._head.rpartition(b"\n")[0] or self._head
        if b"\0" in head or not self._stream.seekable():
            return head
        here = self._stream.tell()
        try:
            if head.isascii():
                head = self._first_accents() or head
            elif _is_utf8(head):
                return head
            if head.isascii():
                return head
            pieces = [head]
            size = self._stream.seek(0, 2)
            for number in range(1, _PROBES):
                self._stream.seek(here + (size - here) * number // _PROBES)
                pieces.append(_whole_lines(self._stream.read(_PROBE)))
            return b"\n".join(pieces)
        except ValueError:  # gzip streams cannot seek from the end
            return head
        finally:
            self._stream.seek(here)

    def _first_accents(self) -> bytes:
        while block := self._stream.read(BLOCK):
            if not block.isascii():
                first = next(i for i, byte in enumerate(block) if byte > 0x7F)
                piece = block[first : first + SAMPLE] + self._stream.readline(4096)
                return piece.rpartition(b"\n")[0] or piece
        return b""

    def _convert(self, block: bytes, *, final: bool = False) -> bytes:
        if self._decoder is None:
            return block
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            raise DataError(
                f"The text is not valid {self.encoding.name}: {error.reason}",
                hint="Set the encoding of the source",
            ) from None
        return text.encode("utf-8", _marker(self.encoding.name))

    def blocks(self) -> Iterator[bytes]:
        """The text in pieces of whole lines; the last line may lack its terminator.

        A line that is too long is cut, and ends with `TOO_LONG`.
        """
        rest = b""
        block = self.sample
        skipping = False
        while True:
            following = self._stream.read(BLOCK)
            if not following:
                block += self._convert(b"", final=True)
            if skipping:  # the rest of a line that is too long, up to its end
                _, ended, block = block.partition(self.terminator)
                rest, skipping = rest + ended, not ended
                if ended:
                    yield rest
                    rest = b""
            whole, terminator, remainder = block.rpartition(self.terminator)
            if terminator:
                yield rest + whole + terminator
                rest = remainder
            else:
                rest += b"" if skipping else block
                if len(rest) > self._longest:
                    rest, skipping = self._standing_for(rest), True
            if not following:
                break
            block = self._convert(following)
        rest = _without_end_mark(rest)
        if rest:
            yield rest

    def _standing_for(self, line: bytes) -> bytes:
        """The beginning of a line that is too long, up to the first quote: its key may be there."""
        head = line[:_KEPT]
        return (head.partition(self._quote)[0] if self._quote else head) + TOO_LONG

    def split(self, block: bytes) -> list[bytes]:
        """The lines of a block without newlines; a carriage return before it is kept."""
        lines = block.split(self.terminator)
        if not lines[-1]:
            lines.pop()
        return lines


def _terminator(sample: bytes, quote: bytes) -> bytes:
    """The line terminator: old Macintosh files use CR alone, with LF only within quotes."""
    if b"\r" not in sample or re.search(rb"\r(?!\n|$)", sample) is None:
        return b"\n"
    bare = sample
    if quote:  # quoted text is no evidence for line endings
        q = re.escape(quote)
        bare = re.sub(q + rb"[^" + q + rb"]*(?:" + q + rb"|$)", b"", sample)
    if bare.count(b"\r\n"):
        return b"\n"
    return b"\r" if bare.count(b"\r") > bare.count(b"\n") else b"\n"


def _without_end_mark(rest: bytes) -> bytes:
    """The last line without the Ctrl-Z of DOS texts."""
    return rest.rstrip(_END_OF_FILE) if rest.endswith(_END_OF_FILE) else rest


def _is_utf8(sample: bytes) -> bool:
    try:
        sample.decode()
    except UnicodeDecodeError:
        return False
    return True


def _same(sample: bytes, one: str, other: str) -> bool:
    return sample.decode(one, "replace") == sample.decode(other, "replace")


def _whole_lines(piece: bytes) -> bytes:
    """A piece from the middle of a file without the partial lines at its ends."""
    return piece.partition(b"\n")[2].rpartition(b"\n")[0]


def _read_fully(stream: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes, however short the reads of a network stream are."""
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _marker(encoding: str) -> str:
    return "surrogatepass" if encoding.startswith("utf-") else "surrogateescape"


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    # Either way an invalid byte becomes a lone surrogate, and that becomes invalid UTF-8.
    return codecs.getincrementaldecoder(encoding)(_marker(encoding))
