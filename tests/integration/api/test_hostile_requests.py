"""Whatever a request carries, its answer is one that was meant: never a 500, never a raw error.

Every operation gets hostile values for each of its parameters and members, headers and cookies
that no browser would send, and bodies that are no documents.
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import re
import socket
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote_from_bytes, urlsplit

import pytest
from fastapi import FastAPI

from app import api
from app.users.roles import Role
from tests.integration.served import Server
from tests.integration.web.test_page_roles import PAGES

VALUES: Sequence[bytes] = (
    b"",
    b"\x00",
    b"a\x00b",
    "é☃😀".encode(),
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"%00",
    b"..",
    b"-1",
    b"0",
    b"99999999999999999999999",
    b"1e100000000",
    b"NaN",
    b"Infinity",
    b"null",
    b"[]",
    b"{",
    b"{}",
    b"{{ 1e400 }}",
    b"{% for",
    b"\r\nX-Injected: 1",
    b"'; DROP TABLE objects; --",
    b"x" * 5000,
)

MEMBERS: Sequence[str] = (
    "null",
    '""',
    '"\\u0000"',
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"é☃😀"',
    "0",
    "-1",
    "1e400",
    "1e100000000",
    "1" * 5000,
    "99999999999999999999999",
    "NaN",
    "Infinity",
    "[]",
    "{}",
    '{"a": {"b": null}}',
    "[" * 900 + "]" * 900,
    '{"\\u0000": 1, "\\ud800": 1}',
    "true",
    '["' + "x" * 20000 + '"]',
)

MEMBER_NAMES = (
    *("slug", "document", "title", "register", "schema", "name", "password", "role", "mapping"),
    *("connection", "schedule", "key", "ceiling", "data", "code", "filter", "fields", "next"),
    *("type", "target", "timezone", "@self", "property.0", "from.0", "rest", "field", "format"),
)

RAW = re.compile(rb"Traceback|File \"|\b[A-Z]\w*(?:Exception|Error)\b(?!\")|sqlalche\.me|\[SQL:")
"""What would show how something is made; `type` of a problem names its kind in quotes."""


class Caller:
    """Sends requests byte by byte, as no library would."""

    def __init__(self, server: Server, **headers: str) -> None:
        parts = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def __call__(
        self, method: str, target: str, body: bytes = b"", **more: bytes | str
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        headers: dict[str, Any] = {**self.headers}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        try:
            return self._send(method, target, body, headers)
        except (http.client.HTTPException, OSError):
            self._connection.close()  # the server closed it after the last answer
            return self._send(method, target, body, headers)

    def _send(
        self, method: str, target: str, body: bytes, headers: dict[str, Any]
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        self._connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers.items():
            self._connection.putheader(name, value)
        if body or method in ("POST", "PUT", "PATCH"):
            self._connection.putheader("Content-Length", str(len(body)))
        self._connection.endheaders(body)
        answer = self._connection.getresponse()
        return answer.status, answer.read(), answer.headers


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    web = FastAPI(title="Open Register", version="0")
    api.install(web)
    found = [
        (method.upper(), path, operation)
        for path, methods in web.openapi()["paths"].items()
        for method, operation in methods.items()
    ]
    return found + [(*route.split(" ", 1), {}) for route in PAGES]  # type: ignore[misc]


def filled(path: str, **values: bytes) -> str:
    real = {"register": b"geo", "schema": b"town", "name": b"towns", "slug": b"town"} | values
    return re.sub(r"\{(\w+)\}", lambda m: quote_from_bytes(real.get(m[1], b"1"), safe=""), path)


def queries(operation: dict[str, Any]) -> list[str]:
    named = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
    return [*named, "_search", "_order", "_fields", "_facets", "code", "code[]", "code[gte]",
            "@self.created", "after", "before", "format"]  # fmt: skip


def assert_meant(asked: str, status: int, said: bytes) -> None:
    assert status < 500 or status == 502, (asked, status, said[:500])
    assert not RAW.search(said), (asked, status, RAW.search(said))


def attempts(
    method: str, path: str, operation: dict[str, Any], chance: random.Random
) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """Targets, bodies and headers: each place once with every kind of value."""
    names = re.findall(r"\{(\w+)\}", path)
    for name, value in itertools.product(names, VALUES):
        yield filled(path, **{name: value}), b"", {}
    for name in queries(operation):
        for value in chance.sample(VALUES, 5):
            asked = f"{quote_from_bytes(name.encode())}={quote_from_bytes(value)}"
            yield f"{filled(path)}?{asked}", b"", {}
            yield f"{filled(path)}?{asked}&{asked}", b"", {}
    if method == "GET":
        return
    sent_as_json = {"Content-Type": "application/json"}
    for member in MEMBER_NAMES:
        for text in chance.sample(MEMBERS, 4):
            yield filled(path), f'{{"{member}": {text}}}'.encode(), sent_as_json
    for text in MEMBERS:
        yield filled(path), text.encode(), sent_as_json
    for value in VALUES:
        pairs = b"&".join(b"%s=%s" % (member.encode(), value) for member in MEMBER_NAMES)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        yield filled(path), pairs, form
        yield filled(path), value, {"Content-Type": "multipart/form-data; boundary=x"}


GROUPS, EACH = 8, 15


@pytest.mark.promise("malformed requests")
@pytest.mark.parametrize("group", range(GROUPS))
def test_no_request_is_answered_by_an_error_that_nobody_meant(shared: Server, group: int) -> None:
    caller = Caller(shared, Authorization=f"Bearer {shared.tokens[Role.ADMIN]}")
    count = 0
    for method, path, operation in operations()[group::GROUPS]:
        chance = random.Random(f"{method} {path}")  # noqa: S311 - the same ones each time
        made = list(attempts(method, path, operation, chance))
        for target, body, headers in chance.sample(made, min(len(made), EACH)):
            status, said, _ = caller(method, target, body, **headers)
            assert_meant(f"{method} {target} {body[:200]!r}", status, said)
            count += 1
    assert count > 100


HEADERS = (
    *("X-CSRF-Token", "Cookie", "Authorization", "Accept", "Accept-Language", "Content-Type"),
    *("Origin", "Referer", "If-Match", "If-None-Match", "If-Modified-Since", "Range"),
    *("Sec-Fetch-Site", "X-Forwarded-For", "X-Forwarded-Proto", "User-Agent"),
)
ODD = (
    *(b"", b"\xe9\xff", b"\t", b"a" * 6000, b"0", b"*", b'W/"', b"=;=;", b"text/html", b"Bearer "),
    *(b"Mon, 31 Feb 99999 99:99:99 GMT", b"Mon, 01 Jan 0001 00:00:00 +2359", b"bytes=0-0,1-1,-1"),
    *(
        b"Basic \xff",
        b"Basic AAAA",
        b"Basic OgA=",
        b"Basic AGE6AGI=",
        b"http://[::1",
        b"http://\xff",
    ),
    *(b"application/json; charset=\xff", b"application/json; charset=utf-16", b"nl;q=\xff"),
    *(b"openregister_session=\xe9; a=\xff", b"xx-\xff,*;q=9", b"multipart/form-data"),
    b'openregister_notice="%ff%00"; openregister_theme=\xff',
)


@pytest.mark.promise("malformed requests")
@pytest.mark.parametrize("signed_in", [True, False])
def test_no_header_is_answered_by_an_error_that_nobody_meant(
    shared: Server, signed_in: bool
) -> None:
    known: dict[str, str] = {}
    if signed_in:
        client = shared.signed_in(Role.REGISTER_ADMIN)
        pairs = "; ".join(f"{one.name}={one.value}" for one in client.session.cookies)
        known = {"Cookie": pairs, "X_CSRF_Token": client.headers["X-CSRF-Token"]}
    caller = Caller(shared, **known)
    targets = [
        ("GET", "/api/registers", b""),
        ("GET", "/registers", b""),
        ("GET", "/static/app.css", b""),
        ("POST", "/api/registers", b'{"slug": "geo"}'),
    ]
    every = list(itertools.product(HEADERS, ODD, targets))
    chance = random.Random(int(signed_in))  # noqa: S311 - the same ones each time
    for name, value, (method, target, body) in chance.sample(every, 300):
        status, said, _ = caller(method, target, body, **{name: value})
        assert_meant(f"{method} {target} {name}: {value!r}", status, said)


@pytest.mark.promise("malformed requests")
def test_a_csrf_token_in_other_letters_is_refused(shared: Server) -> None:
    client = shared.signed_in(Role.REGISTER_ADMIN)
    pairs = "; ".join(f"{one.name}={one.value}" for one in client.session.cookies)
    caller = Caller(shared, Cookie=pairs)
    body = json.dumps({"slug": "never"}).encode()
    for token in (b"\xe9", "☃".encode(), b"\xff" * 1000):
        status, said, _ = caller("POST", "/api/registers", body, X_CSRF_Token=token)
        assert (status, json.loads(said)["type"]) == (403, "urn:openregister:problem:CsrfError")


def test_every_address_answers_head_as_get_and_names_its_methods(shared: Server) -> None:
    caller = Caller(shared, Authorization=f"Bearer {shared.tokens[Role.ADMIN]}")
    methods: dict[str, set[str]] = {}
    for method, path, _ in operations():
        methods.setdefault(path, set()).add(method)
    methods["/static/app.css"] = {"GET"}
    for path, known in methods.items():
        target = filled(path)
        if "GET" in known:
            status, _, headers = caller("GET", target)
            head_status, nothing, head = caller("HEAD", target)
            assert (head_status, nothing) == (status, b""), target
            assert head["Content-Type"] == headers["Content-Type"], target
            assert head["Content-Length"] == headers["Content-Length"], target
        status, _, headers = caller("TRACE", target)
        assert status == 405, target
        expected = known | ({"HEAD"} if "GET" in known else set())
        said = set(headers["Allow"].split(", "))
        assert said >= expected, target
        for further in said - expected:  # of another pattern that the address has as well
            assert caller(further, target)[0] != 405, (further, target)
        if "PATCH" not in said:
            status, _, headers = caller("PATCH", target)
            assert (status, set(headers["Allow"].split(", "))) == (405, said), target


@pytest.mark.promise("a redirect to a host that the client supplied")
@pytest.mark.parametrize("target", ["/sources/", "/api/registers/", "//evil.example//sources/"])
def test_a_redirect_does_not_repeat_a_foreign_host(shared: Server, target: str) -> None:
    caller = Caller(shared, Authorization=f"Bearer {shared.tokens[Role.ADMIN]}")
    status, _, headers = caller("GET", target, X_Forwarded_Host="evil.example")
    assert status < 500
    location = headers.get("Location", "/")
    assert location.startswith("/")
    assert not location.startswith("//")
    with socket.create_connection(address(shared), 10) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
        answered = connection.recv(65536).partition(b"\r\n\r\n")[0]
    assert b"evil.example" not in answered.replace(target.encode(), b"")


def address(server: Server) -> tuple[str, int]:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return host, int(port)
