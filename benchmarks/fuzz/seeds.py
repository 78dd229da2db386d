"""Inputs that once caused errors, here or in similar programs."""

from __future__ import annotations

import json
from typing import Any


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


def _chain(word: str, depth: int) -> dict[str, Any]:
    """A schema whose cost doubles with each definition."""
    links = {f"d{n}": {word: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(depth)}
    return {"$defs": {**links, f"d{depth}": {"type": "string"}}, "$ref": "#/$defs/d0"}


def _workbooks() -> list[bytes]:
    from tests.connectors.formats.sheets.books import header, ods, ods_row, packed, xlsx

    far = '<row r="1048550"><c r="XFD1048550"><v>1</v></c></row>'
    cell = (
        '<table:table-cell table:number-columns-repeated="16384">'
        "<text:p>x</text:p></table:table-cell>"
    )
    whole = ' table:number-rows-repeated="1048575"'
    return [
        b"",
        b"PK\x03\x04",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 600,
        packed({"[Content_Types].xml": "<Types/>"}),
        xlsx(header("id") + far),
        xlsx(header("id") + '<row r="100000"><c r="ZZ100000"><v>1</v></c></row>'),
        xlsx(header("id") + '<row r="2"><c r="A2" t="e"><v>#SPILL!</v></c></row>'),
        xlsx(header("id") + far, after='<mergeCell ref="A1:XFD1048576"/>'),
        xlsx("<row>" + "<c>" * 20_000),
        xlsx("<" * 100_000),
        ods(ods_row("id") + ods_row(cell, more=whole)),
        ods("<table:table-row>" * 3000),
    ]


SEEDS: dict[str, list[bytes]] = {
    "csv": [
        b'\nnote\t"note"\tid\rself\t1d\tid\r',
        b'"a",b\n"1",2\r"3",4\n',
        b"a" * 20_000 + b"\xe9",
        b"",
        b'"',
        b'a,b\n"' + b"x" * 100_000,
        b"a" * 1_000_000,
        b"\xff\xfe\x00",
        b'7,"x"y\n',
    ],
    "json": [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'[{"id":1,"a":1e100000000}]',
        b'[{"a":' + b"9" * 100_000 + b"}]",
        b'[{"a": "\\ud800"}]',
    ],
    "ndjson": [b'{"a":' * depth + b"1" + b"}" * depth for depth in (500, 1020, 5000)],
    "xml": [
        b"<a>" * 100_000,
        b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        b"<r>" + b"<i " + b" ".join(b"a%d='1'" % n for n in range(5000)) + b"/></r>",
    ],
    "excel": _workbooks(),
    "listing": [
        b"-rw-r--r-- 1 u g " + b"9" * 13_000 + b" Feb 28 09:05 x",
        b"01-31-26  10:30PM  " + b"9" * 13_000 + b" x",
        b"type=file;size=" + b"9" * 13_000 + b"; x",
        b"+r,s" + b"9" * 13_000 + b",\tx",
        b"-rw-r--r-- " + b"1 " * 5000,
        b"9" * 20_000,
        b"type=" + b";" * 20_000,
    ],
    "schema": [
        *(
            _json({"schema": _chain(word, depth), "rows": [{"a": 1}]})
            for word in ("anyOf", "allOf", "oneOf")
            for depth in (12, 26, 200)
        ),
        _json({"schema": {"patternProperties": {"^(a+)+$": {}}}, "rows": [{"a" * 40 + "b": 1}]}),
        _json(
            {
                "schema": {"properties": {"a": {"pattern": "^(a+)+$"}}},
                "rows": [{"a": "a" * 40 + "b"}],
            }
        ),
        _json({"schema": {"$ref": "#"}, "rows": [{}]}),
        b'{"schema": ' + b'{"not":' * 400 + b"{}" + b"}" * 400 + b', "rows": [{}]}',
    ],
    "template": [
        _json({"template": text, "rows": [{"a": "x," * 450_000, "self": 1, "b": [1, 2]}]})
        for text in (
            "{{ 'x' * 1000000000 }}",
            "{{ 10 ** 10 ** 9 }}",
            "{{ 1e400 }}",
            "{{ self }}",
            "{{ self.href }}",
            "{{ {}.pop(1) }}",
            "{% for i in a %}{% for j in a %}{{ i }}{% endfor %}{% endfor %}",
            "{% for i in range(10 ** 9) %}{% endfor %}",
            "{{ a | regex_replace('(x+,)+$', '') }}",
            "{{ a.__class__.__mro__ }}",
            "{{" * 5000,
        )
    ],
    "mapping": [
        _json({"mapping": {"key": name}, "rows": [{name: 1}]}) for name in ("self", "loop", "")
    ],
    "filter": [
        _json({"filter": rule, "rows": [{"a": list(range(2000)), "b": 8}]})
        for rule in (
            {"/": [8, 2, 2]},
            {"map": [{"var": "a"}, {"map": [{"var": "a"}, {"var": ""}]}]},
            {
                "reduce": [
                    {"var": "a"},
                    {"cat": [{"var": "accumulator"}, {"var": "accumulator"}]},
                    "x",
                ]
            },
            {"+": ["x", [], {}]},
            "a == 1 and " * 500 + "1",
            "(" * 5000,
        )
    ],
    "schedule": [
        b"0 0 30 2 *",
        b"* * * * * * *",
        b"*/0 * * * *",
        b"9" * 5000,
        b"@reboot",
        b"@daily",
    ],
    "infer": [
        _json({"rows": [{f"f{n}": n for n in range(3000)}]}),
        _json({"rows": [{"a": "1e999999"}]}),
    ],
    "source": [
        b"[]",
        b"null",
        b'{"name": 1}',
        _json({"type": "rest", "connection": {"url": "http://["}}),
    ],
    "answer": [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body
        for body in (
            b"[" * 50_000,
            b'[{"id":1,"a":1e100000000}]',
            b'{"error": "none", "data": [{"id": 1}], "next": "/items?page=2"}',
            b'{"data": [1, 2], "has_more": "false"}',
        )
    ]
    + [
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[{"a": "\xb6"}]',
        b'HTTP/1.1 200 OK\r\n\r\n{"data": [{"id": 1}], "has_more": true, "cursor": "\\ud800"}',
        b'HTTP/1.1 200 OK\r\n\r\n{"data": [{"id": -124700}], "has_more": "\\ud800"}',
        b"HTTP/9 x\r\n\r\n",
        b"302",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk\r\n",
    ],
    "request": [
        _json(
            {
                "method": "POST",
                "path": "/api/session",
                "headers": {"x-csrf-token": "é"},
                "body": "e30=",
            }
        ),
        _json({"method": "GET", "path": "/api/objects/geo/geo?limit=" + "9" * 400}),
        _json({"method": "GET", "path": "/%00"}),
    ],
}
