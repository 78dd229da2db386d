"""Ways of paging that nobody has documented: whatever is invented, no read is complete wrongly."""

from __future__ import annotations

import contextlib
import itertools
import json
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.rest import RestConfig, RestConnector
from connectors.sdk import Batch, ConnectorError, Context, End, Limits
from connectors.sdk.config import parse
from tests.servers.http_api import Answer, Call, HttpApi, answer

LISTS = ["", "results", "items", "data.rows", "zaken", "antwoord.dingen", "value"]
PARAMS = ["page", "p", "offset", "skip", "$skip", "from", "startAt", "cursor", "after", "bladzij"]
NEXT = ["next", "nextPageToken", "next_cursor", "meta.next", "paging.next.after", "volgende", "más"]
LINKS = [
    "next",
    "links.next",
    "_links.next.href",
    "nextUrl",
    "siguiente",
    "@odata.nextLink",
    "lien",
]
FLAGS = ["has_more", "meta.hasMore", "hasNextPage", "moreResults", "!isLast", "!done", "vervolg"]
TOTALS = ["total", "count", "meta.totalCount", "Total-Results", "aantal", "hits.total"]


@dataclass(frozen=True)
class Api:
    """An invented interface; every sign that it gives is honest unless the name says otherwise."""

    rows: int
    size: int
    records: str
    style: str
    param: str
    base: int
    next_name: str
    flag: str | None
    total: str | None
    total_is: str
    end: str
    ignores: bool
    moving: bool
    timed: bool
    order: str


APIS = st.builds(
    Api,
    rows=st.integers(0, 31),
    size=st.integers(1, 12),
    records=st.sampled_from(LISTS),
    style=st.sampled_from(["page", "offset", "token", "last", "link", "header", "one"]),
    param=st.sampled_from(PARAMS),
    base=st.sampled_from([0, 1]),
    next_name=st.sampled_from(NEXT),
    flag=st.none() | st.sampled_from(FLAGS),
    total=st.none() | st.sampled_from(TOTALS),
    total_is=st.sampled_from(["all", "page"]),
    end=st.sampled_from(["absent", "null", "empty", "false", "for ever", "clamped"]),
    ignores=st.booleans(),
    moving=st.booleans(),
    timed=st.booleans(),
    order=st.sampled_from(["rising", "falling", "mixed", "no id"]),
)


