"""Bytes to lines: the encoding found or given, everything as UTF-8, in blocks of lines.

Downstream code sees UTF-8 only, so the raw form of a row does not depend on how its file was
encoded. Bytes that are not valid in the file's encoding stay invalid in UTF-8 as well: they are
noticed row by row, when a row is decoded, instead of failing the whole file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import charset_normalizer

from connectors.sdk import ConfigurationError, DataError

SAMPLE = 256 * 1024
BLOCK = 1024 * 1024
LONGEST_LINE = 64 * 1024 * 1024

# The longer byte order marks first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WESTERN = "cp1252"
_OWN_ALPHABETS = ("Cyrillic", "Greek", "Hebrew", "Arabic", "Thai", "Georgian", "Armenian")
_EAST_ASIAN = ("CJK", "Hangul", "Hiragana", "Katakana")
_EAST_EUROPEAN = frozenset(
    {"Polish", "Czech", "Slovak", "Hungarian", "Slovene", "Croatian", "Romanian", "Turkish"}
    | {"Lithuanian", "Latvian", "Estonian", "Serbian"}
)
_SURE = 0.3


@dataclass(frozen=True, slots=True)
class Encoding:
    """A text encoding: its Python name, how many bytes of mark to skip, how it is known."""

    name: str
    mark: int
    origin: str


def detect(sample: bytes, *, complete: bool = False) -> Encoding:
    """Guess from the head of a text: byte order mark, UTF-8, UTF-16, else by its letters.

    `complete` says that the sample does not end within a character.
    """
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return Encoding(name, len(mark), "byte order mark")
    if _is_utf8(sample, complete) and b"\0" not in sample:
        return Encoding("utf-8", 0, "detected")
    if b"\0" in sample:
        # Mostly Latin text in UTF-16 has its zeros in every other byte.
        even, odd = sample[0::2].count(0), sample[1::2].count(0)
        if max(even, odd) * 5 > len(sample):
            return Encoding("utf-16-le" if odd > even else "utf-16-be", 0, "detected")
        raise DataError("This is not a text file", hint="It holds zero bytes; check the format")
    return Encoding(_by_letters(sample), 0, "detected")


def _is_utf8(sample: bytes, complete: bool) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, complete)
    except UnicodeDecodeError:
        return False
    return True


def _in_runs(sample: bytes) -> bool:
    """Whether most bytes above ASCII stand together, as in any other than the Latin alphabet.

    The accents of a Latin text stand alone, and few of them look like rare Korean to a guesser.
    """
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", sample)]
    return sum(length for length in runs if length > 1) * 2 > sum(runs)


def _by_letters(sample: bytes) -> str:
    """A legacy encoding: Western European unless the letters clearly say otherwise."""
    best = charset_normalizer.from_bytes(sample).best()
    if best is not None and (_in_runs(sample) or best.language in _EAST_EUROPEAN):
        alphabets = " ".join(best.alphabets)
        own = any(alphabet in alphabets for alphabet in _OWN_ALPHABETS)
        eastern = best.multi_byte_usage > 0 and any(part in alphabets for part in _EAST_ASIAN)
        european = best.language in _EAST_EUROPEAN and best.coherence >= _SURE
        if own or eastern or european:
            return codecs.lookup(best.encoding).name
    try:
        sample.decode(_WESTERN)
    except UnicodeDecodeError:
        return "iso8859-1" if best is None else codecs.lookup(best.encoding).name
    return _WESTERN


def given(name: str, sample: bytes) -> Encoding:
    """An encoding named by a person, with its byte order mark if there is one."""
    try:
        codec = codecs.lookup(name)
        "".encode(codec.name)  # refuses codecs that are no text encodings, such as zip
    except (LookupError, TypeError, ValueError):
        raise ConfigurationError(
            f"There is no text encoding '{name}'",
            hint="Use a name such as utf-8, windows-1252, iso-8859-15 or utf-16",
        ) from None
    plain = codec.name.replace("-sig", "").replace("_", "-")
    for mark, marked in _MARKS:
        if sample.startswith(mark) and marked.startswith(plain):
            return Encoding(marked, len(mark), "given")
    return Encoding({"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(plain, plain), 0, "given")


class TextSource:
    """A binary stream as blocks of UTF-8 lines, its encoding detected unless given.

    The head of the stream is read by the constructor and available as `sample` (UTF-8, at most
    `SAMPLE` bytes before transcoding). Raises DataError when the stream is not text.
    """

    def __init__(self, stream: BinaryIO, encoding: str | None = None) -> None:
        self._stream = stream
        self._head = _read_fully(stream, SAMPLE)
        self.encoding = given(encoding, self._head) if encoding else self._detect()
        self._decoder = (
            None if self.encoding.name in ("utf-8", "ascii") else _decoder(self.encoding.name)
        )
        self.sample = self._convert(self._head[self.encoding.mark :])
        has_newline = b"\n" in self.sample
        self.terminator = b"\r" if not has_newline and b"\r" in self.sample else b"\n"

    def _detect(self) -> Encoding:
        """Look on when the head says nothing: one accent may stand far down in the file."""
        found = detect(self._head, complete=len(self._head) < SAMPLE)
        if not (self._head.isascii() and self._head and self._stream.seekable()):
            return found
        here = self._stream.tell()
        try:
            while block := self._stream.read(BLOCK):
                if not block.isascii():
                    first = next(i for i, byte in enumerate(block) if byte > 0x7F)
                    piece = block[first : first + SAMPLE]
                    lines, end, _ = piece.rpartition(b"\n")
                    complete = bool(end) or len(block) < BLOCK
                    name = detect(lines + end or piece, complete=complete).name
                    return Encoding(name, 0, "detected")
        finally:
            self._stream.seek(here)
        return found

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
        """The text in pieces of whole lines; the last line may lack its terminator."""
        rest = b""
        block = self.sample
        while True:
            following = self._stream.read(BLOCK)
            if not following:
                block += self._convert(b"", final=True)
            whole, terminator, remainder = block.rpartition(self.terminator)
            if terminator:
                yield rest + whole + terminator
                rest = remainder
            else:
                rest += block
                if len(rest) > LONGEST_LINE:
                    raise DataError(
                        f"A line of more than {LONGEST_LINE // 2**20} MiB is no row",
                        hint="Check the format of the source",
                    )
            if not following:
                break
            block = self._convert(following)
        if rest:
            yield rest

    def split(self, block: bytes) -> list[bytes]:
        """The lines of a piece without terminator; a carriage return before it stays."""
        lines = block.split(self.terminator)
        if not lines[-1]:
            lines.pop()
        return lines


def _read_fully(stream: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes, however short the single reads of a network stream are."""
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
