"""Split a JSON document of any size at its brackets: the items of one array as bytes.

Only brackets, keys and strings are examined, so that an invalid item (a lone surrogate, a number
with a million digits, a thousand levels) is a problem of that item and not of the document. The
text around the items is parsed at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from connectors.formats.texts.source import TOO_LONG
from connectors.sdk import DataError, canonical, redact
from connectors.sdk.paths import at

LARGEST_ITEM = 64 * 1024 * 1024
LARGEST_REST = 16 * 1024 * 1024
"""Maximum bytes of a document besides its arrays."""
DEEPEST = 1000

_CHUNK = 1024 * 1024
_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_PLAIN = rb'(?:[^"{}\[\]]++|' + _TEXT + rb")*+"
_UP_TO_OPEN = re.compile(_PLAIN, re.DOTALL)
_BRACKET = re.compile(_PLAIN + rb"([{}\[\]])", re.DOTALL)


def _levels(depth: int) -> bytes:
    """A pattern for text in which brackets are nested at most `depth` levels."""
    if depth == 0:
        return _PLAIN
    inner = _levels(depth - 1)
    return rb'(?:[^"{}\[\]]++|' + _TEXT + rb"|\{" + inner + rb"\}|\[" + inner + rb"\])*+"


# Most rows are matched as a whole; deeper ones are scanned bracket by bracket.
_FLAT_ITEM = re.compile(rb"[ \t\r\n]*+,[ \t\r\n]*+(\{" + _levels(3) + rb"\})", re.DOTALL)
_KEY = re.compile(rb"(" + _TEXT + rb")[ \t\r\n]*+:[ \t\r\n]*+\Z", re.DOTALL)
_STRINGS = re.compile(_TEXT, re.DOTALL)
_BLANK = b" \t\r\n"


class JsonText:
    """One pass over a JSON text. `rest` is the document around skipped or returned items."""

    def __init__(self, stream: BinaryIO, name: str, largest: int = LARGEST_ITEM) -> None:
        self._largest = largest
        self._skips = False
        """What is read may be let go of: an array that is skipped, or an item that is too large."""
        self._stream = stream
        self._name = name
        self._data = b""
        self._at = 0
        self._rest: list[bytes] | None = []
        self._size = 0
        self._names: list[str] = []
        self._open = bytearray()
        self._mark: int | None = None
        """The offset of an incomplete item."""

    def outline(self) -> Any:
        """The document with every array reduced to its first item; a list as ``[{}]`` or ``[0]``.

        Raises DataError if it is not one JSON document, or is too large besides its arrays.
        """
        for path in self._arrays():
            if not path and not self._names:
                return [{}]
            self._keep(self._first_item())
            self._skip()
        return self._parsed_rest()

    def items(self, wanted: str) -> Iterator[bytes]:
        """The items of the array at a dotted path (empty: the document itself), as bytes.

        Raises DataError if there is no such array. Null counts as an empty list, as written by
        encoders of some languages (Go's encoding/json, for a nil slice).
        """
        found = False
        for path in self._arrays():
            if path == wanted and not found:
                found = True
                yield from self._items()
            else:
                self._skip()
                self._keep(b"]")
        rest = self._parsed_rest()
        if not found and (rest is None or at(rest, wanted) is not None):
            raise DataError(
                f"There is no array at '{wanted or '(the document)'}'",
                where=self._name,
                hint="Set records to the dotted path of the array of rows",
            )

    # Scanning from bracket to bracket.

    def _arrays(self) -> Iterator[str]:
        """The path of each array outside arrays; the caller skips it before the next."""
        while True:
            found = self._bracket()
            if found is None:
                break
            between, bracket = found.group(0), found.group(1)
            self._keep(between)
            if bracket in b"{[":
                self._names.append(self._key(between[:-1]))
                self._open += bracket
                if len(self._open) > DEEPEST:
                    raise self._error("it is too deeply nested")
                if bracket == b"[":
                    yield ".".join(self._names[1:])
                    self._names.pop()
                    self._open.pop()
            elif not self._open or self._open.pop() != (ord("{") if bracket == b"}" else ord("[")):
                raise self._error("a closing bracket has no opening bracket")
            else:
                self._names.pop()
            if not self._open:
                self._finish()
                return
        left = self._data[self._at :]
        if self._open or not left.strip(_BLANK):
            raise self._error()
        self._keep(left)
        self._at = len(self._data)

    def _finish(self) -> None:
        """Only whitespace may follow the document."""
        while True:
            if self._data[self._at :].strip(_BLANK):
                raise self._error("there is more after its end", lines=True)
            self._at = len(self._data)
            if not self._fill():
                return

    def _key(self, between: bytes) -> str:
        found = _KEY.search(between) if between.rstrip(_BLANK).endswith(b":") else None
        if found is None:
            return ""
        # The search may start within a string; the last string is certainly the key.
        text = [match.group() for match in _STRINGS.finditer(between)][-1]
        try:
            return str(canonical.loads(text))
        except ValueError:
            return text.decode(errors="replace")

    def _items(self) -> Iterator[bytes]:
        """The items of the array whose bracket was just read, up to its end."""
        first = True
        while True:
            while not first and (flat := _FLAT_ITEM.match(self._data, self._at)) is not None:
                self._at = flat.end()
                yield flat.group(1)
            found = self._bracket()
            if found is None:
                raise self._error()
            bracket = found.group(1)
            if bracket == b"}":
                raise self._error("a closing bracket has no opening bracket")
            scalars = self._scalars(found.group(0)[:-1], first=first, last=bracket == b"]")
            yield from scalars
            if bracket == b"]":
                self._keep(b"]")
                return
            yield self._nested()
            first = False

    def _nested(self) -> bytes:
        """The item whose first bracket was just read, up to its last one."""
        self._mark = self._at - 1
        self._skip()
        if self._mark is None:
            return TOO_LONG
        item = self._data[self._mark : self._at]
        self._mark = None
        return item

    def _scalars(self, between: bytes, *, first: bool, last: bool) -> list[bytes]:
        """Items that are neither objects nor arrays, and the commas between all items."""
        text = between.strip(_BLANK)
        if not first and text.startswith(b","):
            text = text[1:].lstrip(_BLANK)
            is_right = bool(text) or not last
        else:
            is_right = first or (last and not text)
        if text and not last:
            is_right = is_right and text.endswith(b",")
            text = text[:-1].rstrip(_BLANK)
            is_right = is_right and bool(text)
        if not is_right:
            raise self._error("a comma between items is missing or superfluous")
        if not text:
            return []
        try:
            values = canonical.loads(b"[" + text + b"]")
        except ValueError as error:
            raise self._error(str(error)) from None
        return [canonical.dumps_in_order(value) for value in values]

    def _first_item(self) -> bytes:
        """A short form of the array's first item; its bracket was kept."""
        while not (begin := self._data[self._at :].lstrip(_BLANK)):
            self._at = len(self._data)
            if not self._fill():
                raise self._error()
        kinds = {ord("{"): b"{}]", ord("["): b"[]]", ord("]"): b"]"}
        return kinds.get(begin[0], b"0]")

    def _skip(self) -> None:
        """Skip to the end of what the bracket just read opened."""
        depth = 1
        self._skips = True
        while depth:
            found = self._bracket()
            if found is None:
                raise self._error()
            depth += 1 if found.group(1) in b"{[" else -1
        self._skips = False

    def _bracket(self) -> re.Match[bytes] | None:
        """Move past the next bracket outside strings; the match begins at the current position."""
        while (found := _BRACKET.match(self._data, self._at)) is None:
            if not self._fill():
                return None
        self._at = found.end()
        return found

    def _fill(self) -> bool:
        """Read more, and discard what was processed. False at the end.

        As much is read as is kept, so that a long item is not scanned again and again.
        """
        begin = self._at if self._mark is None else self._mark
        kept = len(self._data) - begin
        if kept > self._largest and self._skips:
            self._mark = None  # of an item that is too large nothing is kept
            self._data = self._open_string()
            self._at = begin = 0
            kept = len(self._data)
        elif kept > self._largest:
            raise DataError(
                f"An item of the JSON document is larger than {self._largest // 2**20} MiB",
                where=self._name,
                hint="Check the format of the source and the setting records",
            )
        more = self._stream.read(max(_CHUNK, kept))
        self._data = self._data[begin:] + more
        self._at -= begin
        if self._mark is not None:
            self._mark = 0
        return bool(more)

    def _open_string(self) -> bytes:
        """What must be known of the text from here on to go on behind it: an open string."""
        plain = _UP_TO_OPEN.match(self._data, self._at)
        end = plain.end() if plain else self._at
        if end >= len(self._data):
            return b""
        slashes = len(self._data) - len(self._data.rstrip(b"\\"))
        return b'"\\' if slashes % 2 else b'"'

    # The text around the items.

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._rest is not None:
            self._rest.append(piece)
            if self._size > LARGEST_REST:
                self._rest = None

    def _parsed_rest(self) -> Any:
        """The document without its arrays' items. Raises DataError for invalid JSON."""
        if self._rest is None:
            return None
        try:
            return canonical.loads(b"".join(self._rest))
        except ValueError as error:
            raise self._error(str(error)) from None

    def _error(self, reason: str = "", *, lines: bool = False) -> DataError:
        if not reason:
            return DataError(
                "The JSON document ends too early",
                where=self._name,
                hint="Nothing was deleted. The transfer may be incomplete",
            )
        return DataError(
            f"This is not one JSON document: {redact.shorten(reason, 160)}",
            where=self._name,
            hint="For one object per line, set format: ndjson" if lines else "",
        )
