"""What proves a read complete and what does not, on real servers; cursors, limits, findings."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from connectors.rest import RestConfig, RestConnector
from connectors.sdk import Batch, Context, Cursor, DataError, End, Findings, Limits, Proof
from connectors.sdk.config import parse
from tests.servers import http_api
from tests.servers.http_api import Answer, Call, HttpApi

ROWS = [{"id": number, "name": f"row {number}"} for number in range(25)]


def opened(api: HttpApi, context: Context, **fields: Any) -> RestConnector:
    document = {"url": api.url, "endpoint": "/rows", **fields}
    return RestConnector(parse(RestConfig, document), context)


def last(api: HttpApi, context: Context, cursor: Cursor | None = None, **fields: Any) -> Batch:
    return list(opened(api, context, **fields).read(cursor))[-1]


def numbered(rows: Callable[[Call], list[Any]], **about: Any) -> http_api.Handler:
    """Pages of 10 by `page` of whatever rows there are at that moment."""

    def handle(call: Call) -> Answer:
        now = rows(call)
        start = (call.number("page", 1) - 1) * 10
        named = {"total": len(now)} if "total" not in about else {}
        return http_api.answer({"items": now[start : start + 10], **named, **about})

    return handle


# Rows that move while they are read.


@pytest.mark.promise("rows move between pages while they are read")
@pytest.mark.parametrize("parallel", [1, 4])
def test_a_row_deleted_while_pages_are_read_proves_nothing(
    api: HttpApi, quick: Context, parallel: int
) -> None:
    api.on("/rows", numbered(lambda call: ROWS if call.number("page", 1) == 1 else ROWS[1:]))
    batch = last(api, quick, pagination="page", parallel=parallel)
    assert batch.end is End.UNPROVEN
    assert "between 24 and 25" in batch.doubt


@pytest.mark.promise("rows move between pages while they are read")
@pytest.mark.parametrize("parallel", [1, 4])
def test_pages_that_overlap_prove_nothing_though_the_total_agrees(
    api: HttpApi, quick: Context, parallel: int
) -> None:
    rows = [{"id": number} for number in range(1200)]
    rows[700] = rows[699]  # one twice, one missing

    def handle(call: Call) -> Answer:
        start = (call.number("page", 1) - 1) * 100
        return http_api.answer({"items": rows[start : start + 100], "total": 1200})

    api.on("/rows", handle)
    batch = last(api, quick, pagination="page", parallel=parallel)
    assert batch.end is End.UNPROVEN
    assert "1 row came on more than one page" in batch.doubt


def test_rows_may_be_declared_to_come_more_than_once(api: HttpApi, quick: Context) -> None:
    api.on("/rows", numbered(lambda call: [*ROWS[:15], *ROWS[5:15]]))
    batch = last(api, quick, pagination={"type": "page", "repeats": True})
    assert (batch.end, batch.because) == (End.FULL, Proof.TOTAL)


def test_a_repeat_within_one_page_is_the_sources_own(api: HttpApi, quick: Context) -> None:
    api.on("/rows", numbered(lambda call: [*ROWS[:13], ROWS[12], *ROWS[13:]]))
    assert last(api, quick, pagination="page").because is Proof.TOTAL


def test_the_key_of_the_mapping_tells_rows_apart(api: HttpApi, quick: Context) -> None:
    rows = [{"id": number, "code": f"c{number % 24}"} for number in range(25)]
    api.on("/rows", numbered(lambda call: rows))
    assert last(api, quick, pagination="page").end is End.FULL
    keyed = Context(limits=quick.limits, key=("code",))
    assert last(api, keyed, pagination="page").end is End.UNPROVEN


def test_many_rows_out_of_order_are_counted_exactly(api: HttpApi, quick: Context) -> None:
    rows = [{"id": f"{number * 7919 % 90_001:05}"} for number in range(90_000)]
    rows[89_999] = rows[3]

    def handle(call: Call) -> Answer:
        start = (call.number("page", 1) - 1) * 10_000
        return http_api.answer({"items": rows[start : start + 10_000], "total": 90_000})

    api.on("/rows", handle)
    batch = last(api, Context(limits=Limits(retries=0)), pagination="page")
    assert "1 row came on more than one page" in batch.doubt


# Totals.


@pytest.mark.parametrize("name", ["total", "totalCount", "Total-Results", "numberMatched"])
def test_a_total_of_the_pages_size_proves_nothing(api: HttpApi, quick: Context, name: str) -> None:
    api.on("/rows", http_api.always({"items": ROWS[:10], name: 10}))
    assert last(api, quick).end is End.UNPROVEN


def test_a_total_beside_the_size_of_the_page_is_evidence(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always({"items": ROWS[:10], "total": 10, "limit": 100}))
    assert last(api, quick).because is Proof.TOTAL


def test_a_round_total_is_not_believed_before_the_page_behind_it_is_empty(
    api: HttpApi, quick: Context
) -> None:
    rows = [{"id": number} for number in range(1200)]

    def handle(call: Call) -> Answer:
        start = (call.number("page", 1) - 1) * 100
        return http_api.answer({"items": rows[start : start + 100], "total": 1000})

    api.on("/rows", handle)
    batches = list(opened(api, quick, pagination="page").read())
    assert sum(map(len, batches)) == 1200
    assert batches[-1].because is Proof.SHORT_PAGE


@pytest.mark.parametrize("code", [400, 404, 422])
@pytest.mark.parametrize("pagination", ["auto", "page"])
def test_a_page_behind_the_total_may_be_refused(
    api: HttpApi, quick: Context, pagination: str, code: int
) -> None:
    def handle(call: Call) -> Answer:
        if call.number("page", 1) > 1:
            return Answer(code)
        return http_api.answer({"items": ROWS[:7], "total": 7, "page": 1})

    api.on("/rows", handle)
    assert last(api, quick, pagination=pagination).because in (Proof.TOTAL, Proof.SHORT_PAGE)


def test_a_window_that_ends_at_a_round_number_proves_nothing(api: HttpApi, quick: Context) -> None:
    rows = [{"id": number} for number in range(1000)]

    def handle(call: Call) -> Answer:
        start = (call.number("page", 1) - 1) * 100
        if start >= 1000:
            return http_api.answer({"message": "Result window is too large"}, 400)
        return http_api.answer({"items": rows[start : start + 100], "total": 1000})

    api.on("/rows", handle)
    batch = last(api, quick, pagination="page")
    assert batch.end is End.UNPROVEN
    assert "refuses the page after them" in batch.doubt


def test_a_figure_that_is_the_size_of_every_page_is_no_total(api: HttpApi, quick: Context) -> None:
    def handle(call: Call) -> Answer:
        start = (call.number("page", 1) - 1) * 10
        rows = ROWS[start : start + 10]
        following = {"next": f"/rows?page={start // 10 + 2}" if start < 20 else None}
        return http_api.answer({"items": rows, "total": len(rows), **following})

    api.on("/rows", handle)
    batches = list(opened(api, quick).read())
    assert sum(map(len, batches)) == 25
    assert batches[-1].because is Proof.END_MARKER


def test_a_total_above_a_stated_single_page_fails(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always({"items": ROWS[:10], "total": 25}))
    with pytest.raises(DataError, match="reports 25 rows but returned 10") as caught:
        last(api, quick, pagination="none")
    assert "pagination: {type: page" in caught.value.hint


# What says that there is more.

MORE: dict[str, Any] = {
    "a flag": {"has_more": True},
    "a flag as a text": {"hasNextPage": "true"},
    "a flag of another word": {"heeftMeer": True},
    "not done": {"done": False},
    "not the last": {"meta": {"isLast": False}},
    "exceeded": {"exceededTransferLimit": True},
    "cut short": {"isTruncated": "true"},
    "incomplete": {"incomplete_results": True},
    "a token": {"nextToken": "abc"},
    "a cursor": {"paging": {"cursors": {"after": "abc"}}},
    "a continuation": {"continuationToken": "abc"},
    "a link that goes nowhere": {"links": [{"rel": "next", "href": "/nowhere"}]},
    "a link in a language": {"weiter": "/nowhere"},
    "a number": {"next_page": 2},
    "pages": {"totalPages": 3},
}


@pytest.mark.promise("the first page is reported as a complete read")
@pytest.mark.parametrize("what", MORE)
def test_what_says_that_there_is_more_fails_the_run_and_the_test(
    api: HttpApi, quick: Context, what: str
) -> None:
    api.on("/rows", http_api.always({"items": ROWS[:10], **MORE[what]}))
    api.on("/nowhere", http_api.status(404))
    for attempt in (
        lambda: last(api, quick, pagination="none"),
        lambda: opened(api, quick, pagination="none").check(),
        lambda: last(api, quick),
    ):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the kinds are compared below
            attempt()
        assert type(caught.value).__name__ in ("DataError", "MissingError")
        assert "pagination" in str(caught.value) or "nowhere" in str(caught.value)


@pytest.mark.parametrize("header", ["Next-Page", "X-Next-Cursor", "X-Continuation-Token"])
def test_headers_that_lead_on_count_as_well(api: HttpApi, quick: Context, header: str) -> None:
    api.on("/rows", http_api.always(ROWS[:10], headers={header: "abc"}))
    with pytest.raises(DataError, match=f"header {header}"):
        last(api, quick, pagination="none")


QUIET: dict[str, Any] = {
    "a token of another kind": {"csrf_token": "x", "access_token": "y", "nextSyncToken": "z"},
    "a moment": {"next_update": "2027-01-01", "nextRun": "2027-01-01T00:00:00Z"},
    "the other way": {"prev": "/rows?page=0", "previousCursor": "abc", "first": "/rows"},
    "where this page began": {"startCursor": "abc", "before": "abc"},
    "more in another sense": {"read_more": "https://example.org/about", "moreInfo": "see there"},
    "more in Dutch": {"meer_informatie": "https://example.org/over", "lees_meer": "/over"},
    "the state of a job": {"finished": False, "status": {"completed": False}},
    "people who follow": {"following": 12, "followers": 3},
    "the next meeting": {"next_event": {"id": 7}, "nextAppointment": "/events/7"},
    "the headers of a framework": {"x-nextjs-cache": "HIT", "nextcloud_version": "31.0.1"},
}


@pytest.mark.parametrize("what", QUIET)
def test_what_does_not_speak_of_pages_is_left_alone(
    api: HttpApi, quick: Context, what: str
) -> None:
    api.on("/rows", http_api.always({"items": ROWS, **QUIET[what]}))
    assert last(api, quick, pagination="none").because is Proof.STATED


def test_signs_can_be_ignored_by_a_setting(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always({"items": ROWS, "has_more": True}))
    batch = last(api, quick, pagination={"type": "none", "more": None})
    assert batch.because is Proof.STATED


@pytest.mark.parametrize(
    ("document", "pagination"),
    [
        ({"items": ROWS, "has_more": "false"}, "auto"),
        ({"items": ROWS, "isLast": True, "cursor": "abc"}, "auto"),
        ({"items": ROWS, "next": None}, "auto"),
        ({"items": ROWS, "next": None}, "next_url"),
        (
            {"items": ROWS, "meta": {"next_cursor": ""}},
            {"type": "cursor", "token": "meta.next_cursor"},
        ),
        ({"items": ROWS, "links": {"self": "/", "last": "/"}}, "auto"),
        ({"items": ROWS, "totalPages": 1, "page": 1}, "auto"),
    ],
)
def test_an_end_that_the_source_states_is_evidence(
    api: HttpApi, quick: Context, document: Any, pagination: Any
) -> None:
    api.on("/rows", http_api.always(document))
    assert last(api, quick, pagination=pagination).because is Proof.END_MARKER


@pytest.mark.parametrize(
    "pagination",
    [
        {"type": "cursor", "token": "paging.nxt.after", "param": "after"},
        {"type": "next_url", "next": "nxt"},
        "link_header",
    ],
)
def test_a_path_that_never_occurs_proves_nothing(
    api: HttpApi, quick: Context, pagination: Any
) -> None:
    api.on("/rows", http_api.always({"items": ROWS}))
    batch = last(api, quick, pagination=pagination)
    assert batch.end is End.UNPROVEN
    assert "pagination: none" in batch.doubt


# Loops.


@pytest.mark.promise("paging never ends, or ends too early")
def test_a_page_parameter_that_is_ignored_is_noticed_by_the_rows(
    api: HttpApi, quick: Context
) -> None:
    calls = iter(range(10_000))
    api.on(
        "/rows",
        lambda call: http_api.answer([{**row, "at": next(calls)} for row in reversed(ROWS)]),
    )
    with pytest.raises(DataError, match="Page 2 repeats page 1"):
        last(api, quick, pagination="page")
    assert len(api.calls) < 5


def test_a_circle_with_times_in_its_rows_is_noticed(api: HttpApi, quick: Context) -> None:
    def handle(call: Call) -> Answer:
        page = call.number("page", 0)
        rows = [{**row, "at": len(api.calls)} for row in ROWS[page * 5 : page * 5 + 5]]
        return http_api.answer({"items": rows, "next": f"/rows?page={(page + 1) % 5}"})

    api.on("/rows", handle)
    with pytest.raises(DataError, match="in a loop"):
        last(api, quick)
    assert len(api.calls) < 20


def test_a_last_page_that_repeats_ends_the_read_and_is_not_handed_on_twice(
    api: HttpApi, quick: Context
) -> None:
    full = ROWS[:20]
    api.on(
        "/rows",
        lambda call: http_api.answer(full[min(call.number("page", 1) - 1, 1) * 10 :][:10]),
    )
    batches = list(opened(api, quick, pagination="page").read())
    assert sum(map(len, batches)) == 20
    assert batches[-1].end is End.UNPROVEN  # two full pages: the second may not be the last
    assert "again" in batches[-1].doubt


# Cursors.


def changed(api: HttpApi, context: Context, values: list[str]) -> Batch:
    api.on("/rows", http_api.always([{"id": n, "at": value} for n, value in enumerate(values)]))
    return last(api, context, incremental={"field": "at", "param": "since"})


def test_a_cursor_moves_to_the_last_row_where_rows_come_in_its_order(
    api: HttpApi, quick: Context
) -> None:
    batch = changed(api, quick, [f"2026-01-{day:02}" for day in range(1, 9)])
    assert batch.end is End.UNPROVEN
    assert batch.cursor is not None
    assert batch.cursor["high"] == "2026-01-08"


@pytest.mark.parametrize("days", [[8, 7, 6, 5, 4, 3], [1, 5, 2, 8, 3], [1, 2]])
def test_a_cursor_stays_where_rows_may_be_missing_before_it(
    api: HttpApi, quick: Context, days: list[int]
) -> None:
    batch = changed(api, quick, [f"2026-01-{day:02}" for day in days])
    assert batch.end is End.UNPROVEN
    assert batch.cursor is None
    assert "cursor is unchanged" in batch.doubt


def test_an_etag_of_an_unproven_page_is_not_kept(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always(ROWS, headers={"ETag": '"1"'}))
    assert last(api, quick).cursor is None
    assert last(api, quick, pagination="none").cursor is not None


# Checks, findings, limits.


def test_a_check_shows_the_evidence(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always(ROWS[:10]))
    result = opened(api, quick).check()
    assert result.message == "10 rows; nothing says whether there are more"
    assert result.evidence == result.message
    assert result.decision == {"pagination": "none"}
    api.on("/rows", http_api.always({"items": ROWS[:10], "has_more": False}))
    with pytest.raises(DataError, match="is an object"):  # it was a list before
        opened(api, quick).check()
    settled = opened(api, Context(limits=quick.limits)).check()
    assert (settled.evidence, settled.decision) == ("10 rows; has_more is false", None)
    api.on("/rows", numbered(lambda call: ROWS))
    paged = opened(api, Context(limits=quick.limits)).check()
    assert "the next page by pagination: {type: page, param: page}" in paged.evidence
    assert paged.row_estimate == 25


def test_a_graphql_cursor_goes_into_the_variables(api: HttpApi, quick: Context) -> None:
    def handle(call: Call) -> Answer:
        start = int(call.json["variables"].get("after") or 0)
        info = {"hasNextPage": start + 10 < 25, "endCursor": str(start + 10)}
        things = {"nodes": ROWS[start : start + 10], "pageInfo": info}
        return http_api.answer({"data": {"things": things}})

    api.on("/rows", handle)
    pagination = {
        "type": "cursor",
        "token": "data.things.pageInfo.endCursor",
        "param": "variables.after",
        "place": "body",
    }
    body = {"query": "query($kind: String, $after: String) { … }", "variables": {"kind": "b"}}
    batch = last(api, quick, method="POST", body=body, pagination=pagination)
    assert batch.because is Proof.END_MARKER
    assert [call.json["variables"] for call in api.calls] == [
        {"kind": "b"},
        {"kind": "b", "after": "10"},
        {"kind": "b", "after": "20"},
    ]


@pytest.mark.promise(
    "the form of a source (path of the rows, encoding, delimiter, paging) is guessed again in "
    "every run"
)
def test_nothing_is_guessed_twice(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.offsets(ROWS, 10, total=False))
    findings = Findings()
    context = Context(limits=quick.limits, findings=findings)
    first = last(api, context)
    assert first.end is End.FULL
    kept = json.loads(json.dumps(findings.new))
    assert kept["records"] == "results"
    assert kept["pagination"]["param"] == "offset"
    api.calls.clear()
    again = Context(limits=quick.limits, findings=Findings(kept))
    assert last(api, again).because is Proof.SHORT_PAGE
    assert [call.query["offset"] for call in api.calls] == ["0", "10", "20", "25"]
    api.on("/rows", http_api.always({"results": None, "filters": [{"id": 1}]}))
    with pytest.raises(DataError, match="'results' is null"):
        last(api, again)


def test_a_source_without_parameters_is_probed_once(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always(ROWS))
    findings = Findings()
    assert last(api, Context(limits=quick.limits, findings=findings)).end is End.UNPROVEN
    assert len(api.calls) == 3
    api.calls.clear()
    again = Context(limits=quick.limits, findings=Findings(findings.new))
    assert last(api, again).end is End.UNPROVEN
    assert len(api.calls) == 1


def test_a_probe_that_breaks_the_server_is_not_tried_again(api: HttpApi, quick: Context) -> None:
    api.on("/rows", lambda call: Answer(500) if call.query else http_api.answer(ROWS))
    assert last(api, quick).end is End.UNPROVEN
    assert len(api.calls) < 30
