"""The beginning of a longer body, cut after a row so that it is well-formed.

For people who want to see a few rows of an answer that is long, slow or has no end.
"""

from __future__ import annotations

import math
import re
from collections import Counter

LONGEST = 8 * 1024 * 1024
"""Bytes of a body that are looked at."""

_JSON = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\],]', re.DOTALL)
_XML = re.compile(
    rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<!(?!--|\[)[^>]*>"
    rb"|<(?P<end>/?)(?P<name>[^\s<>/!?]+)(?:[^<>\"']++|\"[^\"]*\"|'[^']*')*?(?P<empty>/?)>",
    re.DOTALL,
)
_CLOSERS = {b"{": b"}", b"[": b"]"}


def beginning(body: bytes, kind: str, rows: int, *, records: str = "") -> bytes | None:
    """At least `rows` rows of an unfinished body of a format, or None where they are not there.

    `rows` of 0: as many as there are. `records`: the dotted path of the rows in JSON, if known.
    """
    body = body[:LONGEST]
    if kind in ("csv", "ndjson"):
        return _lines(body, rows, header=kind == "csv")
    return _json(body, rows, records) if kind == "json" else _xml(body, rows)


def _lines(body: bytes, rows: int, *, header: bool) -> bytes | None:
    """Cut behind a line; `header`: of CSV, where a line may end within quotes."""
    wanted = (rows or math.inf) + header
    count = end = quotes = start = 0
    while count < wanted and (at := body.find(b"\n", start)) >= 0:
        if header:
            quotes += body.count(b'"', start, at)
        start = at + 1
        if quotes % 2 == 0:
            count, end = count + 1, start
    return body[:end] if count >= (wanted if rows else 1 + header) else None


def _json(body: bytes, rows: int, records: str) -> bytes | None:
    """Cut behind an item of the outermost array that has so many items, or of that at `records`."""
    opened: list[bytes] = []
    names: list[bytes] = []
    key = b""
    arrays: list[int] = []
    items = 0
    end, closers = 0, list[bytes]()
    for found in _JSON.finditer(body):
        mark = found.group()
        if mark in _CLOSERS:
            if mark == b"[" and not arrays:
                items = 0
            opened.append(mark)
            names.append(key)
            key = b""
            if mark == b"[":
                arrays.append(len(opened))
        elif mark in (b"}", b"]"):
            if not opened:
                return None
            if opened.pop() == b"[":
                arrays.pop()
            names.pop()
            if len(arrays) == 1 and arrays[0] == len(opened):
                items += 1
                here = b".".join(names[1:]).decode(errors="replace")
                if items >= max(rows, 1) and (not records or records.strip(".") == here):
                    end, closers = found.end(), [_CLOSERS[each] for each in reversed(opened)]
                    if rows:
                        break
        elif mark != b",":
            key = mark[1:-1]
    return body[:end] + b"".join(closers) if end else None


def _xml(body: bytes, rows: int) -> bytes | None:
    """Cut behind the outermost elements that repeat, once there are so many."""
    names: list[bytes] = []
    counts: list[Counter[bytes]] = [Counter()]
    ends: dict[int, tuple[int, int, list[bytes]]] = {}
    for found in _XML.finditer(body):
        name = found["name"]
        if name is None:
            continue
        if not found["end"]:
            names.append(name)
            counts.append(Counter())
            if not found["empty"]:
                continue
        elif not names or names[-1] != name:
            return None
        names.pop()
        counts.pop()
        counts[-1][name] += 1
        if names and (count := counts[-1][name]) > 1 and (not rows or count <= max(rows, 2)):
            ends[len(names)] = (count, found.end(), names[::-1])
    if not ends:
        return None
    count, end, opened = ends[min(ends)]
    return body[:end] + b"".join(b"</%b>" % name for name in opened) if count >= rows else None
