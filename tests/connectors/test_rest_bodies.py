"""Bodies as servers send them: read right, or refused with a reason; never half right.

Each case names the standard or the public report whose kind it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from connectors.formats import decoded
from connectors.rest import RestConfig, RestConnector
from connectors.sdk import Context, Row, RowProblem, canonical
from connectors.sdk.config import parse
from tests.servers import http_api
from tests.servers.http_api import HttpApi

CASES = Path(__file__).parent / "cases"


def read(api: HttpApi, context: Context, **fields: Any) -> list[Row | RowProblem]:
    document = {"url": api.url, "endpoint": "/rows", "pagination": "none", **fields}
    connector = RestConnector(parse(RestConfig, document), context)
    return [item for batch in connector.read() for item in decoded(batch)]


def sent(
    api: HttpApi, context: Context, body: bytes | str, media: str, **fields: Any
) -> list[Row | RowProblem]:
    api.on("/rows", http_api.text(body, media))
    return read(api, context, **fields)


def data(items: Sequence[Row | RowProblem]) -> list[Any]:
    """The rows' data, and of problems what they say."""
    return [item.data if isinstance(item, Row) else item.errors[0].message for item in items]


# What cannot be kept is one row's problem.

DEEP = b'{"id": 2, "a": ' + b"[" * 5000 + b"]" * 5000 + b"}"

UNKEPT = {
    # RFC 8259, 8.2: half a surrogate pair has unpredictable effects
    "half a surrogate pair": (b'{"id": 2, "name": "bad\\ud83d"}', "half a surrogate pair"),
    "the second half alone": (b'{"id": 2, "name": "\\ude00bad"}', "half a surrogate pair"),
    "half a pair in a name": (b'{"id": 2, "\\ud83d": 1}', "half a surrogate pair"),
    # RFC 8259, 6 and 9: a parser may set limits on the range of numbers and on depth
    "an exponent of millions": (b'{"id": 2, "a": 1e100000000}', "1000 digits"),
    "an exponent beyond counting": (b'{"id": 2, "a": 1e99999999999999999999}', "number"),
    "a negative exponent": (b'{"id": 2, "a": 1e-100000000}', "1000 digits"),
    "a number of 5,000 digits": (b'{"id": 2, "a": ' + b"1" * 5000 + b"}", "1000 digits"),
    "a fraction of 5,000 digits": (b'{"id": 2, "a": 0.' + b"1" * 5000 + b"}", "1000 digits"),
    "500 levels": (b'{"id": 2, "a": ' + b"[" * 500 + b"]" * 500 + b"}", "200 levels"),
    "1,020 levels": (b'{"id": 2, "a": ' + b'{"a":' * 1020 + b"1" + b"}" * 1021, "200 levels"),
    "5,000 levels": (DEEP, "200 levels"),
}


@pytest.mark.parametrize("what", UNKEPT)
@pytest.mark.parametrize("kind", ["json", "ndjson"])
def test_a_value_that_cannot_be_kept_rejects_its_row_alone(
    api: HttpApi, quick: Context, what: str, kind: str
) -> None:
    bad, reason = UNKEPT[what]
    if kind == "json":
        body, media = b'{"total": 3, "items": [{"id": 1},%b,{"id": 3}]}' % bad, "application/json"
    else:
        body, media = b'{"id": 1}\n%b\n{"id": 3}\n' % bad, "application/x-ndjson"
    first, problem, last = sent(api, quick, body, media)
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert [first.data, last.data] == [{"id": 1}, {"id": 3}]
    assert isinstance(problem, RowProblem)
    if kind == "json":
        assert reason in problem.errors[0].message
    canonical.dumps(canonical.value(problem.raw))  # it can be shown, too


def test_an_invalid_byte_costs_its_own_row(api: HttpApi, quick: Context) -> None:
    # RFC 8259, 8.1: JSON is UTF-8, and no charset says otherwise here
    body = '[{"id": 1, "name": "Zoë"},'.encode() + b'{"id": 2, "name": "Zo\xeb"}]'
    row, problem = sent(api, quick, body, "application/json")
    assert data([row]) == [{"id": 1, "name": "Zoë"}]
    assert "an invalid byte" in data([problem])[0]


def test_the_key_of_a_rejected_row_is_known_where_it_can_be_read(
    api: HttpApi, quick: Context
) -> None:
    api.on("/rows", http_api.text(b'[{"id": 1}, {"id": 2, "a": "\\ud83d"}]', "application/json"))
    document = {"url": api.url, "endpoint": "/rows", "pagination": "none"}
    (batch,) = RestConnector(parse(RestConfig, document), quick).read()
    assert batch.keys(["id"]) == ["1", "2"]
    assert batch.keys(["a", "id"]) == [None, None]


def test_the_case_of_half_a_pair(api: HttpApi, quick: Context) -> None:
    body = (CASES / "json-lone-surrogate.json").read_bytes()
    first, problem, last = sent(api, quick, body, "application/json")
    assert data([first, last]) == [{"id": 1, "n": "ok"}, {"id": 3, "n": "ok"}]
    assert isinstance(problem, RowProblem)
    assert problem.raw == {"id": 2, "n": "cut \\ud83d"}


def test_a_pair_of_halves_is_text_and_escaped_backslashes_are_no_escapes(
    api: HttpApi, quick: Context
) -> None:
    body = b'[{"a": "\\ud83d\\ude00", "b": "\\\\ud83d", "c": "\\ud83d"}, {"a": "\\ud83d\\ude00"}]'
    problem, row = sent(api, quick, body, "application/json")
    assert isinstance(problem, RowProblem)
    assert problem.errors[0].path == "c"
    assert data([row]) == [{"a": "\N{GRINNING FACE}"}]
