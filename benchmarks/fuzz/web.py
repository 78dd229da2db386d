"""Responses of web APIs, and requests to our server."""

from __future__ import annotations

import base64
from random import Random

from benchmarks.fuzz.files import csv, document, lines, xml
from benchmarks.fuzz.rules import schema, source
from benchmarks.fuzz.values import dumped, rows, value


def answer(random: Random) -> bytes:
    body = random.choice([document, lines, csv, xml])(random)
    if random.random() < 0.5:
        shape = {
            random.choice(["data", "results", "items", "value"]): rows(random),
            random.choice(["next", "next_page", "has_more", "cursor", "total", "paging"]): value(
                random
            ),
        }
        body = dumped(shape)
    rarely = random.random() < 0.4
    headers = [
        b"Content-Type: " + random.choice([b"application/json", b"text/csv", b"x", b"text/html"]),
        random.choice(
            [b"", b"Link: <?page=2>; rel=next", b"Link: " + b"<" * 5000, b"Retry-After: 9e9"]
        ),
        random.choice([b"", b"Content-Encoding: gzip", b"Transfer-Encoding: chunked"])
        if rarely
        else b"",
        random.choice(
            [b"", b"Content-Length: %d" % random.choice([0, len(body), 10**9, len(body) + 9])]
        ),
    ]
    first = random.choice(
        [b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 500 x", b"HTTP/9 x", b"302"]
    )
    return first + b"\r\n" + b"\r\n".join(filter(None, headers)) + b"\r\n\r\n" + body


_PATHS = [
    "/api/registers", "/api/registers/{x}", "/api/objects/{x}/{x}", "/api/sources",
    "/api/sources/{x}",
    "/api/sources/{x}/runs", "/api/schemas", "/api/audit", "/api/session", "/api/jobs",
    "/api/users",
    "/", "/sources", "/sources/new", "/objects/{x}/{x}", "/schemas/{x}", "/settings", "/health",
    "/nothing",
]  # fmt: skip


def request(random: Random) -> bytes:
    path = random.choice(_PATHS)
    while "{x}" in path:
        path = path.replace(
            "{x}", random.choice(["geo", "%00", "..", "é", "a" * 3000, "1", "-"]), 1
        )
    names = ["limit", "page", "sort", "filter", "q", "cursor", "after", "x"]
    values = ["1", "-1", "9" * 40, "%00", "%ff", "", "é", "[", "a b"]
    query = "&".join(
        f"{random.choice(names)}={random.choice(values)}" for _ in range(random.randrange(3))
    )
    body = random.choice([b"", source(random), schema(random), document(random), b"\xff" * 100])
    made = {
        "method": random.choice(["GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "X"]),
        "path": f"{path}?{query}" if query else path,
        "headers": {
            "content-type": random.choice(
                ["application/json", "text/plain", "multipart/form-data", "é"]
            ),
            random.choice(["accept", "x-csrf-token", "if-match", "cookie"]): random.choice(
                ["é", "", "*"]
            ),
        },
        "body": base64.b64encode(body).decode(),
    }
    return dumped(made)
