"""XML that pages: OAI-PMH by its manual page, Atom, SRU."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.rest import RestConfig, RestConnector
from connectors.sdk import Batch, Context, DataError, End, Proof
from connectors.sdk.config import parse
from tests.servers.http_api import Answer, Call, HttpApi

NAMESPACES = 'xmlns="http://www.openarchives.org/OAI/2.0/"'
DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
SOURCE: dict[str, Any] = {
    "endpoint": "/oai",
    "query": {"verb": "ListRecords", "metadataPrefix": "oai_dc"},
    "records": "OAI-PMH/ListRecords/record",
    "pagination": {
        "type": "cursor",
        "token": "ListRecords.resumptionToken",
        "param": "resumptionToken",
        "keep": ["verb"],
    },
    "deleted": "header.@status=deleted",
    "incremental": {"field": "header.datestamp", "param": "from"},
}


def record(number: int) -> str:
    gone = ' status="deleted"' if number % 7 == 3 else ""
    header = (
        f"<header{gone}><identifier>oai:x:{number:02}</identifier>"
        f"<datestamp>2026-01-{number + 1:02}</datestamp></header>"
    )
    meta = f"<metadata><dc:dc {DC}><dc:title>Title {number}</dc:title></dc:dc></metadata>"
    return f"<record>{header}{'' if gone else meta}</record>"


def xml(text: str, prefix: str = "") -> Answer:
    return Answer(200, {"Content-Type": "text/xml; charset=utf-8"}, text.encode())


def oai(call: Call, rows: int = 25, size: int = 10) -> Answer:
    """ListRecords by OAI-PMH 2.0, section 3.5: a token excludes every argument but the verb."""
    assert call.query["verb"] == "ListRecords"
    token = call.query.get("resumptionToken")
    start = int(token[1:]) if token else 0
    if (token and len(call.query) > 2) or (not token and "metadataPrefix" not in call.query):
        return xml(f'<OAI-PMH {NAMESPACES}><error code="badArgument">No</error></OAI-PMH>')
    since = int(call.query.get("from", "2026-01-01")[-2:]) - 1
    numbers = range(max(start, since), rows)
    if not numbers:
        return xml(f'<OAI-PMH {NAMESPACES}><error code="noRecordsMatch">No</error></OAI-PMH>')
    body = "".join(map(record, numbers[:size]))
    more = f"t{numbers[0] + size}" if len(numbers) > size else ""
    said = f'<resumptionToken completeListSize="{rows}" cursor="{start}">{more}</resumptionToken>'
    shown = said if more or token else ""
    return xml(f"<OAI-PMH {NAMESPACES}><ListRecords>{body}{shown}</ListRecords></OAI-PMH>")


def read(api: HttpApi, context: Context, cursor: Any = None, **fields: Any) -> list[Batch]:
    document = {"url": api.url, **fields}
    return list(RestConnector(parse(RestConfig, document), context).read(cursor))


@pytest.mark.promise("deletions in a repository (OAI-PMH) are missed, or end the harvest")
def test_a_repository_is_harvested_by_its_tokens(api: HttpApi, quick: Context) -> None:
    api.on("/oai", oai)
    batches = read(api, quick, **SOURCE)
    rows = [row for batch in batches for row in batch]
    data: list[Any] = [row.data for row in rows]
    assert [each["header"]["identifier"] for each in data] == [
        f"oai:x:{number:02}" for number in range(25)
    ]
    assert data[0]["metadata"]["dc"]["title"] == "Title 0"
    assert [n for n, row in enumerate(rows) if row.deleted] == [3, 10, 17, 24]
    assert (batches[-1].end, batches[-1].because) == (End.FULL, Proof.TOTAL)
    assert (batches[-1].cursor or {})["high"] == "2026-01-25"


def test_the_next_harvest_asks_from_the_last_datestamp(api: HttpApi, quick: Context) -> None:
    api.on("/oai", oai)
    cursor = read(api, quick, **SOURCE)[-1].cursor
    again = read(api, quick, cursor, **SOURCE)
    assert again[-1].end is End.INCREMENTAL or again[-1].doubt
    assert api.calls[-1].query["from"] == "2026-01-25"
    assert sum(map(len, again)) == 1
    api.on("/oai", lambda call: oai(call, rows=24))
    none = read(api, quick, cursor, **SOURCE)
    assert sum(map(len, none)) == 0
    assert none[-1].end is End.INCREMENTAL  # no record matches: nothing is new


def test_an_empty_token_ends_a_list_without_a_size(api: HttpApi, quick: Context) -> None:
    def unsized(call: Call) -> Answer:
        answer = oai(call)
        return xml(answer.body.decode().replace(' completeListSize="25"', ""))

    api.on("/oai", unsized)
    assert read(api, quick, **SOURCE)[-1].because is Proof.END_MARKER


def test_the_tokens_are_found_without_settings(api: HttpApi, quick: Context) -> None:
    api.on("/oai", oai)
    plain = {name: SOURCE[name] for name in ("endpoint", "query")}
    batches = read(api, quick, **plain)
    assert sum(map(len, batches)) == 25
    assert batches[-1].end is End.FULL


def test_an_error_of_the_repository_is_named(api: HttpApi, quick: Context) -> None:
    api.on("/oai", oai)
    wrong = {**SOURCE, "query": {"verb": "ListRecords"}}
    with pytest.raises(DataError, match="badArgument"):
        read(api, quick, **wrong)


def test_a_token_that_is_not_followed_fails(api: HttpApi, quick: Context) -> None:
    api.on("/oai", oai)
    with pytest.raises(DataError, match="resumptionToken"):
        read(api, quick, **{**SOURCE, "pagination": "none", "incremental": None})


def test_atom_is_read_by_its_links(api: HttpApi, quick: Context) -> None:
    def feed(call: Call) -> Answer:
        page = call.number("page", 1)
        entries = "".join(
            f"<entry><id>urn:{n}</id></entry>" for n in range(25)[(page - 1) * 10 : page * 10]
        )
        link = f'<link rel="next" href="{call.path}?page={page + 1}"/>' if page < 3 else ""
        return xml(
            '<feed xmlns="http://www.w3.org/2005/Atom"><title>Feed</title>'
            f'<link rel="self" href="{call.path}"/>{link}{entries}</feed>'
        )

    api.on("/feed", feed)
    batches = read(api, quick, endpoint="/feed", records="feed/entry")
    assert sum(map(len, batches)) == 25
    assert batches[-1].because is Proof.LAST_LINK


def test_sru_is_read_by_the_next_position(api: HttpApi, quick: Context) -> None:
    def sru(call: Call) -> Answer:
        start = call.number("startRecord", 1)
        numbers = range(1, 26)[start - 1 : start + 9]
        found = "".join(f"<zs:record><zs:id>r{n}</zs:id></zs:record>" for n in numbers)
        following = start + 10
        more = f"<zs:nextRecordPosition>{following}</zs:nextRecordPosition>"
        return xml(
            '<zs:searchRetrieveResponse xmlns:zs="http://docs.oasis-open.org/ns/search-ws/sruResponse">'
            f"<zs:numberOfRecords>25</zs:numberOfRecords><zs:records>{found}</zs:records>"
            f"{more if following <= 25 else ''}</zs:searchRetrieveResponse>"
        )

    api.on("/sru", sru)
    batches = read(api, quick, endpoint="/sru")
    assert sum(map(len, batches)) == 25
    assert batches[-1].because is Proof.TOTAL
