"""Texts of xlsx: shared strings cut out of their part, and what an element or escape says."""

from __future__ import annotations

import re
from typing import IO

from lxml import etree

from connectors.formats.sheets import cells
from connectors.formats.sheets.package import elements, forget, parse

CHUNK = 256 * 1024
"""Bytes of a part that are read at a time."""

_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_STRING = re.compile(rb"\s*<si><t(?: xml:space=\"preserve\")?>([^<&\r]*)</t></si>\s*")


def shared_strings(file: IO[bytes]) -> list[bytes]:
    """Every shared string as JSON."""
    found: list[bytes] = []
    start = file.read(CHUNK)
    root = root_of(start)
    if root is None or b"<si" not in start:
        file.seek(0)
        for _, item in elements(file, ("{*}si",), ("end",)):
            found.append(cells.text(text_of(item)))
            forget(item)
        return found
    rest = start[start.index(b"<si") :]
    while True:
        pieces = rest.split(b"</si>")
        rest = pieces.pop()
        for piece in pieces:
            match = _STRING.fullmatch(piece + b"</si>")
            if match:
                found.append(cells.text(unescaped(match[1].decode())))
                continue
            # empty items (<si/>) may stand before the one that ends here
            found += _parsed_strings(root, piece + b"</si>")
        chunk = file.read(CHUNK)
        if not chunk:
            break
        rest += chunk
    if b"<si" in rest:
        found += _parsed_strings(root, rest.partition(b"</sst")[0])
    return found


def _parsed_strings(root: bytes, items: bytes) -> list[bytes]:
    whole = parse(root + items + closing(root))
    return [cells.text(text_of(item)) for item in whole.iter("{*}si")]


_ROOT = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>)?\s*(<([\w:]+)(?:\s[^<>]*)?>)")
_ENCODING = re.compile(rb"\A[^>]*encoding=[\"'](?!utf-8|us-ascii)", re.IGNORECASE)


def root_of(start: bytes) -> bytes | None:
    """The root tag with its namespaces; None if a parser is required."""
    match = _ROOT.match(start)
    if match is None or match[1].endswith(b"/>") or b":" in match[2] or _ENCODING.match(start):
        return None
    return match[1]


def closing(root: bytes) -> bytes:
    """The end of a root tag."""
    return b"</" + re.split(rb"[\s>]", root[1:], maxsplit=1)[0] + b">"


def text_of(item: etree._Element) -> str:
    """The text of a string item or an inline string, without phonetic hints."""
    return unescaped(
        "".join(
            element.text or ""
            for element in item.iter("{*}t")
            if not any(etree.QName(above).localname == "rPh" for above in element.iterancestors())
        )
    )


def unescaped(value: str) -> str:
    """Decode control characters such as ``_x000D_`` (ST_Xstring)."""
    if "_x" not in value:
        return value
    return _ESCAPE.sub(_character, value)


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return match[0] if 0xD800 <= code < 0xE000 else chr(code)
