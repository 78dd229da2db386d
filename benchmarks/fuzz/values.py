"""Random values, and ways to damage valid inputs."""

from __future__ import annotations

import json
from random import Random
from typing import Any

NUMBERS = [
    "0", "-0", "1", "1.5", "-1e3", "1e400", "1e100000000", "9" * 5000, "1e-400", "007", "NaN",
    "0.1" + "0" * 3000, str(2**64), str(-(2**63)), "123456789012345678901234567890",
]  # fmt: skip
TEXTS = [
    "", " ", "a", "0", "false", "N", "\x00", "\ud800", "é", "\u202e", "a" * 10_000, "=cmd()",
    "{{ a }}",
    "2024-02-30", "0000-00-00T00:00:00Z", "\u001f", "__proto__", "self", "loop", "none", "../../x",
    "1.000,50", "%s%n", "' OR 1=1--", "<script>", "[]", "^(a+)+$", "\r\n", "\ufeff", "٣",
]  # fmt: skip
NAMES = ["a", "b", "id", "x", "self", "range", "none", "", "a.b", "é", "x" * 300, "\x1f", "$ref"]


def value(random: Random, depth: int = 3) -> Any:
    """JSON-like Python values, with unusual numbers and texts."""
    kind = random.randrange(9 if depth else 6)
    if kind < 2:
        return random.choice(TEXTS)
    if kind == 2:
        return random.choice([0, -1, 1.5, 2**53 + 1, 10**30, -1e308, 1e-320])
    if kind < 5:
        return random.choice([None, True, False])
    if kind == 5:
        return random.randint(-(10**6), 10**6)
    if kind == 6:
        return [value(random, depth - 1) for _ in range(random.randrange(4))]
    if kind == 7:
        return nested(random.choice([10, 200, 600]))
    return {random.choice(NAMES): value(random, depth - 1) for _ in range(random.randrange(4))}


def nested(depth: int) -> Any:
    item: Any = 1
    for level in range(depth):
        item = [item] if level % 2 else {"a": item}
    return item


def rows(random: Random) -> list[Any]:
    return [
        {name: value(random) for name in random.sample(NAMES, 4)}
        for _ in range(random.randrange(1, 4))
    ]


def dumped(document: Any) -> bytes:
    """JSON, even with lone surrogates."""
    return json.dumps(document).encode("utf-8", "surrogatepass")


def damaged(random: Random, whole: bytes, pieces: list[bytes]) -> bytes:
    """The bytes with pieces removed, repeated, overwritten or inserted."""
    data = bytearray(whole)
    for _ in range(random.randrange(4)):
        at = random.randrange(len(data) + 1)
        end = min(len(data), at + random.randrange(40))
        match random.randrange(5):
            case 0:
                del data[at:end]
            case 1:
                data[at:at] = data[at:end] * random.choice([1, 3, 500])
            case 2:
                data[at:end] = random.randbytes(random.randrange(20))
            case 3:
                data[at:at] = random.choice(pieces)
            case _:
                del data[at:]
    return bytes(data)


PIECES = [
    b"\x00", b"\xff\xfe", b'"', b"\n", b"\r", b"{" * 5000, b"[" * 5000, b"<a>" * 5000, b"&x;",
    b"&#0;",
    b"<!DOCTYPE a [<!ENTITY x 'y'>]>", b"\xed\xa0\x80", b"\\ud800", b"9" * 5000, b"1e100000000",
    b"\t;,|", b"PK\x03\x04", b"\x1a", b"sep=;\n", b"]]>", b"<?xml version='1.0' encoding='x'?>",
    b"''" * 3000, b'"' * 3001, b",\n" * 5000,
]  # fmt: skip
