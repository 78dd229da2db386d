"""The body of a response: from JSON to a document, from the items of a list to rows."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import xxhash

from connectors.sdk import canonical, lenient, redact
from connectors.sdk.bodies.charsets import known_codec
from connectors.sdk.errors import DataError
from connectors.sdk.http.messages import Answer
from connectors.sdk.rows import FieldError, RowData, RowProblem, Stage

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks; the longer ones first, because UTF-32's begins with UTF-16's."""

_ZEROS = {
    (False, True): "utf-16-le",
    (True, False): "utf-16-be",
}

Take = Callable[[Any], "RowData | str"]
"""Converts an item to a row, or returns why it is not one."""


@dataclass(slots=True)
class Items:
    """The items of one list as rows. One that is not a row is empty, and listed in `faults`."""

    rows: Sequence[RowData]
    faults: dict[int, RowProblem] = field(default_factory=dict)
    raws: Sequence[bytes] | None = None
    """The raw form of each row."""
    digest: bytes = b""
    """Equal digests mean equal items in the same order."""


def items_of(found: Sequence[Any], label: str, take: Take | None = None) -> Items:
    """Rows from the items of page `label`; an item that cannot be stored is a row problem."""
    text = canonical.dumps_rows(found)
    digest = digest_of([text]) if text is not None else digest_of(map(canonical.raw_bytes, found))
    if take is None and text is not None and set(map(type, found)) <= {dict}:
        return Items(found, {}, canonical.raw_forms(found, text), digest)
    rows: list[RowData] = []
    faults: dict[int, RowProblem] = {}
    forms: list[bytes] = []
    for place, item in enumerate(found):
        row = item if take is None else take(item)
        wrong: tuple[str, str] | None = None
        if isinstance(row, dict):
            wrong = lenient.fault(row) if text is None else None
        elif take is not None and isinstance(row, str):
            wrong, row = ("", row), {}
        else:
            wrong, row = ("", f"the item is {kind(item)}, not an object"), {}
        if wrong is not None:
            faults[place] = problem(f"{label}, item {place + 1}", *wrong, item)
        rows.append(row)
        forms.append(canonical.raw_bytes(row or item))
    return Items(rows, faults, forms, digest)


def checked(rows: Sequence[RowData], label: str, faults: Mapping[int, RowProblem]) -> Items:
    """Rows after they were extended with details; `faults` are their earlier problems."""
    items = items_of(rows, label)
    return Items(rows, {**items.faults, **faults}, items.raws, items.digest)


def problem(position: str, path: str, message: str, raw: Any) -> RowProblem:
    """A row that cannot be read."""
    error = FieldError(path, message)
    return RowProblem(position, Stage.READ, (error,), lenient.shown(raw))


def kind(value: Any) -> str:
    """The type of a value, for a message."""
    kinds: dict[type, str] = {dict: "an object", list: "an array", str: "text", bool: "a boolean"}
    return "null" if value is None else kinds.get(type(value), "a number")


def digest_of(parts: Iterable[bytes]) -> bytes:
    """One digest of all parts."""
    hashed = xxhash.xxh3_128()
    for part in parts:
        hashed.update(part)
    return hashed.digest()


def excerpt(answer: Answer) -> str:
    """The beginning of a body for an error message, redacted."""
    text = answer.body[:2000].decode(encoding_of(answer.body) or "utf-8", "replace")
    shown = "".join(one if one.isprintable() or one.isspace() else "·" for one in text)
    return redact.shorten(shown.lstrip("·"), 200) or "(an empty body)"


def encoding_of(body: bytes) -> str | None:
    """The encoding according to the first bytes: a byte order mark, or zero bytes.

    JSON begins with two ASCII characters, so zeros identify UTF-16 and UTF-32 (RFC 4627, 3).
    """
    for mark, name in MARKS:
        if body.startswith(mark):
            return name
    if len(body) >= 4 and b"\0" in body[:4]:
        first, second, third, fourth = (byte == 0 for byte in body[:4])
        if (first, second, third, fourth) == (True, True, True, False):
            return "utf-32-be"
        if (first, second, third, fourth) == (False, True, True, True):
            return "utf-32-le"
        if first is third and second is fourth:
            return _ZEROS.get((first, second))
    return None


def parse_json(answer: Answer, where: str) -> Any:
    """The document of a JSON body. Raises DataError showing what was received.

    JSON is UTF-8 whatever the header says (RFC 8259, 8.1), unless the first bytes say otherwise.
    A charset in the header counts only if the body is not UTF-8.
    """
    body, name = answer.body, encoding_of(answer.body)
    try:
        if name is not None:
            body = body.decode(name).lstrip("\ufeff").encode()
        try:
            return canonical.loads(body)
        except ValueError as error:
            return _second_try(body, answer.charset, error)
    except ValueError as error:
        raise _no_json(answer, error, where) from None


def _second_try(body: bytes, charset: str | None, error: ValueError) -> Any:
    """The document if one of its values is invalid. Raises ValueError."""
    if charset and known_codec(charset) not in (None, "utf-8", "ascii"):
        try:
            body.decode()
        except UnicodeDecodeError:
            body = body.decode(charset).encode()
    try:
        return lenient.loads(body)
    except ValueError:
        raise error from None


def _no_json(answer: Answer, error: ValueError, where: str) -> DataError:
    if answer.body.lstrip()[:1] == b"<" and "xml" not in answer.media_type:
        return DataError(
            f"The response is an HTML page, not JSON: {excerpt(answer)}",
            where=where,
            hint="A login page or an error page? Check endpoint and auth; nothing was deleted",
        )
    if isinstance(error, UnicodeDecodeError):
        reason = f"byte {error.start + 1} is not valid {error.encoding.upper()}"
    else:
        reason = redact.shorten(str(error).partition(": line")[0], 120)
    return DataError(
        f"The response is not valid JSON ({reason}): {excerpt(answer)}",
        where=where,
        hint="Nothing was deleted; check endpoint, headers and format",
    )


def encoded(body: Any, media: str = "") -> tuple[bytes | None, str]:
    """The body of a request, and its Content-Type unless the user set one.

    `media` is the user's Content-Type, which selects form or JSON encoding.
    """
    if body is None:
        return None, ""
    if isinstance(body, str):
        kind = "text/xml; charset=utf-8" if body.lstrip().startswith("<") else "text/plain"
        return body.encode(), "" if media else kind
    plain = media.partition(";")[0].strip().lower()
    if plain == "application/x-www-form-urlencoded" and isinstance(body, dict):
        pairs = [
            (name, _spelled(value))
            for name, values in body.items()
            for value in (values if isinstance(values, list) else [values])
            if value is not None
        ]
        return urlencode(pairs).encode(), ""
    return canonical.dumps(body), "" if media else "application/json"


def _spelled(value: Any) -> str:
    if isinstance(value, str):
        return value
    return canonical.dumps(value).decode()
