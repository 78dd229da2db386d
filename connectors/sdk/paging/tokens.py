"""The parameter with which a token is sent back to the server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from connectors.sdk.paging.links import looks_like_link
from connectors.sdk.paging.signs import HEADER
from connectors.sdk.paging.words import words

if TYPE_CHECKING:
    from connectors.sdk.paging.base import Seen

_KNOWN = {
    # last name of the path in its usual spelling: parameter for it
    "next_cursor": "cursor",
    "nextCursor": "cursor",
    "nextPageToken": "pageToken",
    "next_page_token": "page_token",
    "nextToken": "nextToken",
    "next_token": "next_token",
    "continuationToken": "continuationToken",
    "continuation_token": "continuation_token",
    "endCursor": "after",
    "end_cursor": "after",
    "cursors.after": "after",
    "cursor.next": "cursor",
    "scroll_id": "scroll_id",
    "cursor": "cursor",
    "NextContinuationToken": "continuation-token",
    "nextCursorMark": "cursorMark",
    "nextRecordPosition": "startRecord",
    "resumptionToken": "resumptionToken",
}
_USUAL = ("cursor", "after", "page_token", "pageToken", "next_token", "continuation", "page")
_VARIABLE = re.compile(r"\$(\w+)")
_NEXT = re.compile(r"^(?:x[-_])?next[-_]?|^[a-z]*volgende[-_]?|^siguiente[-_]?", re.IGNORECASE)
AFTER_LAST = ("starting_after", "after", "after_id", "last_id", "since_id", "startAfter", "from_id")
"""Parameters for the id of the last row."""


def params_for(path: str, token: Any, page: Seen) -> list[str]:
    """Parameters for the token at `path`, most likely first."""
    return list(dict.fromkeys(_params(path, token, page)))


def _params(path: str, token: Any, page: Seen) -> Iterator[str]:
    yield from variables(page)
    yield from _changed_in_links(page, token)
    for name, param in _KNOWN.items():
        if path == name or path.endswith(f".{name}"):
            yield param
    if path.startswith(HEADER):
        name = path.removeprefix(HEADER)
        plain = re.sub(r"^x[-_](?:ms[-_])?", "", name, flags=re.IGNORECASE).lower()
        yield _NEXT.sub("", plain).replace("-", "_") or plain
        yield plain.replace("-", "_")
        yield name
    else:
        own = path.rpartition(".")[2]
        bare = _NEXT.sub("", own)
        if bare and bare != own:
            yield bare[:1].lower() + bare[1:] if not bare.isupper() else bare
        elif not bare:  # `next` itself
            yield from ("page", "cursor") if _is_count(token) else ("cursor", "after")
        yield own
        yield "start_cursor" if "cursor" in own.lower() else "start"
    if _is_count(token):
        yield from ("page", "offset", "start")
    yield from _USUAL


def _is_count(token: Any) -> bool:
    return isinstance(token, int) or (isinstance(token, str) and token.isdecimal())


def variables(page: Seen) -> list[str]:
    """Variables of a GraphQL query that may take a cursor, as paths in the body."""
    try:
        body = orjson.loads(page.request.body or b"null")
    except orjson.JSONDecodeError:
        return []
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        return []
    names = dict.fromkeys(_VARIABLE.findall(body["query"]))
    wanted = {"after", "cursor", "token", "start", "page", "offset"}
    return [f"variables.{name}" for name in names if wanted & set(words(name))]


def _changed_in_links(page: Seen, token: Any) -> Iterator[str]:
    """Query parameters of links in the document that have exactly this token."""
    before = dict(parse_qsl(urlsplit(page.request.full_url).query))
    for text in _texts(page.document):
        try:
            query = urlsplit(text).query
        except ValueError:  # not a valid URL
            continue
        for name, value in parse_qsl(query):
            if value == str(token) and before.get(name) != value:
                yield name


def _texts(document: Any, depth: int = 4) -> Iterator[str]:
    if not isinstance(document, dict) or not depth:
        return
    for value in document.values():
        if isinstance(value, str) and len(value) < 8_000 and looks_like_link(value):
            yield value
        elif isinstance(value, dict):
            yield from _texts(value, depth - 1)
