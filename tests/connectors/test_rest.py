"""The REST connector: paging, ends that are proven, errors in disguise, increments, formats."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from connectors.formats import decoded
from connectors.rest import RestConfig, RestConnector
from connectors.sdk import (
    Batch,
    ConfigurationError,
    ConnectorError,
    Context,
    Cursor,
    DataError,
    End,
    MissingError,
    Proof,
    Row,
    RowProblem,
    UnreachableError,
)
from connectors.sdk.config import parse, secrets_of
from tests.servers import http_api
from tests.servers.http_api import Answer, Call, HttpApi

ROWS = [{"id": number, "name": f"row {number}"} for number in range(23)]


def connector(api: HttpApi, context: Context, **fields: Any) -> RestConnector:
    document = {"url": api.url, "endpoint": "/rows", **fields}
    return RestConnector(parse(RestConfig, document), context)


def read(
    api: HttpApi, context: Context, cursor: Cursor | None = None, **fields: Any
) -> tuple[list[Row], Batch]:
    """Every row, and the last batch."""
    batches = list(connector(api, context, **fields).read(cursor))
    return [row for batch in batches for row in batch], batches[-1]


def data(rows: Sequence[Row]) -> list[Any]:
    return [row.data for row in rows]


# Paging.

STYLES: dict[str, tuple[http_api.Handler, Any]] = {
    "page": (
        http_api.numbered(ROWS, 5, total=False),
        {"type": "page", "param": "page", "size_param": "per_page", "size": 5},
    ),
    "page from 0": (http_api.numbered(ROWS, 5, first=0), {"type": "page", "start": 0}),
    "offset": (http_api.offsets(ROWS, 5, total=False), {"type": "offset", "size": 5}),
    "cursor": (
        http_api.cursors(ROWS, 5),
        {"type": "cursor", "param": "cursor", "token": "meta.next_cursor"},
    ),
    "next_url": (http_api.next_urls(ROWS, 5), {"type": "next_url", "next": "next"}),
    "relative next_url": (http_api.next_urls(ROWS, 5, relative=True), "next_url"),
    "link_header": (http_api.link_headers(ROWS, 5), "link_header"),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("auto", [False, True])
def test_every_style_gives_every_row_once_and_in_order(
    api: HttpApi, quick: Context, style: str, auto: bool
) -> None:
    handler, settings = STYLES[style]
    api.on("/rows", handler)
    rows, last = read(api, quick, pagination="auto" if auto else settings)
    assert data(rows) == ROWS
    assert last.end is End.FULL
    assert rows[7].position == "page 2, item 3"


@pytest.mark.parametrize("records", ["page 1", "one page"])
def test_a_bare_list_without_any_sign_is_probed_for_more(
    api: HttpApi, quick: Context, records: str
) -> None:
    def paged(call: Call) -> Answer:
        page = call.number("page", 1)
        return http_api.answer(ROWS[(page - 1) * 5 : page * 5])

    api.on("/rows", paged if records == "page 1" else http_api.always(ROWS))
    rows, last = read(api, quick)
    assert data(rows) == ROWS
    assert last.end is (End.FULL if records == "page 1" else End.UNPROVEN)
    assert (last.because is Proof.SHORT_PAGE) == (records == "page 1")


@pytest.mark.parametrize("code", [400, 404, 422])
def test_a_source_that_refuses_page_parameters_has_one_page(
    api: HttpApi, quick: Context, code: int
) -> None:
    api.on("/rows", lambda c: Answer(code) if c.query else http_api.answer(ROWS))
    assert data(read(api, quick)[0]) == ROWS


def test_pages_counted_from_zero_without_saying_so_are_all_read(
    api: HttpApi, quick: Context
) -> None:
    api.on("/rows", http_api.numbered(ROWS, 5, total=False, first=0))
    rows, _ = read(api, quick)
    assert data(rows) == ROWS


def test_rows_that_carry_the_time_do_not_make_one_page_two(api: HttpApi, quick: Context) -> None:
    api.on("/rows", lambda c: http_api.answer([{**row, "at": time.time()} for row in ROWS]))
    assert len(read(api, quick)[0]) == len(ROWS)


def test_none_asks_once(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always(ROWS))
    assert read(api, quick, pagination="none")[1].end is End.FULL
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    ("document", "headers"),
    [
        ({"_embedded": {"things": ROWS[:3]}, "_links": {"next": {"href": "/rows?two"}}}, {}),
        ({"data": ROWS[:3], "links": {"next": "/rows?two"}}, {}),
        ({"value": ROWS[:3], "@odata.nextLink": "rows?two"}, {}),
        ({"d": {"results": ROWS[:3], "__next": "/rows?two"}}, {}),
        ({"results": ROWS[:3], "paging": {"next": "?two"}}, {}),
        (ROWS[:3], {"Link": '</first>; rel="first", </rows?two>; rel="next"'}),
    ],
)
def test_the_next_page_is_found_where_apis_put_it(
    api: HttpApi, quick: Context, document: Any, headers: dict[str, str]
) -> None:
    last = json.loads(json.dumps(document).replace("rows?two", "none"))
    if isinstance(last, dict):
        last = {"results": ROWS[3:6], "next": None}
        for name in ("_embedded", "data", "value", "d", "results"):
            if name in document:
                rows = {"_embedded": {"things": ROWS[3:6]}, "d": {"results": ROWS[3:6]}}
                last = {name: rows.get(name, ROWS[3:6])}
    else:
        last = ROWS[3:6]
    api.on("/rows", [http_api.always(document, headers=headers), http_api.always(last)])
    assert data(read(api, quick)[0]) == ROWS[:6]


@pytest.mark.parametrize(
    "headers", [{"X-Total-Count": "23"}, {"X-WP-Total": "23", "X-WP-TotalPages": "5"}]
)
def test_totals_in_headers_are_used(api: HttpApi, quick: Context, headers: dict[str, str]) -> None:
    def handle(call: Call) -> Answer:
        page = call.number("page", 1)
        if page > 5:
            return http_api.answer({"code": "invalid_page"}, 400)
        return http_api.answer(ROWS[(page - 1) * 5 : page * 5], headers=headers)

    api.on("/rows", handle)
    rows, last = read(api, quick)
    assert data(rows) == ROWS
    assert last.total == 23


def test_a_page_past_the_last_may_be_a_404(api: HttpApi, quick: Context) -> None:
    pages = http_api.numbered(ROWS[:10], 5, total=False)
    api.on("/rows", lambda c: Answer(404) if c.number("page", 1) > 2 else pages(c))
    assert read(api, quick, pagination="page")[1].end is End.FULL
    with pytest.raises(MissingError):
        read(api, quick, pagination={"type": "page", "end_status": []})


def test_a_first_page_that_is_missing_is_never_an_end(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.status(404))
    with pytest.raises(MissingError):
        read(api, quick, pagination="page")


def test_page_parameters_can_go_into_the_body(api: HttpApi, quick: Context) -> None:
    def search(call: Call) -> Answer:
        start = call.json["from"]
        return http_api.answer({"hits": ROWS[start : start + call.json["size"]]})

    api.on("/rows", search)
    place = {"type": "offset", "param": "from", "size_param": "size", "size": 10, "place": "body"}
    rows, _ = read(api, quick, method="POST", body={"q": "*"}, pagination=place)
    assert data(rows) == ROWS
    assert api.calls[0].json["q"] == "*"


def test_a_server_that_caps_the_page_size_loses_no_rows(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.offsets(ROWS, 4, total=False))
    assert data(read(api, quick, pagination={"type": "offset", "size": 1000})[0]) == ROWS


def test_a_short_page_is_not_taken_for_the_last(api: HttpApi, quick: Context) -> None:
    parts = {1: ROWS[:5], 2: ROWS[5:6], 3: ROWS[6:11]}
    api.on("/rows", lambda c: http_api.answer(parts.get(c.number("page", 1), [])))
    assert len(read(api, quick, pagination="page")[0]) == 11


@pytest.mark.promise("paging never ends, or ends too early")
def test_there_is_no_cap_on_pages(api: HttpApi, quick: Context) -> None:
    many = [{"id": number} for number in range(300)]
    api.on("/rows", http_api.numbered(many, 1, total=False))
    assert len(read(api, quick, pagination="page")[0]) == 300


# Loops.


@pytest.mark.promise("paging never ends, or ends too early")
def test_endless_next_links_with_the_same_rows_are_an_error(api: HttpApi, quick: Context) -> None:
    def handle(call: Call) -> Answer:
        page = call.number("page", 1)
        return http_api.answer({"items": ROWS[:5], "next": f"{call.url}/rows?page={page + 1}"})

    api.on("/rows", handle)
    with pytest.raises(DataError, match="Page 2 repeats page 1"):
        read(api, quick)


def test_a_circle_of_several_pages_is_an_error(api: HttpApi, quick: Context) -> None:
    def handle(call: Call) -> Answer:
        page = call.number("page", 0)
        rows = ROWS[page * 5 : page * 5 + 5]
        return http_api.answer({"items": rows, "next": f"/rows?page={(page + 1) % 3}"})

    api.on("/rows", handle)
    with pytest.raises(DataError, match="Page 4 repeats page 1"):
        read(api, quick)


def test_endless_next_links_without_rows_are_an_error(api: HttpApi, quick: Context) -> None:
    api.on(
        "/rows",
        lambda c: http_api.answer({"items": [], "next": f"/rows?page={c.number('page', 1) + 1}"}),
    )
    with pytest.raises(DataError, match="pages without rows"):
        read(api, quick)


def test_one_token_for_all_pages_is_no_loop(api: HttpApi, quick: Context) -> None:
    pages = [ROWS[:10], ROWS[10:20], ROWS[20:], []]
    api.on(
        "/rows",
        [http_api.always({"items": page, "scroll_id": "the-same"}) for page in pages],
    )
    rows, last = read(api, quick)
    assert data(rows) == ROWS
    assert last.end is End.FULL


def test_an_empty_page_with_a_new_token_is_not_the_end(api: HttpApi, quick: Context) -> None:
    answers = [(ROWS[:5], "a"), ([], "b"), (ROWS[5:], None)]
    api.on("/rows", [http_api.always({"items": r, "next_token": t}) for r, t in answers])
    assert data(read(api, quick)[0]) == ROWS


def test_a_page_parameter_that_is_ignored_is_an_error(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always(ROWS))
    with pytest.raises(DataError, match="repeats page 1"):
        read(api, quick, pagination="page")


# What proves an end, and what does not.


@pytest.mark.parametrize("pagination", ["auto", "none", "next_url"])
def test_a_total_that_is_not_reached_is_an_error(
    api: HttpApi, quick: Context, pagination: str
) -> None:
    api.on("/rows", http_api.always({"items": ROWS[:20], "total": 23, "next": None}))
    with pytest.raises(DataError, match="reports 23 rows but returned 20"):
        read(api, quick, pagination=pagination)


def test_an_empty_page_before_the_total_is_an_error(api: HttpApi, quick: Context) -> None:
    api.on(
        "/rows",
        lambda c: http_api.answer(
            {"items": ROWS[:5] if c.number("page", 1) == 1 else [], "total": 9}
        ),
    )
    with pytest.raises(DataError, match="reports 9 rows but returned 5"):
        read(api, quick, pagination="page")


def test_a_number_that_means_something_else_can_be_ignored(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always({"items": ROWS, "total": 1000}))
    assert read(api, quick, pagination={"type": "none", "total": None})[1].end is End.FULL


def test_more_without_a_token_is_an_error(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always({"items": ROWS, "has_more": True}))
    with pytest.raises(DataError, match="returned no token"):
        read(api, quick, pagination="cursor")


BROKEN: dict[str, http_api.Handler] = {
    "not JSON": http_api.text("Oops", "application/json"),
    "cut JSON": http_api.text('{"items": [{"id": 1}, {"id"', "application/json"),
    "a login page": http_api.text("<html><body>Log in</body></html>", "text/html"),
    "nothing at all": http_api.text("", "application/json"),
    "an error": http_api.always({"error": {"code": 7, "message": "quota"}}),
    "an error beside rows": http_api.always({"items": [], "errors": ["half of it failed"]}),
    "success false": http_api.always({"success": False, "items": []}),
    "a status word": http_api.always({"status": "error", "items": []}),
    "no rows": http_api.always({"message": "try later"}),
    "null for rows": http_api.always({"items": None}),
    "a text": http_api.always("maintenance"),
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("page", [1, 2])
def test_an_error_in_disguise_fails_the_run_and_names_its_page(
    api: HttpApi, quick: Context, what: str, page: int
) -> None:
    good = http_api.always({"items": ROWS[:5], "next": "/rows?page=2"})
    api.on("/rows", [BROKEN[what]] if page == 1 else [good, BROKEN[what]])
    ends: list[End | None] = []
    with pytest.raises(DataError, match=f"page {page}"):
        ends.extend(batch.end for batch in connector(api, quick).read())
    assert not any(ends)


def test_an_excerpt_holds_no_secret(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always({"error": "bad token canary-token for you"}))
    with pytest.raises(DataError) as caught:
        read(api, quick, auth={"type": "bearer", "token": "canary-token"})
    assert "canary-token" not in str(caught.value)
    assert "bad token" in str(caught.value)


def test_a_cut_connection_in_the_middle_is_read_again(api: HttpApi, quick: Context) -> None:
    pages = http_api.numbered(ROWS, 5)
    cut = [lambda c: Answer(drop=True), lambda c: http_api.answer({}, length=99, cut=True)]
    api.on("/rows", [pages, *cut, pages])
    rows, _ = read(api, quick, pagination="page", parallel=1)
    assert data(rows) == ROWS


def test_rows_before_a_failure_stay_and_prove_nothing(api: HttpApi, quick: Context) -> None:
    api.on("/rows", [http_api.numbered(ROWS, 5), lambda c: Answer(drop=True)])
    small = replace(quick, limits=replace(quick.limits, batch_size=5))
    batches: list[Batch] = []
    with pytest.raises(UnreachableError, match="page 2"):
        batches.extend(connector(api, small, pagination="page").read())


def test_items_that_are_no_objects_are_problems(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always([{"id": 1}, "two", {"id": 3}, None]))
    (batch,) = connector(api, quick, pagination="none", records=".").read()
    found = list(decoded(batch))
    assert [item.position for item in found] == [f"page 1, item {n}" for n in (1, 2, 3, 4)]
    assert [isinstance(item, RowProblem) for item in found] == [False, True, False, True]
    assert str(found[1]) == "page 1, item 2: the item is text, not an object"
    assert batch.keys(["id"]) == ["1", None, "3", None]  # so that nobody takes them for missing


def test_no_content_is_a_page_without_rows(api: HttpApi, quick: Context) -> None:
    api.on("/rows", lambda c: Answer(204))
    rows, last = read(api, quick, pagination="none")
    assert rows == []
    assert last.end is End.FULL


def test_two_lists_are_not_chosen_from(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always({"cats": [{"id": 1}], "dogs": [{"id": 2}]}))
    with pytest.raises(DataError, match="cats, dogs"):
        read(api, quick)
    assert len(read(api, quick, records="dogs", pagination="none")[0]) == 1


def test_one_object_can_be_the_row(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always({"id": 1, "name": "only"}))
    rows, _ = read(api, quick, records=".", pagination="none")
    assert data(rows) == [{"id": 1, "name": "only"}]


# Parallel requests.


def test_pages_are_fetched_side_by_side_and_handed_on_in_order(
    api: HttpApi, quick: Context
) -> None:
    pages = http_api.numbered(ROWS, 2)

    def slow(call: Call) -> Answer:
        return replace(pages(call), delay=0.1 if call.number("page", 1) % 2 else 0.05)

    api.on("/rows", slow)
    start = time.monotonic()
    rows, _ = read(api, quick, pagination="page", parallel=6)
    assert data(rows) == ROWS
    assert time.monotonic() - start < 0.7


def test_giving_up_early_ends_requests_under_way(api: HttpApi, quick: Context) -> None:
    pages = http_api.numbered(ROWS, 2)
    api.on("/rows", lambda c: replace(pages(c), delay=0 if c.number("page", 1) < 3 else 0.4))
    small = replace(quick, limits=replace(quick.limits, batch_size=2))
    batches = connector(api, small, pagination="page").read()
    next(batches)
    next(batches)
    start = time.monotonic()
    batches.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 0.3


def test_a_failed_page_fails_the_parallel_read(api: HttpApi, quick: Context) -> None:
    pages = http_api.numbered(ROWS, 2)
    api.on("/rows", lambda c: Answer(500) if c.number("page", 1) == 5 else pages(c))
    with pytest.raises(ConnectorError, match="page 5"):
        read(api, quick, pagination="page")


def test_a_cancelled_read_ends_without_an_end(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.numbered(ROWS, 2))
    cancelled = replace(quick, cancelled=lambda: len(api.calls) > 3)
    batches = list(connector(api, cancelled, pagination="page", parallel=1).read())
    assert not any(batch.end for batch in batches)


# What changed since.


@pytest.mark.promise("rows at the boundary of a cursor are missed")
def test_an_incremental_read_asks_from_the_highest_value_on(api: HttpApi, quick: Context) -> None:
    rows = [
        {"id": 1, "at": "2026-01-02T10:00:00Z"},
        {"id": 2, "at": "2026-01-02T12:00:00+01:00"},
        {"id": 3, "at": None},
    ]
    api.on("/rows", http_api.always(rows))
    fields: dict[str, Any] = {
        "incremental": {"field": "at", "param": "since", "lag": 60},
        "pagination": "none",
    }
    _, first = read(api, quick, **fields)
    assert first.end is End.FULL
    _, second = read(api, quick, first.cursor, **fields)
    assert second.end is End.INCREMENTAL
    assert [call.query for call in api.calls] == [{}, {"since": "2026-01-02T11:59:00+01:00"}]


@pytest.mark.parametrize(
    ("values", "lag", "asked"),
    [
        ([7, 12, 9], 0, "12"),
        ([7, 12, 9], 2, "10"),
        (["2026-01-31", "2026-02-01"], 86_400, "2026-01-31"),
        (["2026-01-31 08:00:00", "2026-01-31 09:00:00.5"], 0, "2026-01-31 09:00:00.5"),
        (["2026-01-31T08:00:00Z"], 1, "2026-01-31T07:59:59Z"),
    ],
)
def test_a_cursor_is_written_the_way_the_source_writes_it(
    api: HttpApi, quick: Context, values: list[Any], lag: int, asked: str
) -> None:
    api.on("/rows", http_api.always([{"v": value} for value in values]))
    fields: dict[str, Any] = {
        "incremental": {"field": "v", "lag": lag},
        "query": {"filter": "v >= {{ cursor }}"},
        "pagination": "none",
    }
    _, last = read(api, quick, **fields)
    assert json.loads(json.dumps(last.cursor)) == last.cursor
    read(api, quick, last.cursor, **fields)
    assert api.calls[-1].query == {"filter": f"v >= {asked}"}


def test_a_cursor_of_another_request_is_not_used(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always([{"v": 5}]))
    fields: dict[str, Any] = {"incremental": {"field": "v", "param": "since"}, "pagination": "none"}
    _, last = read(api, quick, **fields)
    _, other = read(api, quick, last.cursor, query={"kind": "b"}, **fields)
    assert other.end is End.FULL


def test_a_cursor_field_that_is_no_time_is_an_error(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always([{"v": "soon"}]))
    with pytest.raises(DataError, match="neither a time"):
        read(api, quick, incremental={"field": "v", "param": "since"}, pagination="none")


AHEAD: dict[str, tuple[str, list[Any], Any]] = {
    "a time": ("updated_at", ["2026-01-02T03:04:05Z", "2062-01-01T00:00:00Z"], 0),
    "a time with an offset": ("at", ["2026-01-02T03:04:05Z", "2062-01-01T00:00:00+02:00"], 0),
    "a day": ("day", ["2062-01-01", "2026-01-02"], 1),
    "an open end": ("changed", ["2026-01-02 03:04:05", "9999-12-31 23:59:59"], 0),
    "Unix time": ("modified", [1767323045, 2903299200], 0),
    "Unix time in milliseconds": ("EditDate", [2903299200000, 1767323045123], 1),
    "a day as a number": ("datum", [20260102, 20620101], 0),
    "a day as text of digits": ("datum", ["20260102", "20620101"], 0),
    "a second as a number": ("wijzigdatum", [20260102030405, 20620101000000], 0),
    "digits that are no day": ("datum", ["20231231", "20231232"], 1),
    "a counter that looks like Unix time": ("version", [1767323045, 2903299200], 1),
    "one that cannot be meant": ("updated", ["2026-01-02T03:04:05Z", "unknown", "NaN"], 0),
    "one of another kind": ("updated", ["2026-01-02T03:04:05Z", 7], 0),
    "a number too long": ("version", [5, "1e999999999"], 0),
}


@pytest.mark.promise("one row dated 2062 stops all later changes")
@pytest.mark.parametrize("what", AHEAD)
def test_a_cursor_stays_below_what_cannot_be_meant(api: HttpApi, quick: Context, what: str) -> None:
    field, values, highest = AHEAD[what]
    rows = [{"id": n, field: value} for n, value in enumerate(values)]
    date = {"Date": "Fri, 06 Nov 2026 17:26:40 GMT"}
    api.on("/rows", http_api.always({"items": rows, "total": len(rows)}, headers=date))
    settings: dict[str, Any] = {
        "incremental": {"field": field, "param": "since"},
        "pagination": "none",
    }
    read_rows, last = read(api, quick, **settings)
    assert len(read_rows) == len(rows)
    assert last.cursor is not None
    assert last.cursor["high"] == values[highest]
    held = any("future" in warning or "another type" in warning for warning in last.warnings)
    assert held is (what not in ("digits that are no day", "a counter that looks like Unix time"))


@pytest.mark.promise("one row dated 2062 stops all later changes")
def test_the_clock_is_that_of_the_source(api: HttpApi, quick: Context) -> None:
    rows = [{"updated": "2030-01-01T00:00:00Z"}, {"updated": "2030-01-03T00:00:00Z"}]
    date = {"Date": "Wed, 02 Jan 2030 00:00:00 GMT"}
    api.on("/rows", http_api.always(rows, headers=date))
    _, last = read(
        api, quick, incremental={"field": "updated", "param": "since"}, pagination="none"
    )
    assert last.cursor is not None
    assert last.cursor["high"] == "2030-01-01T00:00:00Z"


def test_a_cursor_of_the_future_is_not_used(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always([{"updated": "2026-01-01"}]))
    settings: dict[str, Any] = {
        "incremental": {"field": "updated", "param": "since"},
        "pagination": "none",
    }
    _, first = read(api, quick, **settings)
    assert first.cursor is not None
    _, last = read(api, quick, {**first.cursor, "high": "2062-01-01"}, **settings)
    assert "since" not in api.calls[-1].query
    assert last.end is End.FULL
    assert last.cursor == first.cursor


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_an_answer_that_did_not_change_is_not_sent_again(
    api: HttpApi, quick: Context, header: str
) -> None:
    value = '"v1"' if header == "ETag" else "Mon, 05 Jan 2026 10:00:00 GMT"
    asks = "if-none-match" if header == "ETag" else "if-modified-since"

    def handle(call: Call) -> Answer:
        if call.headers.get(asks) == value:
            return Answer(304)
        return http_api.answer(ROWS, headers={header: value})

    api.on("/rows", handle)
    _, first = read(api, quick, pagination="none")
    rows, second = read(api, quick, first.cursor, pagination="none")
    assert rows == []
    assert second.because is Proof.NOT_MODIFIED
    assert second.end is End.UNCHANGED
    assert second.cursor == first.cursor


def test_an_etag_of_one_page_of_many_proves_nothing(api: HttpApi, quick: Context) -> None:
    pages = http_api.numbered(ROWS, 5)
    api.on("/rows", lambda c: replace(pages(c), headers={"ETag": '"1"'}))
    assert read(api, quick, pagination="page")[1].cursor is None


def test_rows_that_the_source_deleted_are_tombstones(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always([{"id": 1}, {"id": 2, "gone": "2026-01-01"}]))
    rows, last = read(api, quick, deleted="gone", pagination="none")
    assert [row.deleted for row in rows] == [False, True]
    assert last.raw()[1].startswith(b"\x00")


# Details, budgets, bodies.


def test_details_are_asked_for_each_row(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always([{"id": "a/b"}, {"id": "c"}]))
    api.on("/rows/a%2Fb/files", http_api.always({"results": [{"f": 1}]}))
    api.on("/rows/c/files", http_api.status(404))
    detail = {"path": "/rows/{{ id }}/files", "into": "files", "records": "results"}
    rows, _ = read(api, quick, details=[detail], pagination="none")
    assert data(rows) == [{"id": "a/b", "files": [{"f": 1}]}, {"id": "c", "files": None}]
    with pytest.raises(MissingError, match="page 1, item 2"):
        read(api, quick, details=[{**detail, "missing": "error"}], pagination="none")


def test_calls_are_spaced_by_the_budget(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.numbered(ROWS[:6], 2, total=False))
    start = time.monotonic()
    read(api, quick, pagination="page", calls_per_minute=600)
    assert len(api.calls) == 4
    assert time.monotonic() - start < 0.5


NUMBERS = '[{"id": 9007199254740993, "price": 0.1, "exact": 12345678901234567.89}]'


def test_numbers_stay_exact(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.text(NUMBERS, "application/json"))
    row = read(api, quick, pagination="none")[0][0].data
    assert row == {"id": 2**53 + 1, "price": 0.1, "exact": Decimal("12345678901234567.89")}


FORMATS = {
    "json": http_api.always([{"id": "1", "name": "é"}, {"id": "2", "name": "b"}]),
    "ndjson": http_api.text('{"id":"1","name":"é"}\n{"id":"2","name":"b"}\n', "application/jsonl"),
    "csv": http_api.text(
        "id;name\r\n1;é\r\n2;b\r\n".encode("cp1252"), "text/csv; charset=windows-1252"
    ),
    "xml": http_api.text(
        "<r><i><id>1</id><name>é</name></i><i><id>2</id><name>b</name></i></r>", "text/xml"
    ),
    "json in latin-1": http_api.text(
        '[{"id":"1","name":"é"},{"id":"2","name":"b"}]'.encode("latin-1"),
        "application/json; charset=iso-8859-1",
    ),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_rows(api: HttpApi, quick: Context, kind: str) -> None:
    api.on("/rows", FORMATS[kind])
    rows, last = read(api, quick, pagination="none")
    assert data(rows) == [{"id": "1", "name": "é"}, {"id": "2", "name": "b"}]
    assert last.end is End.FULL


@pytest.mark.parametrize("kind", ["csv", "xml"])
def test_an_error_under_200_is_no_row_of_another_format(
    api: HttpApi, quick: Context, kind: str
) -> None:
    api.on("/rows", http_api.always({"error": "quota"}))
    with pytest.raises(DataError, match="quota"):
        read(api, quick, format=kind, pagination="none")


def test_a_post_sends_its_body(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always(ROWS))
    read(api, quick, method="POST", body={"q": 1}, query={"all": True}, headers={"X-A": "b"})
    call = api.calls[0]
    assert (call.method, call.json, call.query) == ("POST", {"q": 1}, {"all": "true"})
    assert call.headers["content-type"] == "application/json"
    assert call.headers["x-a"] == "b"


def test_secret_headers_are_sent_and_never_shown(api: HttpApi, quick: Context) -> None:
    api.on("/rows", http_api.always({"error": "canary-header is not known"}))
    found = connector(api, quick, secret_headers={"X-Token": "canary-header"})
    with pytest.raises(DataError) as caught:
        list(found.read())
    assert api.calls[0].headers["x-token"] == "canary-header"
    assert "canary" not in str(caught.value) + repr(found.config)
    assert secrets_of(found.config) == {"secret_headers.X-Token": "canary-header"}


# Settings and checks.


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"url": "ftp://x"}, "url"),
        ({"url": "https://jo:secret@x"}, "url"),
        ({"endpoint": "https://elsewhere/"}, "endpoint"),
        ({"body": {"a": 1}}, "(connection)"),
        ({"incremental": {"field": "at"}}, "(connection)"),
        ({"query": {"since": "{{ cursor }}"}}, "(connection)"),
        ({"pagination": "magic"}, "pagination"),
        ({"auth": {"type": "bearer"}}, "auth.bearer.token"),
    ],
)
def test_faulty_settings_are_named(
    api: HttpApi, quick: Context, fields: dict[str, Any], faulty: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        connector(api, quick, **fields)
    assert faulty in caught.value.faults
    assert "secret@" not in str(caught.value)


def test_check_tells_how_the_source_pages_and_what_its_rows_hold(
    api: HttpApi, quick: Context
) -> None:
    api.on("/rows", http_api.numbered(ROWS, 5))
    found = connector(api, quick)
    result = found.check()
    assert result.message == "5 rows on the first page, 23 in total"
    assert result.row_estimate == 23
    assert result.facts["pagination"] == "page"
    assert result.facts["records"] == "items"
    assert [(fact.name, fact.type) for fact in result.fields] == [
        ("id", "integer"),
        ("name", "text"),
    ]
    assert found.default_key() == ("id",)


def test_a_test_of_a_port_that_never_answers_ends_within_ten_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        connector = RestConnector(parse(RestConfig, {"url": f"http://127.0.0.1:{port}"}))
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="stopped responding"):
            connector.check()
        assert time.monotonic() - began < 10