class Server:
    """Plays an `Api`."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.calls = itertools.count()
        self.all = [self._row(number) for number in range(api.rows)]

    def _row(self, number: int) -> dict[str, Any]:
        place = {"rising": number, "falling": -number, "mixed": number * 17 % 32, "no id": number}
        identity = {
            "naam" if self.api.order == "no id" else "id": f"r{place[self.api.order] + 100}"
        }
        return {**identity, "soort": number % 3}

    @property
    def moves(self) -> bool:
        """Rows move only where a total can show it: without one nothing but a second read can."""
        api = self.api
        return api.moving and api.total is not None and api.total_is == "all" and api.records != ""

    def __call__(self, call: Call) -> Answer:
        api, turn = self.api, next(self.calls)
        start = 0 if api.ignores else self._start(call)
        rows = self.all
        if turn > 1 and self.moves:  # the first row has gone, the others moved up
            rows = rows[1:]
        if api.end == "clamped" and start >= len(rows) and rows:
            start = (len(rows) - 1) // api.size * api.size
        here = rows[start : start + api.size]
        if api.timed:
            here = [{**row, "tijd": f"2026-01-01T00:00:{turn % 60:02}"} for row in here]
        return self._answer(call, start, here, rows)

    def _start(self, call: Call) -> int:
        api, text = self.api, call.query.get(self.api.param)
        if text is None:
            return 0
        if api.style == "last":
            ids = [next(iter(row.values())) for row in self.all]
            return ids.index(text) + 1 if text in ids else 0
        if api.style in ("token", "link", "header"):
            return int(text[1:]) if text[1:].isdecimal() else 0
        if not text.removeprefix("-").isdecimal():
            return 0
        number = int(text) - api.base
        return max(0, number * api.size if api.style == "page" else number)

    def _answer(self, call: Call, start: int, here: list[Any], rows: list[Any]) -> Answer:
        api = self.api
        more = start + api.size < len(rows) and api.style != "one"
        document: dict[str, Any] = {}
        headers: dict[str, str] = {}
        token = f"t{start + api.size}"
        link = f"{call.path}?{urlencode({**call.query, api.param: token})}"
        if api.style == "token":
            self._lead(document, api.next_name, token, more)
        elif api.style == "link":
            self._lead(document, LINKS[NEXT.index(api.next_name)], link, more)
        elif api.style == "header" and (more or api.end == "for ever"):
            headers["Link"] = f'<{link}>; title="a, b"; rel="next"'
        if api.flag is not None:
            said = not more if api.flag.startswith("!") else more
            put(document, api.flag.removeprefix("!"), said)
        if api.total is not None:
            put(document, api.total, len(rows) if api.total_is == "all" else len(here))
        if not api.records:
            return answer(here, headers=headers)
        put(document, api.records, here)
        return answer(document, headers=headers)

    def _lead(self, document: dict[str, Any], path: str, value: str, more: bool) -> None:
        end = self.api.end
        if more or end == "for ever":
            put(document, path, value)
        elif end in ("null", "empty", "false"):
            put(document, path, {"null": None, "empty": "", "false": False}[end])


def put(document: dict[str, Any], path: str, value: Any) -> None:
    """Set a value at a dotted path; names that hold dots themselves are not taken apart."""
    if path.startswith("@"):
        document[path] = value
        return
    *heads, last = path.split(".")
    for head in heads:
        inner = document.setdefault(head, {})
        if not isinstance(inner, dict):
            return
        document = inner
    document[last] = value


def read(api: HttpApi, invented: Api, pagination: Any) -> tuple[list[Batch], ConnectorError | None]:
    context = Context(limits=Limits(retries=0, read_timeout=5, backoff=0.01))
    document = {
        "url": api.url,
        "endpoint": "/rows",
        "pagination": pagination,
        "records": invented.records or ".",
    }
    batches: list[Batch] = []
    try:
        batches.extend(RestConnector(parse(RestConfig, document), context).read())
    except ConnectorError as error:
        return batches, error
    return batches, None


def check(api: HttpApi, invented: Api, pagination: Any) -> None:
    """The claim: complete and whole, or unproven with a doubt, or refused with advice."""
    api.reset()
    server = Server(invented)
    api.on("/rows", server)
    batches, error = read(api, invented, pagination)
    assert len(api.calls) < 250, "it does not end"
    if error is not None:
        assert error.what
        assert not any(batch.end for batch in batches)
        return
    last = batches[-1]
    if last.end is End.UNPROVEN:
        assert last.doubt
        assert last.because is None
        return
    assert last.end is End.FULL
    assert last.because is not None
    name = "naam" if invented.order == "no id" else "id"
    found = {row.data[name] for batch in batches for row in batch}
    now = server.all[1:] if server.moves and len(api.calls) > 2 else server.all
    if invented.style != "one":  # such a source hides its rows: it must not be called complete
        assert found >= {row[name] for row in now}


RUN = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.promise("the first page is reported as a complete read")
@RUN
@given(invented=APIS)
def test_no_invented_way_of_paging_is_called_complete_wrongly(api: HttpApi, invented: Api) -> None:
    check(api, invented, "auto")


@RUN
@given(
    invented=APIS,
    pagination=st.sampled_from(
        [
            {"type": "page", "size_param": "n"},
            {"type": "page", "start": 0},
            {"type": "offset", "param": "skip"},
            {"type": "cursor", "param": "cursor"},
            {"type": "cursor", "token": "meta.next", "param": "after"},
            "next_url",
            "link_header",
        ]
    ),
)
def test_no_setting_makes_an_invented_way_complete_wrongly(
    api: HttpApi, invented: Api, pagination: Any
) -> None:
    if isinstance(pagination, dict) and pagination == {"type": "page", "size_param": "n"}:
        invented = replace(invented, base=1)  # a person who sets a wrong start skips a page
    check(api, invented, pagination)


WORDS = [*NEXT, *LINKS, *TOTALS, "has_more", "links", "rel", "href", "cursors", "after", "page"]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 30),
    st.sampled_from([10**400, -(10**30), 1e300, "9" * 5000, "", "null", "http://[", "//", "?a=b"]),
    st.sampled_from(
        ["http://127.0.0.1:1/x", "ftp://x/y", "\x00", "/rows?page=2", "2026-01-01", "tok"]
    ),
)
JUNK = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([word.rpartition(".")[2] for word in WORDS]), inner)
    ),
    max_leaves=8,
)


@pytest.mark.promise("the first page is reported as a complete read")
@RUN
@given(junk=st.dictionaries(st.sampled_from(WORDS), JUNK, max_size=4), post=st.booleans())
def test_whatever_stands_beside_the_rows_is_an_error_of_the_source_at_worst(
    api: HttpApi, junk: dict[str, Any], post: bool
) -> None:
    api.reset()
    document = {"items": [{"id": n} for n in range(5)], **junk}
    text = json.dumps(document)
    api.on("/rows", lambda call: Answer(200, {"Content-Type": "application/json"}, text.encode()))
    fields = {"method": "POST", "body": {"page": 1}} if post else {}
    connection = {"url": api.url, "endpoint": "/rows", "records": "items", **fields}
    context = Context(limits=Limits(retries=0, connect_timeout=1, read_timeout=5, backoff=0.01))
    with contextlib.suppress(ConnectorError):
        last = list(RestConnector(parse(RestConfig, connection), context).read())[-1]
        assert last.because is not None or last.doubt
    assert len(api.calls) < 250


@pytest.mark.parametrize("style", ["one"])
def test_a_source_that_hides_its_rows_is_never_complete(api: HttpApi, style: str) -> None:
    hidden = Api(
        31,
        10,
        "",
        style,
        "page",
        1,
        "next",
        None,
        None,
        "all",
        "absent",
        True,
        False,
        False,
        "rising",
    )
    server = Server(hidden)
    api.on("/rows", server)
    batches, error = read(api, hidden, "auto")
    assert error is None
    assert batches[-1].end is End.UNPROVEN
