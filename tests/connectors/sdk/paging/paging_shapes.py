"""How public APIs page: one small server for each, after its documentation.

Every shape hands out the same 25 rows, 10 on a page. `outcome` is what a reader has to make of it
without settings (or with those given): `whole` when every row comes with evidence, `refused` when
the source says that there is more and nobody can follow it, `unproven` when it says nothing.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.servers.http_api import Answer, Call, Handler, answer

ROWS = [{"id": f"r{number:03}", "name": f"row {number}"} for number in range(25)]
SIZE = 10
QUERY = "query($after: String) { things(first: 10, after: $after) { nodes { id } } }"


@dataclass(frozen=True, slots=True)
class Shape:
    """One way of paging; `reference` is the API that documents it."""

    name: str
    reference: str
    handler: Handler
    outcome: str = "whole"
    fields: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Any] = ()
    """Those that must come, where they are not `ROWS` (refused and unproven: any)."""


def part(start: int, size: int = SIZE) -> list[dict[str, Any]]:
    """The rows from an offset on."""
    return ROWS[start : start + size] if start >= 0 else []


def after_id(key: str | None) -> int:
    """The offset behind the row with this id."""
    if not key:
        return 0
    return next((n + 1 for n, row in enumerate(ROWS) if row["id"] == key), len(ROWS))


def link(call: Call, **params: Any) -> str:
    """An address of the same path with some parameters changed."""
    return f"{call.url}{call.path}?{urlencode({**call.query, **params})}"


def by_page(param: str, build: Callable[[Call, int, list[Any]], Answer], first: int = 1) -> Handler:
    """A handler that is given the number of the page from 0 and its rows."""

    def handle(call: Call) -> Answer:
        page = call.number(param, first) - first
        return build(call, page, part(page * SIZE))

    return handle


def by_offset(
    param: str, build: Callable[[Call, int, list[Any]], Answer], base: int = 0
) -> Handler:
    """A handler that is given the offset from 0 and the rows from there on."""

    def handle(call: Call) -> Answer:
        start = call.number(param, base) - base
        return build(call, start, part(start))

    return handle


def by_token(param: str, build: Callable[[Call, str | None, list[Any]], Answer]) -> Handler:
    """A handler that is given the token of the next page, and the rows of this one."""

    def handle(call: Call) -> Answer:
        start = int(call.query.get(param, "tok-0").rpartition("-")[2])
        following = f"tok-{start + SIZE}" if start + SIZE < len(ROWS) else None
        return build(call, following, part(start))

    return handle


def bare(call: Call, place: int, rows: list[Any]) -> Answer:
    return answer(rows)


def more(place: int) -> bool:
    """Whether there are rows behind the page with this number."""
    return (place + 1) * SIZE < len(ROWS)


# Links in headers.


def github(call: Call, page: int, rows: list[Any]) -> Answer:
    links = [f'<{link(call, page=3)}>; rel="last"', f'<{link(call, page=1)}>; rel="first"']
    if more(page):
        links.insert(0, f'<{link(call, page=page + 2)}>; rel="next"')
    return answer(rows, headers={"Link": ", ".join(links)})


def gitlab(call: Call, page: int, rows: list[Any]) -> Answer:
    following = str(page + 2) if more(page) else ""
    return answer(rows, headers={"X-Next-Page": following, "X-Page": str(page + 1)})


def shopify(call: Call, token: str | None, rows: list[Any]) -> Answer:
    headers = {"Link": f"<{link(call, page_info=token)}>; rel=next"} if token else {}
    return answer({"products": rows}, headers=headers)


def okta(call: Call, token: str | None, rows: list[Any]) -> Answer:
    links = f'<{call.url}{call.path}>; rel="self"; title="a, b; rel=\\"next\\""'
    if token:
        links += f', <{link(call, after=token)}>; title="filter=all"; rel="next"'
    return answer(rows, headers={"Link": links})


def unknown_header(call: Call, page: int, rows: list[Any]) -> Answer:
    return answer(rows, headers={"Next-Page": str(page + 2)} if more(page) else {})


def cosmos(call: Call) -> Answer:
    start = int(call.headers.get("x-ms-continuation", "0"))
    following = start + SIZE
    headers = {"x-ms-continuation": str(following)} if following < len(ROWS) else {}
    return answer({"Documents": part(start), "_count": len(part(start))}, headers=headers)


def wordpress(call: Call, page: int, rows: list[Any]) -> Answer:
    if not rows:
        return answer({"code": "rest_post_invalid_page_number"}, 400)
    return answer(rows, headers={"X-WP-Total": "25", "X-WP-TotalPages": "3"})


def postgrest(call: Call, start: int, rows: list[Any]) -> Answer:
    return answer(rows, headers={"Content-Range": f"{start}-{start + len(rows) - 1}/*"})


def items_range(call: Call, start: int, rows: list[Any]) -> Answer:
    return answer(rows, headers={"Content-Range": f"items {start}-{start + len(rows) - 1}/25"})


# Links in the body.


def django(call: Call, page: int, rows: list[Any]) -> Answer:
    following = link(call, page=page + 2) if more(page) else None
    return answer({"count": 25, "next": following, "previous": None, "results": rows})


def json_api(call: Call, page: int, rows: list[Any]) -> Answer:
    links = {"self": link(call), "first": link(call, **{"page[number]": 1})}
    if more(page):
        links["next"] = link(call, **{"page[number]": page + 2})
    return answer({"data": rows, "links": links, "included": []})


def hal(call: Call, page: int, rows: list[Any]) -> Answer:
    links: dict[str, Any] = {"self": {"href": link(call)}}
    if more(page):
        links["next"] = {"href": link(call, page=page + 2)}
    return answer({"_embedded": {"zaken": rows}, "_links": links})


def ogc(call: Call, start: int, rows: list[Any]) -> Answer:
    links = [{"rel": "self", "href": link(call)}]
    if start + SIZE < len(ROWS):
        links.append({"rel": "next", "href": link(call, offset=start + SIZE)})
    return answer({"type": "FeatureCollection", "links": links, "features": rows})


def fhir(call: Call, page: int, rows: list[Any]) -> Answer:
    links = [{"relation": "self", "url": link(call)}]
    if more(page):
        links.append({"relation": "next", "url": link(call, page=page + 2)})
    return answer({"resourceType": "Bundle", "total": 25, "link": links, "entry": rows})


def odata(call: Call, start: int, rows: list[Any]) -> Answer:
    document: dict[str, Any] = {"@odata.context": "$metadata#Things", "value": rows}
    if start + SIZE < len(ROWS):
        document["@odata.nextLink"] = link(call, **{"$skiptoken": start + SIZE})
    return answer(document)


def odata_2(call: Call, start: int, rows: list[Any]) -> Answer:
    inner: dict[str, Any] = {"results": rows}
    if start + SIZE < len(ROWS):
        inner["__next"] = link(call, **{"$skiptoken": start + SIZE})
    return answer({"d": inner})


def azure(call: Call, token: str | None, rows: list[Any]) -> Answer:
    following = {"nextLink": link(call, **{"$skiptoken": token})} if token else {}
    return answer({"value": rows, **following})


def salesforce(call: Call) -> Answer:
    start = int(call.query.get("from", 0))
    done = start + SIZE >= len(ROWS)
    following = {} if done else {"nextRecordsUrl": f"{call.path}?from={start + SIZE}"}
    return answer({"totalSize": 25, "done": done, "records": part(start), **following})


def twilio(call: Call, page: int, rows: list[Any]) -> Answer:
    following = f"{call.path}?Page={page + 1}" if more(page) else None
    return answer({"calls": rows, "next_page_uri": following, "page": page, "page_size": SIZE})


def discourse(call: Call, page: int, rows: list[Any]) -> Answer:
    inner: dict[str, Any] = {"topics": rows, "per_page": SIZE}
    if more(page):
        inner["more_topics_url"] = f"{call.path}?page={page + 1}"
    return answer({"topic_list": inner})


def confluence(call: Call, start: int, rows: list[Any]) -> Answer:
    links = {"base": call.url}
    if start + SIZE < len(ROWS):
        links["next"] = f"{call.path}?start={start + SIZE}"
    return answer({"results": rows, "start": start, "limit": SIZE, "_links": links})


def facebook(call: Call, token: str | None, rows: list[Any]) -> Answer:
    paging: dict[str, Any] = {"cursors": {"before": "b", "after": token or "tok-99"}}
    if token:
        paging["next"] = link(call, after=token)
    return answer({"data": rows, "paging": paging})


def dutch(call: Call, page: int, rows: list[Any]) -> Answer:
    following = {"volgende": link(call, pagina=page + 2)} if more(page) else {}
    return answer({"resultaten": rows, **following})


def spanish(call: Call, page: int, rows: list[Any]) -> Answer:
    return answer({"datos": rows, "siguiente": link(call, page=page + 2) if more(page) else None})


def odd_place(call: Call, token: str | None, rows: list[Any]) -> Answer:
    following = {"next_page": link(call, cursor=token)} if token else {}
    return answer({"things": rows, "ok": True, "debug": {"paging": {"inner": following}}})


def ckan(call: Call, start: int, rows: list[Any]) -> Answer:
    links = {"start": link(call, offset=0), "next": link(call, offset=start + SIZE)}
    return answer({"success": True, "result": {"records": rows, "total": 25, "_links": links}})


# Tokens.


def hubspot(call: Call, token: str | None, rows: list[Any]) -> Answer:
    paging = {"paging": {"next": {"after": token}}} if token else {}
    return answer({"results": rows, **paging})


def airtable(call: Call, token: str | None, rows: list[Any]) -> Answer:
    return answer({"records": rows, **({"offset": token} if token else {})})


def slack(call: Call, token: str | None, rows: list[Any]) -> Answer:
    cursor = {"next_cursor": token or ""}
    return answer({"ok": True, "members": rows, "response_metadata": cursor})


def google(call: Call, token: str | None, rows: list[Any]) -> Answer:
    following = {"nextPageToken": token} if token else {"nextSyncToken": "CPDAlv"}
    return answer({"kind": "calendar#events", "etag": '"1"', "items": rows, **following})


def bigquery(call: Call, token: str | None, rows: list[Any]) -> Answer:
    following = {"pageToken": token} if token else {}
    return answer({"kind": "bigquery#list", "rows": rows, **following})


def s3(call: Call, token: str | None, rows: list[Any]) -> Answer:
    following = {"NextContinuationToken": token} if token else {}
    return answer({"Contents": rows, "IsTruncated": token is not None, **following})


def zendesk(call: Call, token: str | None, rows: list[Any]) -> Answer:
    meta = {"has_more": token is not None, "after_cursor": token or "tok-99"}
    links = {"next": link(call, **{"page[after]": token}) if token else None}
    return answer({"tickets": rows, "meta": meta, "links": links})


def kubernetes(call: Call, token: str | None, rows: list[Any]) -> Answer:
    return answer({"kind": "List", "metadata": {"continue": token or ""}, "items": rows})


def reddit(call: Call, token: str | None, rows: list[Any]) -> Answer:
    return answer({"kind": "Listing", "data": {"after": token, "before": None, "children": rows}})


def openalex(call: Call, token: str | None, rows: list[Any]) -> Answer:
    return answer({"meta": {"count": 25, "next_cursor": token}, "results": rows})


def crossref(call: Call, token: str | None, rows: list[Any]) -> Answer:
    inner = {"total-results": 25, "items": rows, "next-cursor": token or "tok-99"}
    return answer({"status": "ok", "message": inner})


def eventbrite(call: Call, token: str | None, rows: list[Any]) -> Answer:
    pagination: dict[str, Any] = {"object_count": 25, "has_more_items": token is not None}
    if token:
        pagination["continuation"] = token
    return answer({"pagination": pagination, "events": rows})


def wikimedia(call: Call, token: str | None, rows: list[Any]) -> Answer:
    following = {"continue": {"apcontinue": token, "continue": "-||"}} if token else {}
    return answer({"batchcomplete": "", "query": {"allpages": rows}, **following})


def notion(call: Call) -> Answer:
    start = after_id(call.json.get("start_cursor"))
    rows, is_more = part(start), start + SIZE < len(ROWS)
    cursor = rows[-1]["id"] if is_more else None
    return answer({"object": "list", "results": rows, "has_more": is_more, "next_cursor": cursor})


def relay(call: Call) -> Answer:
    variables = call.json.get("variables") or {}
    start = after_id(variables.get("after"))
    rows = part(start)
    info = {"hasNextPage": start + SIZE < len(ROWS), "endCursor": rows[-1]["id"] if rows else None}
    return answer({"data": {"things": {"nodes": rows, "pageInfo": info}}})


# The last row.


def stripe(call: Call) -> Answer:
    start = after_id(call.query.get("starting_after"))
    return answer({"object": "list", "data": part(start), "has_more": start + SIZE < len(ROWS)})


def mastodon_like(call: Call) -> Answer:
    start = after_id(call.query.get("since_id"))
    return answer({"items": part(start), "more": start + SIZE < len(ROWS)})


# Numbers and offsets.


def spring(call: Call, page: int, rows: list[Any]) -> Answer:
    document = {"content": rows, "number": page, "size": SIZE, "totalElements": 25}
    return answer({**document, "totalPages": 3, "last": not more(page)})


def jira(call: Call, start: int, rows: list[Any]) -> Answer:
    return answer({"startAt": start, "maxResults": SIZE, "total": 25, "issues": rows})


def jira_values(call: Call, start: int, rows: list[Any]) -> Answer:
    is_last = start + SIZE >= len(ROWS)
    return answer({"startAt": start, "maxResults": SIZE, "isLast": is_last, "values": rows})


def arcgis(call: Call, start: int, rows: list[Any]) -> Answer:
    exceeded = {"exceededTransferLimit": True} if start + SIZE < len(ROWS) else {}
    return answer({"objectIdFieldName": "id", "features": rows, **exceeded})


def solr(call: Call, start: int, rows: list[Any]) -> Answer:
    return answer({"response": {"numFound": 25, "start": start, "docs": rows}})


def scim(call: Call, start: int, rows: list[Any]) -> Answer:
    about = {"totalResults": 25, "startIndex": start + 1, "itemsPerPage": len(rows)}
    return answer({"schemas": ["urn:list"], **about, "Resources": rows})


def gbif(call: Call, start: int, rows: list[Any]) -> Answer:
    end = start + SIZE >= len(ROWS)
    return answer({"offset": start, "limit": SIZE, "endOfRecords": end, "results": rows})


def algolia(call: Call, page: int, rows: list[Any]) -> Answer:
    return answer({"hits": rows, "nbHits": 25, "page": page, "nbPages": 3, "hitsPerPage": SIZE})


def datatables(call: Call, start: int, rows: list[Any]) -> Answer:
    return answer({"draw": 1, "recordsTotal": 25, "recordsFiltered": 25, "data": rows})


def mailchimp(call: Call, start: int, rows: list[Any]) -> Answer:
    return answer({"members": rows, "total_items": 25})


def xero(call: Call, page: int, rows: list[Any]) -> Answer:
    about = {"page": page + 1, "pageSize": SIZE, "pageCount": 3, "itemCount": 25}
    return answer({"pagination": about, "Contacts": rows})


def text_flag(call: Call, page: int, rows: list[Any]) -> Answer:
    return answer({"page": page + 1, "has_more": str(more(page)).lower(), "data": rows})


def elasticsearch(call: Call) -> Answer:
    start, size = call.json.get("from", 0), call.json.get("size", SIZE)
    total = {"value": 25, "relation": "eq"}
    return answer(
        {"took": 1, "_shards": {"total": 5}, "hits": {"total": total, "hits": part(start, size)}}
    )


def search_after(call: Call) -> Answer:
    start = after_id((call.json.get("search_after") or [None])[0])
    hits = [{**row, "sort": [row["id"]]} for row in part(start)]
    return answer({"hits": {"total": {"value": 25, "relation": "eq"}, "hits": hits}})


def evaluated(call: Call) -> Answer:
    start = after_id((call.json.get("ExclusiveStartKey") or {}).get("id"))
    rows = part(start)
    key = {"LastEvaluatedKey": {"id": rows[-1]["id"]}} if start + SIZE < len(ROWS) else {}
    return answer({"Items": rows, "Count": len(rows), **key})


def capped(call: Call) -> Answer:
    total = {"value": 10000, "relation": "gte"}
    return answer({"hits": {"total": total, "hits": part(call.json.get("from", 0))}})


# What goes wrong.


def own_size(call: Call) -> Answer:
    return answer({"total": SIZE, "items": part(0)})


def silent(call: Call) -> Answer:
    return answer(part(0))


def flag_only(call: Call) -> Answer:
    return answer({"things": part(0), "hasMoreThings": True, "more": True})


def same_for_ever(call: Call, page: int, rows: list[Any]) -> Answer:
    return answer({"items": part(0), "next": link(call, page=page + 2)})


def ticking(call: Call, page: int, rows: list[Any]) -> Answer:
    rows = [{**row, "asked": time.time()} for row in part(0)]
    return answer({"items": rows, "next": link(call, page=page + 2)})


def ticking_names(call: Call) -> Answer:
    rows = [{"naam": row["name"], "opgevraagd": time.time()} for row in part(0)]
    return answer({"items": rows, "tijd": time.time(), "volgende": link(call, nr=time.time())})


def clamped(call: Call, page: int, rows: list[Any]) -> Answer:
    return answer(rows or part(20))


def dynamodb(call: Call) -> Answer:
    return answer({"Items": part(0), "Count": SIZE, "LastEvaluatedKey": {"id": {"S": "r009"}}})


def skipped_by_page(call: Call) -> Answer:
    """`offset` counts pages here: asking for row 10 would leave out nine pages."""
    return answer(part(call.number("offset", 0) * SIZE))


def filtering(call: Call) -> Answer:
    """Whatever parameter it does not know is taken for a filter that matches no row."""
    return answer({"data": [] if call.query else part(0), "has_more": not call.query})


def drifting() -> Handler:
    """A row is deleted behind the reader: totals 25, 24, 24."""
    calls = itertools.count()

    def handle(call: Call) -> Answer:
        gone = next(calls) > 0
        rows = ROWS[1:] if gone else ROWS
        start = (call.number("page", 1) - 1) * SIZE
        return answer({"items": rows[start : start + SIZE], "total": len(rows)})

    return handle


def overlapping(call: Call) -> Answer:
    """Row 10 comes twice, row 11 never; the total agrees."""
    order = [*ROWS[:10], ROWS[9], *ROWS[11:]]
    start = (call.number("page", 1) - 1) * SIZE
    return answer({"items": order[start : start + SIZE], "total": 25})


SHAPES = [
    Shape("Link header", "GitHub REST: pagination", by_page("page", github)),
    Shape(
        "Link header with quoted traps", "Okta API: link headers, RFC 8288", by_token("after", okta)
    ),
    Shape(
        "Link header beside an object", "Shopify REST: page_info", by_token("page_info", shopify)
    ),
    Shape("X-Next-Page", "GitLab REST: other pagination headers", by_page("page", gitlab)),
    Shape("a header of its own", "no convention", by_page("page", unknown_header)),
    Shape("continuation header", "Azure Cosmos DB: ReadFeed", cosmos),
    Shape("X-WP-Total", "WordPress REST: pagination", by_page("page", wordpress)),
    Shape("Content-Range without a total", "PostgREST: limits", by_offset("offset", postgrest)),
    Shape("Content-Range with a total", "RFC 9110, 14.4", by_offset("offset", items_range)),
    Shape("next, count", "Django REST framework", by_page("page", django)),
    Shape("links.next", "JSON:API 1.1", by_page("page[number]", json_api)),
    Shape("_links.next.href", "HAL; Dutch ZGW APIs", by_page("page", hal)),
    Shape("links with rel", "OGC API Features; STAC", by_offset("offset", ogc)),
    Shape("link with relation", "FHIR R4: Bundle", by_page("page", fhir)),
    Shape("@odata.nextLink", "OData 4.01 JSON; Microsoft Graph", by_offset("$skiptoken", odata)),
    Shape("d.__next", "OData 2 JSON; SAP Gateway", by_offset("$skiptoken", odata_2)),
    Shape("nextLink", "Azure Resource Manager", by_token("$skiptoken", azure)),
    Shape("nextRecordsUrl", "Salesforce REST: query", salesforce),
    Shape("next_page_uri", "Twilio API", by_page("Page", twilio, first=0)),
    Shape("more_topics_url", "Discourse API", by_page("page", discourse, first=0)),
    Shape("_links.next as a text", "Confluence REST", by_offset("start", confluence)),
    Shape("paging.next and cursors", "Meta Graph API", by_token("after", facebook)),
    Shape("volgende", "a language of its own", by_page("pagina", dutch)),
    Shape("siguiente", "a language of its own", by_page("page", spanish)),
    Shape("next_page deep down", "no convention", by_token("cursor", odd_place)),
    Shape("a next link that never ends", "CKAN: datastore_search", by_offset("offset", ckan)),
    Shape("paging.next.after", "HubSpot CRM", by_token("after", hubspot)),
    Shape("offset as a token", "Airtable Web API", by_token("offset", airtable)),
    Shape("response_metadata.next_cursor", "Slack Web API", by_token("cursor", slack)),
    Shape("nextPageToken", "Google Calendar API", by_token("pageToken", google)),
    Shape("pageToken", "Google BigQuery REST", by_token("pageToken", bigquery)),
    Shape("NextContinuationToken", "Amazon S3: ListObjectsV2", by_token("continuation-token", s3)),
    Shape(
        "meta.has_more and links", "Zendesk: cursor pagination", by_token("page[after]", zendesk)
    ),
    Shape("metadata.continue", "Kubernetes API concepts: chunks", by_token("continue", kubernetes)),
    Shape("data.after", "Reddit API: listings", by_token("after", reddit)),
    Shape("meta.next_cursor", "OpenAlex: cursor paging", by_token("cursor", openalex)),
    Shape("message.next-cursor", "Crossref REST: deep paging", by_token("cursor", crossref)),
    Shape("continuation", "Eventbrite API", by_token("continuation", eventbrite)),
    Shape("continue.apcontinue", "MediaWiki Action API", by_token("apcontinue", wikimedia)),
    Shape(
        "next_cursor in the body",
        "Notion API",
        notion,
        fields={"method": "POST", "body": {"page_size": 10}},
    ),
    Shape(
        "pageInfo.endCursor",
        "GraphQL cursor connections (Relay)",
        relay,
        fields={"method": "POST", "body": {"query": QUERY, "variables": {}}},
    ),
    Shape("starting_after", "Stripe API", stripe),
    Shape("since_id", "Mastodon API", mastodon_like),
    Shape("number, totalPages, last", "Spring Data REST", by_page("page", spring, first=0)),
    Shape("startAt, maxResults, total", "Jira REST: search", by_offset("startAt", jira)),
    Shape("startAt, isLast", "Jira REST: projects", by_offset("startAt", jira_values)),
    Shape("exceededTransferLimit", "ArcGIS REST: query", by_offset("resultOffset", arcgis)),
    Shape("response.numFound", "Apache Solr", by_offset("start", solr)),
    Shape("startIndex from 1", "SCIM, RFC 7644 3.4.2.4", by_offset("startIndex", scim, base=1)),
    Shape("endOfRecords", "GBIF API", by_offset("offset", gbif)),
    Shape("nbHits, page from 0", "Algolia search", by_page("page", algolia, first=0)),
    Shape("recordsTotal", "DataTables: server side", by_offset("start", datatables)),
    Shape("total_items", "Mailchimp Marketing API", by_offset("offset", mailchimp)),
    Shape("pagination.pageCount", "Xero Accounting API", by_page("page", xero)),
    Shape("has_more as a text", "seen with PHP and .NET servers", by_page("page", text_flag)),
    Shape("a bare list by page", "Rails applications", by_page("page", bare)),
    Shape("a bare list by skip", "NoSQL front ends", by_offset("skip", bare)),
    Shape("a bare list by $offset", "Socrata SODA", by_offset("$offset", bare)),
    Shape("a bare list by page from 0", "Spring without envelope", by_page("page", bare, first=0)),
    Shape(
        "a bare list by startIndex from 1", "OpenSearch 1.1", by_offset("startIndex", bare, base=1)
    ),
    Shape(
        "from and size in the body",
        "Elasticsearch: paginate",
        elasticsearch,
        fields={"method": "POST", "body": {"from": 0, "size": 10}},
    ),
    Shape("a last page that repeats", "servers that clamp the number", by_page("page", clamped)),
    Shape(
        "a total that is only a bound",
        "Elasticsearch: track_total_hits",
        capped,
        "refused",
        {"method": "POST", "body": {"query": {}}},
    ),
    Shape("a total that is the page's size", "no convention", own_size, "unproven"),
    Shape("nothing at all", "Discord, Trello: by id", silent, "unproven"),
    Shape("a flag that nothing follows", "no convention", flag_only, "refused"),
    Shape(
        "search_after",
        "Elasticsearch: search after",
        search_after,
        fields={
            "method": "POST",
            "body": {"sort": ["id"]},
            "pagination": {
                "type": "cursor",
                "token": "hits.hits.-1.sort",
                "param": "search_after",
                "place": "body",
            },
        },
        rows=[{**row, "sort": [row["id"]]} for row in ROWS],
    ),
    Shape(
        "LastEvaluatedKey, set by a person",
        "Amazon DynamoDB: Query",
        evaluated,
        fields={
            "method": "POST",
            "body": {"TableName": "things"},
            "records": "Items",
            "pagination": {
                "type": "cursor",
                "token": "LastEvaluatedKey",
                "param": "ExclusiveStartKey",
                "place": "body",
            },
        },
    ),
    Shape(
        "the same page for ever",
        "seen with broken proxies",
        by_page("page", same_for_ever),
        "refused",
    ),
    Shape("the same rows with the time", "seen with gateways", by_page("page", ticking), "refused"),
    Shape("the same names with the time", "seen with gateways", ticking_names, "refused"),
    Shape(
        "LastEvaluatedKey", "Amazon DynamoDB", dynamodb, "unproven", {"method": "POST", "body": {}}
    ),
    Shape("an offset that counts pages", "seen with in-house APIs", skipped_by_page, "unproven"),
    Shape("parameters that filter", "seen with in-house APIs", filtering, "refused"),
    Shape("rows move while they are read", "any API by page", drifting(), "unproven"),
    Shape("pages that overlap", "any API without a stable order", overlapping, "unproven"),
    Shape(
        "a token path with a typo",
        "HubSpot CRM",
        by_token("after", hubspot),
        "refused",
        {"pagination": {"type": "cursor", "token": "paging.nxt.after", "param": "after"}},
    ),
    Shape(
        "a link path with a typo",
        "Django REST framework",
        by_page("page", django),
        "refused",
        {"pagination": {"type": "next_url", "next": "nxet"}},
    ),
    Shape(
        "stated by a person, against the source",
        "Stripe API",
        stripe,
        "refused",
        {"pagination": "none"},
    ),
    Shape(
        "stated by a person",
        "any list in one answer",
        silent,
        "whole",
        {"pagination": "none"},
        ROWS[:10],
    ),
]
